//! `aura send`: one message, its output and result, and what happened.

use std::time::Duration;

use clap::Args;
use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::client::{Client, Sent};
use super::failure::Failure;
use super::objects;
use super::term::{count, duration, print, print_json, spin, spinner, tell, thousands};
use crate::config::Config;
use crate::object::{Fault, Json, Message, MessageId, MethodName, ObjectId};

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    message: Content,
    /// Seed of everything random in the run
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The most fuel the run may use
    #[arg(long, value_name = "UNITS", value_parser = clap::value_parser!(u64).range(1..))]
    fuel: Option<u64>,
    /// How long to wait for the result, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// Print the message's id and do not wait
    #[arg(long, conflicts_with = "timeout")]
    no_wait: bool,
    /// Print the message's record as JSON; its id alone if nobody waits for its end
    #[arg(long)]
    json: bool,
}

/// What is sent to whom.
#[derive(Args)]
pub struct Content {
    /// The object: UvmObjects/KEY or KEY
    target: ObjectId,
    /// The method
    method: MethodName,
    /// Arguments as a JSON array, such as '["Bob", 3]'
    #[arg(value_name = "JSON_ARGS", value_parser = array, default_value = "[]")]
    args: Json,
    /// Keyword arguments as a JSON object, such as '{"loud": true}'
    #[arg(value_name = "JSON_KWARGS", value_parser = object, default_value = "{}")]
    kwargs: Json,
}

pub fn array(text: &str) -> Result<Json, String> {
    Json::parse(text.trim().to_owned()).and_then(Json::into_array).map_err(|error| error.to_string())
}

pub fn object(text: &str) -> Result<Json, String> {
    Json::parse(text.trim().to_owned()).and_then(Json::into_object).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct Body<'a> {
    target_object_id: &'a ObjectId,
    method_name: &'a MethodName,
    args: &'a Json,
    kwargs: &'a Json,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<u64>,
}

#[derive(Deserialize, Serialize)]
struct Receipt {
    message_id: MessageId,
    status: String,
}

pub async fn send(config: &Config, options: Options) -> Result<(), Failure> {
    let client = Client::new(config)?;
    let Content { target, method, args, kwargs } = &options.message;
    let body = Body {
        target_object_id: target,
        method_name: method,
        args,
        kwargs,
        seed: options.seed,
        fuel: options.fuel,
    };
    let body = serde_json::to_string(&body).map_err(|error| Failure::Usage(error.to_string()))?;
    if options.no_wait {
        let receipt: Receipt = client.send(Method::POST, "/message", body).await?;
        return if options.json { print_json(&receipt) } else { print(&receipt.message_id.to_string()) };
    }
    let waiting = spinner();
    spin(&waiting, &format!("{target} works on '{method}'; its server shows the steps …"));
    let sent = client.message(body, Duration::from_secs(options.timeout)).await;
    waiting.finish_and_clear();
    match sent? {
        Sent::Lost(id) => {
            going(id, options.json)?;
            Err(Failure::Unreachable(format!(
                "AURA stopped, or answers no longer, before the message ended. It is on disk and goes on when AURA does; \
                 its record is at {}/messages/{id}.",
                client.url()
            )))
        }
        Sent::Going(id) => {
            going(id, options.json)?;
            Err(Failure::Failed(format!(
                "No answer within {}; the message goes on. Its record is at {}/messages/{id}.",
                count(options.timeout, "second", "seconds"),
                client.url()
            )))
        }
        Sent::Left(id) => {
            going(id, options.json)?;
            let url = client.url();
            tell(&format!(
                "Not waiting any longer; the message goes on. Its record is at {url}/messages/{id}."
            ));
            Err(Failure::Told(130))
        }
        Sent::Finished(message) if options.json => {
            print_json(&message)?;
            message.error.map_or(Ok(()), |fault| Err(Failure::told(&fault)))
        }
        Sent::Finished(message) => show(&client, &message).await,
    }
}

/// For programs, which message nobody waits for any longer.
fn going(message_id: MessageId, is_json: bool) -> Result<(), Failure> {
    if !is_json {
        return Ok(());
    }
    print_json(&Receipt { message_id, status: "accepted".to_owned() })
}

/// Output and result on stdout, what happened on stderr.
async fn show(client: &Client, message: &Message) -> Result<(), Failure> {
    if !message.output.is_empty() {
        print(message.output.strip_suffix('\n').unwrap_or(&message.output))?;
    }
    let (target, name) = (&message.target_object_id, &message.method_name);
    if let Some(fault) = &message.error {
        tell(&format!("{target} failed at '{name}' {}: {}", spent(message), told(fault)));
        if !fault.attempts.is_empty() {
            let times = count(fault.attempts.len() as u64, "attempt", "attempts");
            tell(&format!(
                "Nothing was installed, after {times}. Each is tried with the arguments of the message: give others, or \
                 install a method by hand with `aura method install`."
            ));
        }
        return Err(Failure::told(fault));
    }
    print(message.result.get())?;
    let inherited = match &message.source_object_id {
        Some(source) if source != target => format!(", as {source} does,"),
        _ => String::new(),
    };
    let line = if message.generated {
        let lesson = name.lesson();
        let by = written_by(client, message).await.map_or_else(String::new, |persona| format!("{persona}, "));
        let attempts = count(message.attempts.into(), "attempt", "attempts");
        format!("{target} learnt '{lesson}' ({by}{attempts}) and answered {}.", spent(message))
    } else if name.lesson() == *name {
        format!("{target} answered '{name}'{inherited} {}.", spent(message))
    } else {
        format!("{target} knew '{}'{inherited} already and answered {}.", name.lesson(), spent(message))
    };
    tell(&line);
    Ok(())
}

fn spent(message: &Message) -> String {
    let elapsed = message.finished_at.map_or(0, |finished| finished.0 - message.accepted_at.0);
    format!("in {}, {} fuel", duration(elapsed), thousands(message.fuel_used))
}

fn told(fault: &Fault) -> String {
    match &fault.exception {
        Some(exception) => format!("{fault}\n{}", exception.traceback.trim_end()),
        None => fault.to_string(),
    }
}

/// The persona that wrote the method; not worth failing for.
async fn written_by(client: &Client, message: &Message) -> Option<String> {
    let object = objects::path(message.source_object_id.as_ref()?);
    let path = format!("{object}/methods/{}", message.method_name.lesson());
    let method: crate::object::Method = client.get(&path).await.ok()?;
    method.provenance.persona
}
