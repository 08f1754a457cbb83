//! Objects: created, read, listed, changed.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::aql;
use super::database::Database;
use super::error::{Answered, Attempt, damaged};
use super::guards::Guards;
use super::transaction::{Transaction, transact};
use crate::object::{Json, MethodName, Object, ObjectId, Rev};
use crate::store::{
    MAX_PAGE, MAX_PAGE_BYTES, NewObject, Page, Result, StoreError, attributes, require_count, require_size,
    roots,
};

/// An object as the queries answer it.
#[derive(Deserialize)]
pub(super) struct Row {
    key: String,
    rev: Rev,
    attributes: String,
    prototypes: Vec<ObjectId>,
    methods: Vec<MethodName>,
}

impl Row {
    pub fn object(mut self) -> Result<Object> {
        self.methods.sort();
        Ok(Object {
            id: id(&self.key)?,
            rev: self.rev,
            attributes: text(self.attributes)?,
            methods: self.methods,
            prototypes: self.prototypes,
        })
    }
}

/// A new object's document. The attributes are there for people and their queries, and once more as the exact
/// text, which counts: the database does not keep how a number was written.
#[derive(Serialize)]
pub(super) struct New<'a> {
    #[serde(rename = "_key")]
    key: &'a str,
    order: String,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Serialize)]
struct Body<'a> {
    attributes: Option<Value>,
    exact: &'a str,
    bytes: usize,
}

/// What a change writes over an object's document. The stamp is why the revision changes even if nothing else
/// does.
#[derive(Serialize)]
struct Change<'a> {
    #[serde(rename = "_key")]
    key: &'a str,
    stamp: Uuid,
    #[serde(flatten)]
    body: Option<Body<'a>>,
}

#[derive(Serialize)]
pub(super) struct Link {
    #[serde(rename = "_key")]
    key: Uuid,
    _from: String,
    _to: String,
    position: usize,
}

pub(super) fn id(key: &str) -> Result<ObjectId> {
    ObjectId::parse(key).map_err(|error| damaged("a key", error))
}

pub(super) fn text(attributes: String) -> Result<Json> {
    Json::parse(attributes).map_err(|error| damaged("attributes", error))
}

impl<'a> Body<'a> {
    fn of(attributes: &'a Json) -> Self {
        let exact = attributes.get();
        // What the database's numbers cannot hold is in the text alone.
        Self { attributes: serde_json::from_str(exact).ok(), exact, bytes: exact.len() }
    }
}

pub(super) fn document<'a>(id: &'a ObjectId, attributes: &'a Json) -> New<'a> {
    New { key: id.key(), order: order(id), body: Body::of(attributes) }
}

/// Sorts as the key does, byte by byte.
pub(super) fn order(id: &ObjectId) -> String {
    hex(id.key())
}

/// Sorts as the text does byte by byte, where the database sorts by the rules of a language.
pub(super) fn hex(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut order, byte| {
        // Writing to a String cannot fail.
        let _ = write!(order, "{byte:02x}");
        order
    })
}

pub(super) fn links(object: &ObjectId, prototypes: &[ObjectId]) -> Vec<Link> {
    let link = |(position, prototype): (usize, &ObjectId)| Link {
        key: Uuid::now_v7(),
        _from: object.as_str().to_owned(),
        _to: prototype.as_str().to_owned(),
        position,
    };
    prototypes.iter().enumerate().map(link).collect()
}

pub(super) async fn genesis(database: &Database) -> Result<Vec<ObjectId>> {
    let mut created = Vec::new();
    for root in roots()? {
        match create(database, &root).await {
            Ok(object) => created.push(object.id),
            Err(StoreError::ObjectExists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(created)
}

pub(super) async fn create(database: &Database, new: &NewObject) -> Result<Object> {
    require_size(&new.id, &new.attributes)?;
    require_count(&new.id, &new.prototypes)?;
    transact!(database, None, &["UvmObjects", "PrototypeLinks"], &["MethodVersions"], |transaction| {
        create_in(&transaction, new)
    })
}

/// A new object needs no guards: who changes the same one meets in its document. Prototypes are only asked for
/// being there, and no object ever goes.
async fn create_in(transaction: &Transaction, new: &NewObject) -> Attempt<Object> {
    let known = revs(transaction, &keys(&new.prototypes, &new.id)).await?;
    require_known(&known, &new.prototypes)?;
    if known.contains_key(new.id.key()) {
        return Err(StoreError::ObjectExists(new.id.clone()).into());
    }
    transaction.insert("UvmObjects", &[document(&new.id, &new.attributes)]).await?;
    transaction.insert("PrototypeLinks", &links(&new.id, &new.prototypes)).await?;
    read_in(transaction, &new.id).await
}

pub(super) async fn read(database: &Database, id: &ObjectId) -> Result<Object> {
    let rows: Vec<Row> = database.read(aql::OBJECT, json!({ "key": id.key() })).await?;
    one(rows, id)
}

async fn read_in(transaction: &Transaction, id: &ObjectId) -> Attempt<Object> {
    let rows: Vec<Row> = transaction.query(aql::OBJECT, json!({ "key": id.key() })).await?;
    Ok(one(rows, id)?)
}

fn one(rows: Vec<Row>, id: &ObjectId) -> Result<Object> {
    rows.into_iter().next().ok_or_else(|| StoreError::ObjectNotFound(id.clone()))?.object()
}

pub(super) async fn list(database: &Database, after: Option<&ObjectId>, limit: u32) -> Result<Page<Object>> {
    let after = after.map(order).unwrap_or_default();
    let page = page(database, aql::OBJECTS, json!({ "after": after }), limit).await?;
    let mut items = page.items.into_iter().map(Row::object).collect::<Result<Vec<_>>>()?;
    items.sort_by(|one, other| one.id.cmp(&other.id));
    items.truncate(limit as usize);
    Ok(Page { items, more: page.more })
}

#[derive(Deserialize)]
struct Seen<T> {
    /// How many there would be, but for the sizes.
    seen: usize,
    item: T,
}

/// A page of what `query` lists with `values`, in no order.
pub(super) async fn page<T: serde::de::DeserializeOwned>(
    database: &Database,
    query: &str,
    mut values: Value,
    limit: u32,
) -> Result<Page<T>> {
    // A page of nothing tells whether there is something.
    let read = limit.clamp(1, MAX_PAGE);
    for (name, value) in
        [("rows", Value::from(read + 1)), ("limit", read.into()), ("bytes", MAX_PAGE_BYTES.into())]
    {
        values[name] = value;
    }
    let rows: Vec<Seen<T>> = database.read(query, values).await?;
    let more = rows.first().is_some_and(|row| limit == 0 || row.seen > rows.len());
    Ok(Page { items: rows.into_iter().map(|row| row.item).collect(), more })
}

pub(super) async fn patch(
    database: &Database,
    id: &ObjectId,
    patch: &Json,
    if_match: Option<&Rev>,
) -> Result<Object> {
    transact!(
        database,
        Some(id),
        &["Guards", "UvmObjects"],
        &["PrototypeLinks", "MethodVersions"],
        |transaction| patch_in(&transaction, id, patch, if_match)
    )
}

async fn patch_in(
    transaction: &Transaction,
    id: &ObjectId,
    patch: &Json,
    if_match: Option<&Rev>,
) -> Attempt<Object> {
    transaction.replace("Guards", Guards::default().changes_object(id).documents()).await?;
    let object = read_in(transaction, id).await?;
    require_rev(id, Some(&object.rev), if_match)?;
    let patched = attributes::patched(&object.attributes, patch)?;
    change(transaction, id, Some(&patched)).await?;
    read_in(transaction, id).await
}

pub(super) async fn set_prototypes(
    database: &Database,
    id: &ObjectId,
    prototypes: &[ObjectId],
    if_match: Option<&Rev>,
) -> Result<Object> {
    transact!(
        database,
        Some(id),
        &["Guards", "UvmObjects", "PrototypeLinks"],
        &["MethodVersions"],
        |transaction| set_prototypes_in(&transaction, id, prototypes, if_match)
    )
}

async fn set_prototypes_in(
    transaction: &Transaction,
    id: &ObjectId,
    prototypes: &[ObjectId],
    if_match: Option<&Rev>,
) -> Attempt<Object> {
    transaction.replace("Guards", Guards::default().changes_object(id).documents()).await?;
    let known = revs(transaction, &keys(prototypes, id)).await?;
    require_rev(id, known.get(id.key()), if_match)?;
    require_count(id, prototypes)?;
    require_known(&known, prototypes)?;
    let _: Vec<Value> = transaction.query(aql::UNLINK, json!({ "from": id.as_str() })).await?;
    transaction.insert("PrototypeLinks", &links(id, prototypes)).await?;
    change(transaction, id, None).await?;
    read_in(transaction, id).await
}

/// Gives an object that is there its next revision, and new attributes if there are any.
pub(super) async fn change(
    transaction: &Transaction,
    id: &ObjectId,
    attributes: Option<&Json>,
) -> Attempt<()> {
    if let Some(attributes) = attributes {
        require_size(id, attributes)?;
    }
    let change = Change { key: id.key(), stamp: Uuid::now_v7(), body: attributes.map(Body::of) };
    Ok(transaction.update("UvmObjects", &[change]).await?)
}

fn keys<'a>(prototypes: &'a [ObjectId], id: &'a ObjectId) -> Vec<&'a str> {
    prototypes.iter().chain([id]).map(ObjectId::key).collect()
}

/// The revisions of those objects that there are, by their keys.
pub(super) async fn revs(transaction: &Transaction, keys: &[&str]) -> Answered<HashMap<String, Rev>> {
    let found: Vec<Known> = transaction.query(aql::REVS, json!({ "keys": keys })).await?;
    Ok(found.into_iter().map(|known| (known.key, known.rev)).collect())
}

#[derive(Deserialize)]
pub(super) struct Known {
    pub key: String,
    pub rev: Rev,
}

/// Fails unless the object is there, and at the revision that is expected, if one is.
pub(super) fn require_rev(id: &ObjectId, rev: Option<&Rev>, expected: Option<&Rev>) -> Result<()> {
    match (rev, expected) {
        (None, _) => Err(StoreError::ObjectNotFound(id.clone())),
        (Some(rev), Some(expected)) if rev != expected => Err(StoreError::Conflict(id.clone())),
        _ => Ok(()),
    }
}

fn require_known(known: &HashMap<String, Rev>, ids: &[ObjectId]) -> Result<()> {
    ids.iter().try_for_each(|id| require_rev(id, known.get(id.key()), None))
}
