//! The records of runs, and the contents they refer to. An invocation is kept as the text of its record, with what
//! is searched beside it; a content under the digest of its text.

use serde::Serialize;
use serde_json::{Value, json};

use super::database::Database;
use super::error::{Answered, Trouble, damaged};
use super::transaction::{Transaction, Tries};
use super::{aql, messages, methods, objects};
use crate::object::{Contents, Digest, Invocation, InvocationId, Json, MethodName};
use crate::store::{InvocationFilter, Page, Result};

/// Records of an earlier version that are brought to this one together.
const ROWS: u32 = 100;

#[derive(Serialize)]
pub(super) struct New {
    #[serde(rename = "_key")]
    pub key: InvocationId,
    id: InvocationId,
    message: String,
    /// The key of the object whose method ran, and the method.
    source: String,
    method: MethodName,
    pub bytes: usize,
    record: String,
}

#[derive(Serialize)]
struct NewContent<'a> {
    #[serde(rename = "_key")]
    key: &'a Digest,
    bytes: usize,
    content: &'a str,
}

pub(super) fn document(invocation: &Invocation) -> Result<New> {
    let record = methods::record(invocation)?;
    Ok(New {
        key: invocation.invocation_id,
        id: invocation.invocation_id,
        message: invocation.message_id.to_string(),
        source: invocation.source_object_id.key().to_owned(),
        method: invocation.method_name.clone(),
        bytes: record.len(),
        record,
    })
}

pub(super) fn from_record(record: &str) -> Result<Invocation> {
    serde_json::from_str(record).map_err(|error| damaged("an invocation", error))
}

pub(super) async fn read(database: &Database, id: InvocationId) -> Result<Option<Invocation>> {
    let rows: Vec<String> = database.read(aql::INVOCATION, json!({ "id": id })).await?;
    rows.first().map(|record| from_record(record)).transpose()
}

/// Newest first.
pub(super) async fn list(database: &Database, filter: &InvocationFilter) -> Result<Page<Invocation>> {
    let (given, values) = given(filter);
    let page: Page<String> = objects::page(database, &aql::invocations(given), values, filter.limit).await?;
    let mut items = page.items.iter().map(|record| from_record(record)).collect::<Result<Vec<_>>>()?;
    items.sort_by_key(|invocation| std::cmp::Reverse(invocation.invocation_id));
    items.truncate(filter.limit as usize);
    Ok(Page { items, more: page.more })
}

pub(super) async fn count(database: &Database, filter: &InvocationFilter) -> Result<u64> {
    let (given, values) = given(filter);
    messages::sole(database.read(&aql::count_invocations(given), values).await?)
}

/// Which filters are given, in the order of the queries, and the values they bind.
fn given(filter: &InvocationFilter) -> ([bool; 3], Value) {
    let mut values = json!({});
    if let Some((source, method)) = &filter.method {
        values["source"] = json!(source.key());
        values["method"] = json!(method);
    }
    if let Some(since) = filter.since {
        values["since"] = json!(InvocationId::first_of(since));
    }
    if let Some(after) = filter.after {
        values["after"] = json!(after);
    }
    ([filter.method.is_some(), filter.since.is_some(), filter.after.is_some()], values)
}

/// Keeps contents that are not kept yet. In the order of their digests, so that nobody waits for each other in a
/// circle.
pub(super) async fn keep(transaction: &Transaction, contents: &Contents) -> Answered<()> {
    let document = |(digest, content)| {
        let content = Json::get(content);
        NewContent { key: digest, bytes: content.len(), content }
    };
    transaction.add("Contents", &contents.iter().map(document).collect::<Vec<_>>()).await
}

pub(super) async fn content(database: &Database, digest: &Digest) -> Result<Option<Json>> {
    let rows: Vec<String> = database.read(aql::KEPT, json!({ "digest": digest })).await?;
    rows.into_iter().next().map(content_from).transpose()
}

pub(super) fn content_from(text: String) -> Result<Json> {
    Json::parse(text).map_err(|error| damaged("a content", error))
}

/// Gives records of the version before what they are searched by. One query is a transaction by itself, and twice
/// the same does no harm.
pub(super) async fn describe(database: &Database) -> Result<()> {
    let (mut after, mut tries) = (String::new(), Tries::new(None));
    loop {
        let values = json!({ "after": after, "rows": ROWS });
        let described = database.query::<String>(None, aql::DESCRIBE, values).await;
        if let Some(ids) = tries.judge(described.map_err(Trouble::from)).await? {
            let Some(last) = ids.into_iter().max() else { return Ok(()) };
            (after, tries) = (last, Tries::new(None));
        }
    }
}
