//! Messages: the durable inbox and the record of what became of each.

use rusqlite::{Connection, OptionalExtension as _, Params, params};

use super::columns::Document;
use super::{lease, page};
use crate::object::{Message, MessageId, MessageStatus};
use crate::store::{Accepted, Lease, MessageFilter, Page, Result, ServerName, StoreError};

/// Takes the message in, unless its key or the message itself was taken in before.
pub(super) fn accept(
    image: &Connection,
    message: &Message,
    key: Option<&str>,
    lease: &Lease,
) -> Result<Accepted> {
    if let Some(before) = before(image, message, key)? {
        return Ok(Accepted::Before(before));
    }
    lease::require(image, lease)?;
    insert(image, message, key, Some(&lease.server))?;
    Ok(Accepted::New)
}

/// The message that the key names already, or the message itself.
pub(super) fn before(image: &Connection, message: &Message, key: Option<&str>) -> Result<Option<Message>> {
    let sql = "SELECT record FROM Messages WHERE idempotency_key = ?1 OR id = ?2";
    find(image, sql, params![key, message.message_id])
}

/// Takes in a message as it is. One that is not finished waits for a server.
pub(super) fn put(image: &Connection, message: &Message, key: Option<&str>) -> Result<()> {
    insert(image, message, key, None)
}

fn insert(
    image: &Connection,
    message: &Message,
    key: Option<&str>,
    server: Option<&ServerName>,
) -> Result<()> {
    image
        .prepare_cached(
            "INSERT INTO Messages (id, idempotency_key, target, status, record, server)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            message.message_id,
            key,
            message.target_object_id,
            message.status.as_str(),
            Document(message),
            server
        ])?;
    Ok(())
}

/// Replaces the record of a message that is not finished.
pub(super) fn note(image: &Connection, message: &Message, lease: &Lease) -> Result<()> {
    lease::require(image, lease)?;
    let noted = image
        .prepare_cached(
            "UPDATE Messages SET status = ?2, record = ?3
             WHERE id = ?1 AND server = ?4 AND status IN ('accepted', 'running')",
        )?
        .execute(params![message.message_id, message.status.as_str(), Document(message), lease.server])?;
    if noted == 0 { Err(StoreError::AlreadyFinished(message.message_id)) } else { Ok(()) }
}

/// Fails while an earlier message for the same object is unfinished.
pub(super) fn require_turn(image: &Connection, message: &Message) -> Result<()> {
    let earlier: Option<MessageId> = image
        .prepare_cached(
            "SELECT id FROM Messages WHERE target = ?1 AND id < ?2 AND status IN ('accepted', 'running')
             ORDER BY id LIMIT 1",
        )?
        .query_row(params![message.target_object_id, message.message_id], |row| row.get(0))
        .optional()?;
    earlier.map_or(Ok(()), |earlier| Err(StoreError::NotItsTurn(earlier)))
}

/// Replaces the record of a message, or makes it.
pub(super) fn write(image: &Connection, message: &Message) -> Result<()> {
    image
        .prepare_cached(
            "INSERT INTO Messages (id, target, status, record) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, record = excluded.record",
        )?
        .execute(params![
            message.message_id,
            message.target_object_id,
            message.status.as_str(),
            Document(message)
        ])?;
    Ok(())
}

pub(super) fn read(image: &Connection, id: MessageId) -> Result<Option<Message>> {
    find(image, "SELECT record FROM Messages WHERE id = ?1", [id])
}

pub(super) fn is_finished(image: &Connection, id: MessageId) -> Result<bool> {
    let finished = image
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM Messages WHERE id = ?1 AND status IN ('completed', 'failed'))",
        )?
        .query_row([id], |row| row.get(0))?;
    Ok(finished)
}

/// Newest first.
pub(super) fn list(image: &Connection, filter: &MessageFilter) -> Result<Page<Message>> {
    let mut sql = "SELECT record FROM Messages WHERE TRUE".to_owned();
    if filter.after.is_some() {
        sql += " AND id < ?1";
    }
    if filter.target.is_some() {
        sql += " AND target = ?2";
    }
    sql += match filter.status {
        None => "",
        Some(MessageStatus::Completed) => " AND status = 'completed'",
        Some(MessageStatus::Failed) => " AND status = 'failed'",
        // As the index has it.
        Some(MessageStatus::Accepted) => " AND status IN ('accepted', 'running')",
        Some(MessageStatus::Running) => " AND status IN ('accepted', 'running') AND status = 'running'",
    };
    sql += " ORDER BY id DESC LIMIT ?3";
    let mut statement = image.prepare_cached(&sql)?;
    let rows = statement.query(params![filter.after, filter.target, page::rows(filter.limit)])?;
    page::take(rows, filter.limit, |row| {
        let bytes = row.get_ref(0)?.as_str().map_or(0, str::len);
        Ok((row.get::<_, Document<_>>(0)?.0, bytes))
    })
}

/// Oldest first.
pub(super) fn unfinished(image: &Connection, server: &ServerName) -> Result<Vec<Message>> {
    let messages = image
        .prepare_cached(
            "SELECT record FROM Messages WHERE status IN ('accepted', 'running') AND server = ?1 ORDER BY id",
        )?
        .query_map([server], |row| Ok(row.get::<_, Document<_>>(0)?.0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(messages)
}

fn find(image: &Connection, sql: &str, parameters: impl Params) -> Result<Option<Message>> {
    let found =
        image.prepare_cached(sql)?.query_row(parameters, |row| row.get::<_, Document<_>>(0)).optional()?;
    Ok(found.map(|record| record.0))
}
