//! Sending messages and reading what became of them.

use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{Asked, At, Sent, applied, idempotency_key, wait_of};
use super::problem::Problem;
use super::{Api, Shared};
use crate::object::{Json, Message, MessageId, MessageStatus, MethodName, NewMessage, ObjectId};
use crate::store::{MAX_PAGE, MessageFilter, Page};

/// A message to an object.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageBody {
    /// `UvmObjects/KEY` or `KEY`.
    #[schema(value_type = String, example = "UvmObjects/system")]
    target_object_id: ObjectId,
    /// A Python identifier.
    #[schema(value_type = String, example = "greet")]
    method_name: MethodName,
    #[serde(default = "Json::empty_array")]
    #[schema(value_type = Vec<serde_json::Value>, default = json!([]))]
    args: Json,
    #[serde(default = "Json::empty_object")]
    #[schema(value_type = Object)]
    kwargs: Json,
    /// Seed of everything random in the run; drawn by the server if absent.
    #[serde(default)]
    seed: Option<u64>,
    /// The most fuel the run may use; never more than the method's quota.
    #[serde(default)]
    #[schema(minimum = 1)]
    fuel: Option<u64>,
}

impl MessageBody {
    fn into_message(self, idempotency_key: Option<String>) -> Result<NewMessage, Problem> {
        if self.fuel == Some(0) {
            return Err(Problem::invalid("The field 'fuel' is not valid: it must be at least 1."));
        }
        let not = |field, error| Problem::invalid(format!("The field '{field}' is not valid: it {error}."));
        Ok(NewMessage {
            target: self.target_object_id,
            method: self.method_name,
            args: self.args.into_array().and_then(Json::without_twins).map_err(|error| not("args", error))?,
            kwargs: self
                .kwargs
                .into_object()
                .and_then(Json::without_twins)
                .map_err(|error| not("kwargs", error))?,
            seed: self.seed,
            fuel: self.fuel,
            idempotency_key,
        })
    }
}

/// The message is on disk and will be worked on.
#[derive(Serialize, ToSchema)]
pub struct Receipt {
    #[schema(value_type = uuid::Uuid)]
    message_id: MessageId,
    /// Always `accepted`: the message itself tells how far it is.
    #[schema(value_type = String, example = "accepted")]
    status: MessageStatus,
}

/// Sends a message.
///
/// Without `Prefer: wait=SECONDS` the answer is 202 as soon as the message is on disk. With it, the answer is 200 and
/// the finished record, or 202 when the time is up; a client that goes away leaves the message running.
#[utoipa::path(
    post, path = "/message", operation_id = "send_message", tag = "messages", request_body = MessageBody,
    params(
        ("Prefer" = Option<String>, Header, description = "wait=SECONDS, at most 600 (RFC 7240)"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 visible ASCII characters: the same key returns the same message"),
    ),
    responses(
        (status = 202, description = "Accepted, and on disk", body = Receipt,
            headers(("Location" = String, description = "Where the record is"))),
        (status = 200, description = "Finished within the wait", body = ref("#/components/schemas/Message")),
    )
)]
pub async fn send(
    State(api): Shared,
    headers: HeaderMap,
    Sent(body): Sent<MessageBody>,
) -> Result<Response, Problem> {
    let new = body.into_message(idempotency_key(&headers)?)?;
    let wait = wait_of(&headers);
    let accepted = match wait {
        Some(patience) if !patience.is_zero() => api.orchestrator.deliver(new).await?,
        _ => api.orchestrator.accept(new).await?,
    };
    let id = accepted.message_id;
    if let Some(patience) = wait
        && let Some(message) = await_final(&api, id, patience).await?
        && message.status.is_final()
    {
        return Ok(([applied(patience)], Answer(message)).into_response());
    }
    let receipt = Answer(Receipt { message_id: id, status: MessageStatus::Accepted });
    let location = [(header::LOCATION, format!("/messages/{id}"))];
    let mut response = (StatusCode::ACCEPTED, location, receipt).into_response();
    response.headers_mut().extend(wait.map(applied).map(|(name, value)| (Some(name), value)));
    Ok(response)
}

/// The record, final if it becomes so in time and before the server stops.
async fn await_final(api: &Api, id: MessageId, patience: Duration) -> Result<Option<Message>, Problem> {
    tokio::select! {
        message = api.orchestrator.wait(id, patience) => Ok(message?),
        () = api.closed() => Ok(api.orchestrator.store().message(id).await?),
    }
}

/// The record of a message.
///
/// With `Prefer: wait=SECONDS` the answer is held back until the message is finished or the time is up.
#[utoipa::path(
    get, path = "/messages/{id}", operation_id = "show_message", tag = "messages",
    params(
        ("id" = uuid::Uuid, Path),
        ("Prefer" = Option<String>, Header, description = "wait=SECONDS, at most 600 (RFC 7240)"),
    ),
    responses((status = 200, description = "The record", body = ref("#/components/schemas/Message")))
)]
pub async fn show(State(api): Shared, headers: HeaderMap, At(id): At<String>) -> Result<Response, Problem> {
    let id = message_id(&id)?;
    let wait = wait_of(&headers);
    let message = match wait {
        Some(patience) => await_final(&api, id, patience).await?,
        // The orchestrator knows which messages are running.
        None => api.orchestrator.wait(id, Duration::ZERO).await?,
    };
    let message = message.ok_or_else(|| unknown(&id.to_string()))?;
    let mut response = Answer(message).into_response();
    response.headers_mut().extend(wait.map(applied).map(|(name, value)| (Some(name), value)));
    Ok(response)
}

pub fn message_id(text: &str) -> Result<MessageId, Problem> {
    MessageId::parse(text).map_err(|_| unknown(text))
}

pub fn unknown(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    Problem::not_found(format!("There is no message '{id}'."))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// Only messages to this object.
    #[param(value_type = Option<String>)]
    target: Option<ObjectId>,
    /// `accepted`, `running`, `completed` or `failed`.
    #[param(value_type = Option<String>)]
    status: Option<MessageStatus>,
    /// 1 to 1000, 100 if absent.
    limit: Option<u32>,
    /// Only messages older than this one: `next` of the page before.
    #[param(value_type = Option<uuid::Uuid>)]
    after: Option<MessageId>,
}

#[derive(Serialize)]
pub struct Messages {
    messages: Vec<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<MessageId>,
}

/// How many items a page has.
pub fn page_size(limit: Option<u32>) -> Result<u32, Problem> {
    match limit {
        None => Ok(100),
        Some(limit @ 1..=MAX_PAGE) => Ok(limit),
        Some(_) => {
            Err(Problem::malformed(format!("The parameter 'limit' must be between 1 and {MAX_PAGE}.")))
        }
    }
}

/// Messages, newest first.
#[utoipa::path(
    get, path = "/messages", operation_id = "list_messages", tag = "messages", params(MessageQuery),
    responses((status = 200, description = "A page; `next` is there if more follow",
        body = ref("#/components/schemas/Messages")))
)]
pub async fn list(
    State(api): Shared,
    Asked(query): Asked<MessageQuery>,
) -> Result<Answer<Messages>, Problem> {
    let limit = page_size(query.limit)?;
    let filter = MessageFilter { target: query.target, status: query.status, after: query.after, limit };
    let Page { items: messages, more } = api.orchestrator.messages(filter).await?;
    let next = messages.last().filter(|_| more).map(|message| message.message_id);
    Ok(Answer(Messages { messages, next }))
}
