//! Methods and their versions.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::columns::Document;
use super::objects;
use crate::object::{Method, MethodName, ObjectId, QuotaOverride, Timestamp};
use crate::store::{Install, Result, StoreError};

/// The columns of `MethodVersions` that [`from_row`] reads.
pub(super) const COLUMNS: &str = "name, version, source, quota, provenance, installed_at";

/// The method whose [`COLUMNS`] begin in this row at `first`.
pub(super) fn from_row(object: ObjectId, row: &Row<'_>, first: usize) -> rusqlite::Result<Method> {
    Ok(Method {
        object,
        name: row.get(first)?,
        version: row.get(first + 1)?,
        source: row.get(first + 2)?,
        quota: row.get::<_, Document<_>>(first + 3)?.0,
        provenance: row.get::<_, Document<_>>(first + 4)?.0,
        installed_at: row.get(first + 5)?,
    })
}

/// The object's own methods, sorted by name.
pub(super) fn own(image: &Connection, id: &ObjectId) -> Result<Vec<Method>> {
    let object = objects::number(image, id)?;
    let methods = image
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM MethodVersions WHERE object = ?1 AND current = 1 ORDER BY name"
        ))?
        .query_map([object], |row| from_row(id.clone(), row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(methods)
}

pub(super) fn versions(image: &Connection, id: &ObjectId, name: &MethodName) -> Result<Vec<Method>> {
    let object = objects::number(image, id)?;
    let versions: Vec<_> = image
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM MethodVersions WHERE object = ?1 AND name = ?2 ORDER BY version DESC"
        ))?
        .query_map(params![object, name], |row| from_row(id.clone(), row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    if versions.is_empty() { Err(not_found(id, name)) } else { Ok(versions) }
}

pub(super) fn version(
    image: &Connection,
    id: &ObjectId,
    name: &MethodName,
    version: u32,
) -> Result<Option<Method>> {
    let object = objects::number(image, id)?;
    Ok(image
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM MethodVersions WHERE object = ?1 AND name = ?2 AND version = ?3"
        ))?
        .query_row(params![object, name, version], |row| from_row(id.clone(), row, 0))
        .optional()?)
}

/// Makes the next version and lets it be the one that runs.
pub(super) fn install(image: &Connection, install: Install) -> Result<Method> {
    let Install { object: id, name, source, quota, provenance } = install;
    let object = objects::touch(image, &id)?;
    let before: Option<(u32, Document<QuotaOverride>)> = image
        .prepare_cached(
            "UPDATE MethodVersions SET current = 0 WHERE object = ?1 AND name = ?2 AND current = 1
             RETURNING version, quota",
        )?
        .query_row(params![object, name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (last, kept) = before.map_or_else(Default::default, |(version, quota)| (version, quota.0));
    let method = Method {
        object: id,
        name,
        version: last + 1,
        source,
        quota: quota.unwrap_or(kept),
        provenance,
        installed_at: Timestamp::now(),
    };
    insert(image, object, &method)?;
    Ok(method)
}

/// Takes in a version as it is, which is the one that runs from now on.
pub(super) fn put(image: &Connection, method: &Method) -> Result<()> {
    let object = objects::number(image, &method.object)?;
    image
        .prepare_cached(
            "UPDATE MethodVersions SET current = 0 WHERE object = ?1 AND name = ?2 AND current = 1",
        )?
        .execute(params![object, method.name])?;
    insert(image, object, method)
}

fn insert(image: &Connection, object: i64, method: &Method) -> Result<()> {
    image
        .prepare_cached(
            "INSERT INTO MethodVersions (object, name, version, current, source, quota, provenance, installed_at)
             VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            object,
            method.name,
            method.version,
            method.source,
            Document(&method.quota),
            Document(&method.provenance),
            method.installed_at,
        ])?;
    Ok(())
}

/// Changes the quota of the version that runs.
pub(super) fn set_quota(
    image: &Connection,
    id: &ObjectId,
    name: &MethodName,
    quota: QuotaOverride,
) -> Result<Method> {
    let object = objects::touch(image, id)?;
    image
        .prepare_cached(&format!(
            "UPDATE MethodVersions SET quota = ?3 WHERE object = ?1 AND name = ?2 AND current = 1
             RETURNING {COLUMNS}"
        ))?
        .query_row(params![object, name, Document(&quota)], |row| from_row(id.clone(), row, 0))
        .optional()?
        .ok_or_else(|| not_found(id, name))
}

fn not_found(object: &ObjectId, name: &MethodName) -> StoreError {
    StoreError::MethodNotFound { object: object.clone(), name: name.clone() }
}
