//! Messages: the durable inbox and the record of what became of each. A message is kept as the text of its
//! record, with what is searched beside it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::database::Database;
use super::error::{Attempt, damaged};
use super::guards::Guards;
use super::transaction::{Transaction, transact};
use super::{aql, methods, objects};
use crate::object::{Digest, Message, MessageId, MessageStatus};
use crate::store::{Accepted, Lease, LeaseId, MessageFilter, Page, Result, ServerName, StoreError};

/// What may change of a message.
#[derive(Serialize)]
pub(super) struct Change {
    #[serde(rename = "_key")]
    key: MessageId,
    id: MessageId,
    target: String,
    status: &'static str,
    /// Whether it is unfinished.
    open: bool,
    bytes: usize,
    record: String,
}

#[derive(Serialize)]
pub(super) struct New<'a> {
    #[serde(flatten)]
    change: Change,
    /// Who has to finish it.
    server: Option<&'a ServerName>,
    /// The digest of the idempotency key, which is unique: keys themselves are compared by the rules of a
    /// language.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<&'a str>,
}

#[derive(Deserialize)]
struct Arrival {
    lease: Option<LeaseId>,
    before: Option<String>,
}

pub(super) fn change(message: &Message) -> Result<Change> {
    let record = methods::record(message)?;
    Ok(Change {
        key: message.message_id,
        id: message.message_id,
        target: message.target_object_id.key().to_owned(),
        status: message.status.as_str(),
        open: !message.status.is_final(),
        bytes: record.len(),
        record,
    })
}

pub(super) fn document<'a>(
    message: &Message,
    key: Option<&'a str>,
    server: Option<&'a ServerName>,
) -> Result<New<'a>> {
    let idempotency = key.map(|key| Digest::of(key.as_bytes()));
    Ok(New { change: change(message)?, server, idempotency, idempotency_key: key })
}

pub(super) fn from_record(record: &str) -> Result<Message> {
    serde_json::from_str(record).map_err(|error| damaged("a message", error))
}

/// Takes the message in, unless its key or the message itself was taken in before.
pub(super) async fn accept(
    database: &Database,
    message: &Message,
    key: Option<&str>,
    lease: &Lease,
) -> Result<Accepted> {
    transact!(database, None, &["Guards", "Messages"], &["Servers"], |transaction| accept_in(
        &transaction,
        message,
        key,
        lease
    ))
}

async fn accept_in(
    transaction: &Transaction,
    message: &Message,
    key: Option<&str>,
    lease: &Lease,
) -> Attempt<Accepted> {
    transaction.replace("Guards", Guards::default().reads_server(&lease.server).documents()).await?;
    let new = document(message, key, Some(&lease.server))?;
    let mut values = json!({ "server": lease.server, "id": message.message_id });
    let query = if let Some(idempotency) = &new.idempotency {
        values["idempotency"] = json!(idempotency);
        aql::ARRIVAL_WITH_KEY
    } else {
        aql::ARRIVAL
    };
    let arrival: Arrival = sole(transaction.query(query, values).await?)?;
    if let Some(before) = arrival.before {
        return Ok(Accepted::Before(from_record(&before)?));
    }
    require(arrival.lease, lease)?;
    transaction.insert("Messages", &[new]).await?;
    Ok(Accepted::New)
}

/// Replaces the record of a message that is not finished.
pub(super) async fn note(database: &Database, message: &Message, lease: &Lease) -> Result<()> {
    transact!(database, None, &["Guards", "Messages"], &["Servers", "UvmObjects"], |transaction| note_in(
        &transaction,
        message,
        lease
    ))
}

async fn note_in(transaction: &Transaction, message: &Message, lease: &Lease) -> Attempt<()> {
    transaction.replace("Guards", Guards::default().reads_server(&lease.server).documents()).await?;
    let standing = standing(transaction, message, lease, &[]).await?;
    require(standing.lease, lease)?;
    if standing.open != Some(true) {
        return Err(StoreError::AlreadyFinished(message.message_id).into());
    }
    Ok(transaction.update("Messages", &[change(message)?]).await?)
}

/// What decides whether something is done about a message.
#[derive(Deserialize)]
pub(super) struct Standing {
    pub lease: Option<LeaseId>,
    /// Whether the message is unfinished; none if it is not known.
    pub open: Option<bool>,
    /// An unfinished message for the same object that was accepted earlier.
    pub earlier: Option<MessageId>,
    pub revs: Vec<objects::Known>,
}

pub(super) async fn standing(
    transaction: &Transaction,
    message: &Message,
    lease: &Lease,
    keys: &[&str],
) -> Attempt<Standing> {
    let values = json!({
        "server": lease.server,
        "id": message.message_id,
        "target": message.target_object_id.key(),
        "keys": keys,
    });
    Ok(sole(transaction.query(aql::STANDING, values).await?)?)
}

/// The fence: fails unless this is still the server's lease.
pub(super) fn require(found: Option<LeaseId>, lease: &Lease) -> Result<()> {
    if found == Some(lease.id) { Ok(()) } else { Err(StoreError::Fenced) }
}

/// The one row of a query that always has one.
pub(super) fn sole<T>(rows: Vec<T>) -> Result<T> {
    rows.into_iter().next().ok_or_else(|| damaged("a result", "a query had no rows"))
}

pub(super) async fn read(database: &Database, id: MessageId) -> Result<Option<Message>> {
    let rows: Vec<String> = database.read(aql::MESSAGE, json!({ "id": id })).await?;
    rows.first().map(|record| from_record(record)).transpose()
}

/// What a message that is listed under a status may have in its document.
fn found_by(status: MessageStatus) -> Value {
    match status {
        MessageStatus::Accepted => json!([MessageStatus::Accepted.as_str(), MessageStatus::Running.as_str()]),
        status => json!([status.as_str()]),
    }
}

/// Newest first.
pub(super) async fn list(database: &Database, filter: &MessageFilter) -> Result<Page<Message>> {
    let mut values = json!({});
    let mut given = |name: &str, value: Option<Value>| {
        let is_given = value.is_some();
        if let Some(value) = value {
            values[name] = value;
        }
        is_given
    };
    let query = aql::messages(
        given("target", filter.target.as_ref().map(|target| json!(target.key()))),
        given("status", filter.status.map(found_by)),
        given("after", filter.after.map(|after| json!(after))),
    );
    let page: Page<String> = objects::page(database, &query, values, filter.limit).await?;
    let mut items = page.items.iter().map(|record| from_record(record)).collect::<Result<Vec<_>>>()?;
    items.sort_by_key(|message| std::cmp::Reverse(message.message_id));
    items.truncate(filter.limit as usize);
    Ok(Page { items, more: page.more })
}

/// Oldest first.
pub(super) async fn unfinished(database: &Database, server: &ServerName) -> Result<Vec<Message>> {
    let rows: Vec<String> = database.read(aql::UNFINISHED, json!({ "server": server })).await?;
    rows.iter().map(|record| from_record(record)).collect()
}
