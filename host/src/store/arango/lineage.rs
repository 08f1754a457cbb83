//! Resolution: an object and its prototypes in the order in which they are searched.
//!
//! The database finds who belongs to a lineage; it promises no order among the prototypes of one object, so the
//! breadth-first order is made here, from the prototypes that come with each object.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::database::Database;
use super::{accounts, aql, methods, objects};
use crate::object::{Method, MethodName, Object, ObjectId, Rev};
use crate::store::{MAX_LINEAGE, MAX_LINEAGE_BYTES, Resolution, Result, StoreError, attributes};

/// One object of a lineage, with what the query says of it.
trait Member {
    fn key(&self) -> &str;
    fn prototypes(&self) -> &[ObjectId];
}

#[derive(Deserialize)]
struct Searched {
    /// Bytes of all attributes together.
    total: f64,
    key: String,
    rev: Rev,
    /// None if there would be too much of them.
    attributes: Option<String>,
    prototypes: Vec<ObjectId>,
    /// Of the receiver alone.
    methods: Vec<MethodName>,
    method: Option<String>,
    /// Of the receiver alone.
    account: Option<String>,
}

#[derive(Deserialize)]
struct Understood {
    key: String,
    prototypes: Vec<ObjectId>,
    methods: Vec<String>,
}

impl Member for Searched {
    fn key(&self) -> &str {
        &self.key
    }
    fn prototypes(&self) -> &[ObjectId] {
        &self.prototypes
    }
}

impl Member for Understood {
    fn key(&self) -> &str {
        &self.key
    }
    fn prototypes(&self) -> &[ObjectId] {
        &self.prototypes
    }
}

pub(super) async fn resolve(
    database: &Database,
    receiver: &ObjectId,
    name: &MethodName,
) -> Result<Resolution> {
    let mut values = start(receiver);
    values["name"] = json!(name);
    values["bytes"] = MAX_LINEAGE_BYTES.into();
    let rows: Vec<Searched> = database.read(aql::RESOLVE, values).await?;
    let mut all = breadth_first(receiver, rows)?;
    // Far below 2^52, so exact.
    #[expect(clippy::cast_precision_loss)]
    if all.iter().any(|member| member.total > MAX_LINEAGE_BYTES as f64) {
        return Err(StoreError::LineageTooLarge(receiver.clone()));
    }
    let mut method = None;
    for member in &all {
        if let Some(record) = &member.method {
            method = Some(methods::from_record(record)?);
            break;
        }
    }
    let rest = all.split_off(1);
    let Some(first) = all.pop() else { return Err(StoreError::ObjectNotFound(receiver.clone())) };
    let (mut lineage, mut inherited) = (Vec::new(), Vec::new());
    for member in rest {
        lineage.push((objects::id(&member.key)?, member.rev));
        inherited.push(objects::text(member.attributes.unwrap_or_default())?);
    }
    let mut names = first.methods;
    names.sort();
    let receiver = Object {
        id: receiver.clone(),
        rev: first.rev,
        attributes: objects::text(first.attributes.unwrap_or_default())?,
        methods: names,
        prototypes: first.prototypes,
    };
    let account = first.account.as_deref().map(accounts::from_record).transpose()?;
    Ok(Resolution { receiver, lineage, inherited: attributes::inherited(inherited)?, method, account })
}

/// The methods the object understands, in order of resolution, without those a nearer one hides.
pub(super) async fn understood(database: &Database, id: &ObjectId) -> Result<Vec<Method>> {
    let rows: Vec<Understood> = database.read(aql::INHERITED_METHODS, start(id)).await?;
    let (mut seen, mut all) = (HashSet::new(), Vec::new());
    for member in breadth_first(id, rows)? {
        let own = methods::sorted(&member.methods)?;
        all.extend(own.into_iter().filter(|method| seen.insert(method.name.clone())));
    }
    Ok(all)
}

/// One more than allowed is read, to tell that there are too many.
fn start(id: &ObjectId) -> Value {
    json!({ "start": id.as_str(), "depth": MAX_LINEAGE, "limit": MAX_LINEAGE + 1 })
}

/// The members in the order in which they are searched: at least the first one.
fn breadth_first<T: Member>(start: &ObjectId, members: Vec<T>) -> Result<Vec<T>> {
    if members.len() > MAX_LINEAGE as usize {
        return Err(StoreError::LineageTooLong(start.clone()));
    }
    let mut rest: HashMap<String, T> =
        members.into_iter().map(|member| (member.key().to_owned(), member)).collect();
    let mut found: Vec<T> = rest.remove(start.key()).into_iter().collect();
    if found.is_empty() {
        return Err(StoreError::ObjectNotFound(start.clone()));
    }
    let mut next = 0;
    while let Some(member) = found.get(next) {
        let prototypes = member.prototypes().to_vec();
        found.extend(prototypes.iter().filter_map(|id| rest.remove(id.key())));
        next += 1;
    }
    Ok(found)
}
