//! The whole image out, in one view, and in, in one transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, Params, Row};
use tokio::sync::mpsc;

use super::columns::Document;
use super::{accounts, invocations, messages, methods, objects};
use crate::object::{Contents, ObjectId};
use crate::store::{Entry, Imported, NewObject, Result, StoreError};

/// Blocks while the receiver is busy.
pub(super) fn export(image: &Connection, to: &mpsc::Sender<Entry>) -> Result<()> {
    // Nobody receives any more: there is nothing left to do.
    let _ = send_all(image, to)?;
    Ok(())
}

/// `None`: nobody receives any more.
fn send_all(image: &Connection, to: &mpsc::Sender<Entry>) -> Result<Option<()>> {
    let mut sent = Imported::default();
    let objects = each(image, "SELECT key, attributes FROM UvmObjects ORDER BY key", [], to, |row| {
        sent.objects += 1;
        Ok(Entry::Object { id: row.get(0)?, attributes: row.get(1)? })
    })?;
    if objects.is_none() || send_prototypes(image, to)?.is_none() {
        return Ok(None);
    }
    let versions = format!(
        "SELECT {}, key FROM MethodVersions JOIN UvmObjects AS holder ON holder.number = object
         ORDER BY key, name, version",
        methods::COLUMNS
    );
    let versions = each(image, &versions, [], to, |row| {
        sent.versions += 1;
        Ok(Entry::Method(methods::from_row(row.get(6)?, row, 0)?))
    })?;
    let messages = "SELECT record, idempotency_key FROM Messages ORDER BY id";
    let messages = each(image, messages, [], to, |row| {
        sent.messages += 1;
        Ok(Entry::Message { message: row.get::<_, Document<_>>(0)?.0, idempotency_key: row.get(1)? })
    })?;
    let contents = each(image, "SELECT content FROM Contents ORDER BY number", [], to, |row| {
        sent.contents += 1;
        Ok(Entry::Content(row.get(0)?))
    })?;
    let invocations = each(image, "SELECT record FROM Invocations ORDER BY id", [], to, |row| {
        sent.invocations += 1;
        Ok(Entry::Invocation(row.get::<_, Document<_>>(0)?.0))
    })?;
    let accounts = format!(
        "SELECT key, {} FROM Accounts JOIN UvmObjects AS holder ON holder.number = object ORDER BY key",
        accounts::COLUMNS
    );
    let accounts = each(image, &accounts, [], to, |row| {
        sent.accounts += 1;
        Ok(Entry::Account { object: row.get(0)?, account: accounts::from_row(row, 1)? })
    })?;
    if [versions, messages, contents, invocations, accounts].contains(&None) {
        return Ok(None);
    }
    Ok(to.blocking_send(Entry::End(sent)).ok())
}

fn send_prototypes(image: &Connection, to: &mpsc::Sender<Entry>) -> Result<Option<()>> {
    let mut statement = image.prepare(
        "SELECT holder.key, proto.key FROM PrototypeLinks AS link
         JOIN UvmObjects AS holder ON holder.number = link.object
         JOIN UvmObjects AS proto ON proto.number = link.prototype
         ORDER BY holder.key, link.position",
    )?;
    let mut rows = statement.query([])?;
    let mut open: Option<(ObjectId, Vec<ObjectId>)> = None;
    loop {
        let next: Option<(ObjectId, ObjectId)> =
            rows.next()?.map(|row| Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?))).transpose()?;
        match (&mut open, next) {
            (Some((holder, prototypes)), Some((object, prototype))) if *holder == object => {
                prototypes.push(prototype);
            }
            (done, next) => {
                let next = next.map(|(object, prototype)| (object, vec![prototype]));
                let ended = next.is_none();
                if let Some((object, prototypes)) = std::mem::replace(done, next)
                    && to.blocking_send(Entry::Prototypes { object, prototypes }).is_err()
                {
                    return Ok(None);
                }
                if ended {
                    return Ok(Some(()));
                }
            }
        }
    }
}

fn each(
    image: &Connection,
    sql: &str,
    parameters: impl Params,
    to: &mpsc::Sender<Entry>,
    mut entry: impl FnMut(&Row<'_>) -> rusqlite::Result<Entry>,
) -> Result<Option<()>> {
    let mut statement = image.prepare(sql)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        if to.blocking_send(entry(row)?).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

/// Blocks while the sender is busy. The caller undoes everything when this fails.
pub(super) fn import(image: &Connection, from: &mut mpsc::Receiver<Entry>) -> Result<Imported> {
    require_empty(image)?;
    let mut taken = Imported::default();
    // The last version of each method seen so far, to find gaps.
    let mut last: BTreeMap<(ObjectId, String), u32> = BTreeMap::new();
    while let Some(entry) = from.blocking_recv() {
        match entry.prepared()? {
            Entry::Object { id, attributes } => {
                taken.objects += 1;
                take_object(image, &NewObject { id, attributes, prototypes: Vec::new() })?;
            }
            Entry::Prototypes { object, prototypes } => {
                objects::set_prototypes(image, &object, &prototypes, None).map_err(dangling)?;
            }
            Entry::Method(method) => {
                taken.versions += 1;
                let version = last.entry((method.object.clone(), method.name.to_string())).or_default();
                if method.version != *version + 1 {
                    return Err(StoreError::ImportFailed(format!(
                        "version {} of '{}' of {} follows on version {version}",
                        method.version, method.name, method.object
                    )));
                }
                *version = method.version;
                methods::put(image, &method).map_err(dangling)?;
            }
            Entry::Message { message, idempotency_key } => {
                taken.messages += 1;
                if messages::before(image, &message, idempotency_key.as_deref())?.is_some() {
                    return Err(twice("message", &message.message_id));
                }
                messages::put(image, &message, idempotency_key.as_deref())?;
            }
            Entry::Content(content) => {
                taken.contents += 1;
                invocations::keep(image, &Contents::from([(content.digest(), content)]))?;
            }
            Entry::Invocation(invocation) => {
                taken.invocations += 1;
                if invocations::read(image, invocation.invocation_id)?.is_some() {
                    return Err(twice("invocation", &invocation.invocation_id));
                }
                invocations::record(image, &invocation)?;
            }
            Entry::Account { object, account } => {
                taken.accounts += 1;
                accounts::take(image, &object, account).map_err(dangling)?;
            }
            Entry::End(counted) if counted == taken => return Ok(taken),
            Entry::End(counted) => {
                return Err(StoreError::ImportFailed(format!(
                    "it should hold {counted:?} and holds {taken:?}"
                )));
            }
        }
    }
    Err(StoreError::ImportFailed("it is cut short".to_owned()))
}

fn require_empty(image: &Connection) -> Result<()> {
    let empty: bool = image.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM UvmObjects WHERE key NOT IN ('nil', 'system'))
            AND NOT EXISTS (SELECT 1 FROM MethodVersions)
            AND NOT EXISTS (SELECT 1 FROM Messages)
            AND NOT EXISTS (SELECT 1 FROM Invocations)
            AND NOT EXISTS (SELECT 1 FROM Contents)
            AND NOT EXISTS (SELECT 1 FROM Accounts)",
        [],
        |row| row.get(0),
    )?;
    if empty { Ok(()) } else { Err(StoreError::NotEmpty) }
}

/// The roots are there already.
fn take_object(image: &Connection, new: &NewObject) -> Result<()> {
    let root = matches!(new.id.key(), "nil" | "system");
    match objects::create(image, new) {
        Err(StoreError::ObjectExists(id)) if root => {
            objects::replace_attributes(image, &id, &new.attributes)?;
            objects::set_prototypes(image, &id, &[], None)?;
        }
        Err(error @ StoreError::ObjectExists(_)) => return Err(StoreError::ImportFailed(error.to_string())),
        outcome => drop(outcome?),
    }
    Ok(())
}

fn twice(what: &str, id: &impl std::fmt::Display) -> StoreError {
    StoreError::ImportFailed(format!("{what} {id}, or its idempotency key, is there twice"))
}

fn dangling(error: StoreError) -> StoreError {
    match error {
        StoreError::ObjectNotFound(_) => StoreError::ImportFailed(error.to_string()),
        error => error,
    }
}
