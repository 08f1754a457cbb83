//! Methods and their versions. A version is kept as the text of its record, with what is searched beside it.

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::database::Database;
use super::error::{Attempt, damaged};
use super::guards::Guards;
use super::transaction::{Transaction, transact};
use super::{aql, objects};
use crate::object::{Method, MethodName, ObjectId, QuotaOverride, Timestamp};
use crate::store::{Install, Result, StoreError};

#[derive(Serialize)]
pub(super) struct New<'a> {
    #[serde(rename = "_key")]
    key: Uuid,
    object: &'a str,
    name: &'a MethodName,
    version: u32,
    /// Unique, and sorts the versions of a name by number.
    order: String,
    /// Whether it is the version that runs.
    current: bool,
    record: String,
}

#[derive(Deserialize)]
struct Current {
    key: String,
    record: String,
}

pub(super) fn document(method: &Method, current: bool) -> Result<New<'_>> {
    Ok(New {
        key: Uuid::now_v7(),
        object: method.object.key(),
        name: &method.name,
        version: method.version,
        order: format!(
            "{}/{}/{:010}",
            objects::order(&method.object),
            objects::hex(method.name.as_str()),
            method.version
        ),
        current,
        record: record(method)?,
    })
}

impl New<'_> {
    pub fn key(&self) -> Uuid {
        self.key
    }
}

pub(super) fn record<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Unavailable(format!("a record is not JSON ({error})")))
}

pub(super) fn from_record(record: &str) -> Result<Method> {
    serde_json::from_str(record).map_err(|error| damaged("a method", error))
}

/// The object's own methods, sorted by name.
pub(super) async fn own(database: &Database, id: &ObjectId) -> Result<Vec<Method>> {
    let rows: Vec<Vec<String>> = database.read(aql::OWN_METHODS, json!({ "key": id.key() })).await?;
    let Some(records) = rows.first() else { return Err(StoreError::ObjectNotFound(id.clone())) };
    sorted(records)
}

pub(super) fn sorted(records: &[String]) -> Result<Vec<Method>> {
    let mut methods = records.iter().map(|record| from_record(record)).collect::<Result<Vec<_>>>()?;
    methods.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(methods)
}

pub(super) async fn versions(database: &Database, id: &ObjectId, name: &MethodName) -> Result<Vec<Method>> {
    let rows: Vec<Vec<String>> =
        database.read(aql::VERSIONS, json!({ "key": id.key(), "name": name })).await?;
    match rows.first() {
        None => Err(StoreError::ObjectNotFound(id.clone())),
        Some(records) if records.is_empty() => Err(not_found(id, name)),
        Some(records) => records.iter().map(|record| from_record(record)).collect(),
    }
}

pub(super) async fn version(
    database: &Database,
    id: &ObjectId,
    name: &MethodName,
    version: u32,
) -> Result<Option<Method>> {
    let values = json!({ "key": id.key(), "name": name, "version": version });
    let rows: Vec<Option<String>> = database.read(aql::VERSION, values).await?;
    let record = rows.first().ok_or_else(|| StoreError::ObjectNotFound(id.clone()))?;
    record.as_deref().map(from_record).transpose()
}

pub(super) async fn install(database: &Database, install: &Install) -> Result<Method> {
    transact!(
        database,
        Some(&install.object),
        &["Guards", "UvmObjects", "MethodVersions"],
        &[],
        |transaction| install_alone(&transaction, install)
    )
}

async fn install_alone(transaction: &Transaction, install: &Install) -> Attempt<Method> {
    touch(transaction, &install.object).await?;
    install_in(transaction, install).await
}

/// Makes the next version and lets it be the one that runs. The object is guarded, and changed, by the caller.
pub(super) async fn install_in(transaction: &Transaction, install: &Install) -> Attempt<Method> {
    let before = current(transaction, &install.object, &install.name).await?;
    let (last, kept) = match &before {
        Some(before) => {
            let method = from_record(&before.record)?;
            (method.version, method.quota)
        }
        None => Default::default(),
    };
    let method = Method {
        object: install.object.clone(),
        name: install.name.clone(),
        version: last + 1,
        source: install.source.clone(),
        quota: install.quota.unwrap_or(kept),
        provenance: install.provenance.clone(),
        installed_at: Timestamp::now(),
    };
    if let Some(before) = before {
        transaction.update("MethodVersions", &[json!({ "_key": before.key, "current": false })]).await?;
    }
    transaction.insert("MethodVersions", &[document(&method, true)?]).await?;
    Ok(method)
}

pub(super) async fn set_quota(
    database: &Database,
    id: &ObjectId,
    name: &MethodName,
    quota: QuotaOverride,
) -> Result<Method> {
    transact!(database, Some(id), &["Guards", "UvmObjects", "MethodVersions"], &[], |transaction| {
        set_quota_in(&transaction, id, name, quota)
    })
}

async fn set_quota_in(
    transaction: &Transaction,
    id: &ObjectId,
    name: &MethodName,
    quota: QuotaOverride,
) -> Attempt<Method> {
    touch(transaction, id).await?;
    let current = current(transaction, id, name).await?.ok_or_else(|| not_found(id, name))?;
    let method = Method { quota, ..from_record(&current.record)? };
    let change = json!({ "_key": current.key, "record": record(&method)? });
    transaction.update("MethodVersions", &[change]).await?;
    Ok(method)
}

/// Guards an object that is about to be changed, and gives it its next revision.
async fn touch(transaction: &Transaction, id: &ObjectId) -> Attempt<()> {
    transaction.replace("Guards", Guards::default().changes_object(id).documents()).await?;
    let known = objects::revs(transaction, &[id.key()]).await?;
    objects::require_rev(id, known.get(id.key()), None)?;
    objects::change(transaction, id, None).await
}

async fn current(
    transaction: &Transaction,
    object: &ObjectId,
    name: &MethodName,
) -> Attempt<Option<Current>> {
    let rows = transaction.query(aql::CURRENT, json!({ "object": object.key(), "name": name })).await?;
    Ok(rows.into_iter().next())
}

fn not_found(object: &ObjectId, name: &MethodName) -> StoreError {
    StoreError::MethodNotFound { object: object.clone(), name: name.clone() }
}
