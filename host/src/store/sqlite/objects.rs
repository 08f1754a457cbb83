//! Objects: created, read, listed, and their attributes changed.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{attributes, page};
use crate::object::{Json, MethodName, Object, ObjectId, Rev};
use crate::store::{NewObject, Page, Result, StoreError, require_count, require_size, roots};

/// The columns [`from_row`] reads, of `UvmObjects AS object`.
pub(super) const COLUMNS: &str = "object.number, object.key, object.rev, object.attributes";

pub(super) fn ping(image: &Connection) -> Result<()> {
    Ok(image.prepare_cached("SELECT EXISTS (SELECT 1 FROM UvmObjects)")?.query_row([], |_| Ok(()))?)
}

pub(super) fn genesis(image: &Connection) -> Result<Vec<ObjectId>> {
    let mut created = Vec::new();
    for root in roots()? {
        match create(image, &root) {
            Ok(object) => created.push(object.id),
            Err(StoreError::ObjectExists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(created)
}

pub(super) fn create(image: &Connection, new: &NewObject) -> Result<Object> {
    require_size(&new.id, &new.attributes)?;
    let prototypes = numbers(image, &new.id, &new.prototypes)?;
    let inserted = image
        .prepare_cached(
            "INSERT INTO UvmObjects (key, rev, attributes) VALUES (?1, 1, ?2)
             ON CONFLICT (key) DO NOTHING RETURNING number",
        )?
        .query_row(params![new.id, new.attributes], |row| row.get::<_, i64>(0))
        .optional()?;
    let Some(object) = inserted else {
        return Err(StoreError::ObjectExists(new.id.clone()));
    };
    link(image, object, prototypes)?;
    read(image, &new.id)
}

/// The numbers of an object's prototypes-to-be.
fn numbers(image: &Connection, id: &ObjectId, prototypes: &[ObjectId]) -> Result<Vec<i64>> {
    require_count(id, prototypes)?;
    prototypes.iter().map(|id| number(image, id)).collect()
}

fn link(image: &Connection, object: i64, prototypes: Vec<i64>) -> Result<()> {
    let mut link = image
        .prepare_cached("INSERT INTO PrototypeLinks (object, position, prototype) VALUES (?1, ?2, ?3)")?;
    for (position, prototype) in (0_u32..).zip(prototypes) {
        link.execute(params![object, position, prototype])?;
    }
    Ok(())
}

pub(super) fn set_prototypes(
    image: &Connection,
    id: &ObjectId,
    prototypes: &[ObjectId],
    if_match: Option<&Rev>,
) -> Result<Object> {
    if let Some(expected) = if_match {
        require_rev(image, id, expected)?;
    }
    let object = touch(image, id)?;
    let prototypes = numbers(image, id, prototypes)?;
    image.prepare_cached("DELETE FROM PrototypeLinks WHERE object = ?1")?.execute([object])?;
    link(image, object, prototypes)?;
    read(image, id)
}

pub(super) fn read(image: &Connection, id: &ObjectId) -> Result<Object> {
    image
        .prepare_cached(&format!("SELECT {COLUMNS} FROM UvmObjects AS object WHERE key = ?1"))?
        .query_row([id], |row| from_row(image, row))
        .optional()?
        .ok_or_else(|| StoreError::ObjectNotFound(id.clone()))
}

pub(super) fn list(image: &Connection, after: Option<&ObjectId>, limit: u32) -> Result<Page<Object>> {
    let mut statement = image.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM UvmObjects AS object WHERE key > ?1 ORDER BY key LIMIT ?2"
    ))?;
    let rows = statement.query(params![after.map_or("", ObjectId::key), page::rows(limit)])?;
    page::take(rows, limit, |row| {
        let object = from_row(image, row)?;
        let bytes = object.attributes.get().len();
        Ok((object, bytes))
    })
}

pub(super) fn patch(
    image: &Connection,
    id: &ObjectId,
    patch: &Json,
    if_match: Option<&Rev>,
) -> Result<Object> {
    if let Some(expected) = if_match {
        require_rev(image, id, expected)?;
    }
    let attributes: Json = image
        .prepare_cached("SELECT attributes FROM UvmObjects WHERE key = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::ObjectNotFound(id.clone()))?;
    replace_attributes(image, id, &attributes::patched(&attributes, patch)?)?;
    read(image, id)
}

pub(super) fn replace_attributes(image: &Connection, id: &ObjectId, attributes: &Json) -> Result<()> {
    require_size(id, attributes)?;
    let changed = image
        .prepare_cached("UPDATE UvmObjects SET attributes = ?2, rev = rev + 1 WHERE key = ?1")?
        .execute(params![id, attributes])?;
    if changed == 0 { Err(StoreError::ObjectNotFound(id.clone())) } else { Ok(()) }
}

/// Fails unless the object is at this revision.
pub(super) fn require_rev(image: &Connection, id: &ObjectId, expected: &Rev) -> Result<()> {
    let rev: Option<Rev> = image
        .prepare_cached("SELECT rev FROM UvmObjects WHERE key = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    match rev {
        None => Err(StoreError::ObjectNotFound(id.clone())),
        Some(rev) if rev == *expected => Ok(()),
        Some(_) => Err(StoreError::Conflict(id.clone())),
    }
}

/// Gives the object its next revision; answers its number.
pub(super) fn touch(image: &Connection, id: &ObjectId) -> Result<i64> {
    image
        .prepare_cached("UPDATE UvmObjects SET rev = rev + 1 WHERE key = ?1 RETURNING number")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::ObjectNotFound(id.clone()))
}

/// The number that stands for the object in the other tables.
pub(super) fn number(image: &Connection, id: &ObjectId) -> Result<i64> {
    image
        .prepare_cached("SELECT number FROM UvmObjects WHERE key = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::ObjectNotFound(id.clone()))
}

/// The object whose [`COLUMNS`] come first in this row.
pub(super) fn from_row(image: &Connection, row: &Row<'_>) -> rusqlite::Result<Object> {
    let number: i64 = row.get(0)?;
    Ok(Object {
        id: row.get(1)?,
        rev: row.get(2)?,
        attributes: row.get(3)?,
        methods: method_names(image, number)?,
        prototypes: prototypes(image, number)?,
    })
}

fn method_names(image: &Connection, object: i64) -> rusqlite::Result<Vec<MethodName>> {
    image
        .prepare_cached("SELECT name FROM MethodVersions WHERE object = ?1 AND current = 1 ORDER BY name")?
        .query_map([object], |row| row.get(0))?
        .collect()
}

fn prototypes(image: &Connection, object: i64) -> rusqlite::Result<Vec<ObjectId>> {
    image
        .prepare_cached(
            "SELECT key FROM PrototypeLinks JOIN UvmObjects ON number = prototype
             WHERE object = ?1 ORDER BY position",
        )?
        .query_map([object], |row| row.get(0))?
        .collect()
}
