//! `aura mind`: the mind, without objects.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::failure::Failure;
use super::term::{print, print_json, tell};
use super::{Output, parts};
use crate::config::Config;
use crate::mind::{Mandate, Mind, MindError, extract};
use crate::object::{MethodName, ObjectId, Source};

#[derive(Subcommand)]
pub enum Command {
    /// Tell whether the mind answers
    Check(Output),
    /// Have the mind write a method body and print it
    Ask(Ask),
}

#[derive(Args)]
pub struct Ask {
    /// The name of the method to be written
    method: MethodName,
    /// The object it is written for
    #[arg(long, value_name = "OBJECT", default_value = "UvmObjects/system")]
    receiver: ObjectId,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Checked<'a> {
    persona: &'a str,
    model: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct Written<'a> {
    persona: &'a str,
    model: &'a str,
    source: &'a Source,
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    let mind = parts::mind(config)?;
    match command {
        Command::Check(output) => check(&*mind, output).await,
        Command::Ask(ask) => write(&*mind, ask).await,
    }
}

async fn check(mind: &dyn Mind, output: Output) -> Result<(), Failure> {
    let (persona, model) = &mind.describe();
    let detail = &mind.check().await?;
    if output.json {
        return print_json(&Checked { persona, model, detail });
    }
    print(&format!("{persona} ({model}): {detail}"))
}

async fn write(mind: &dyn Mind, ask: Ask) -> Result<(), Failure> {
    let mandate = Mandate {
        receiver: ask.receiver,
        method: ask.method,
        args: "[]".to_owned(),
        kwargs: "{}".to_owned(),
        attributes: Vec::new(),
        methods: Vec::new(),
        failed: Vec::new(),
        improvement: None,
    };
    let answer = mind.ask(&mandate, &|_| {}).await?;
    let (persona, model) = (&answer.persona, &answer.model);
    let source = &extract::body(&answer.text, &mandate.method)
        .map_err(|reason| Failure::Failed(format!("{persona} wrote no usable method: {reason}")))?;
    if ask.output.json {
        return print_json(&Written { persona, model, source });
    }
    print(source.as_str())?;
    tell(&format!("{persona} ({model}) wrote '{}'; it is neither audited nor installed.", mandate.method));
    Ok(())
}

impl From<MindError> for Failure {
    fn from(error: MindError) -> Self {
        match error {
            MindError::Unavailable(text) => Self::Unreachable(text),
            MindError::Garbage(text) => Self::Failed(text),
        }
    }
}
