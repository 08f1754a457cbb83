//! Documents under snapshot isolation: transactions that see what was committed before they began, and that are
//! refused what another one has written meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Value, json};

pub type Documents = Arc<BTreeMap<String, Arc<Value>>>;

/// An error as the database numbers it, with the status of its answer.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: u16,
    pub number: u32,
    pub text: String,
}

pub fn refusal(status: u16, number: u32, text: impl Into<String>) -> Refusal {
    Refusal { status, number, text: text.into() }
}

pub type Result<T> = std::result::Result<T, Refusal>;

#[derive(Default)]
pub struct Collection {
    pub edges: bool,
    pub documents: Documents,
    pub indexes: Vec<Value>,
}

pub struct Transaction {
    reads: Vec<String>,
    writes: Vec<String>,
    /// What it sees, its own changes included.
    view: BTreeMap<String, Documents>,
    changes: BTreeMap<(String, String), Option<Arc<Value>>>,
    began: u64,
}

#[derive(Default)]
pub struct Database {
    pub collections: BTreeMap<String, Collection>,
    pub transactions: BTreeMap<u64, Transaction>,
    pub graphs: Vec<String>,
    pub cursors: HashMap<u64, (Option<u64>, Vec<Value>)>,
    /// Counts everything that happens.
    clock: u64,
    /// When a document last changed.
    changed: HashMap<(String, String), u64>,
    /// Which transaction has written a document.
    held: HashMap<(String, String), u64>,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Write {
    Insert,
    /// Inserts, or does nothing.
    Add,
    /// Inserts or replaces.
    Replace,
    /// Inserts or updates.
    Merge,
    Update,
}

impl Database {
    pub fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub fn begin(&mut self, reads: Vec<String>, writes: Vec<String>) -> Result<u64> {
        for name in reads.iter().chain(&writes) {
            self.collection(name)?;
        }
        let id = self.tick();
        let view =
            self.collections.iter().map(|(name, held)| (name.clone(), held.documents.clone())).collect();
        let transaction = Transaction { reads, writes, view, changes: BTreeMap::new(), began: id };
        self.transactions.insert(id, transaction);
        Ok(id)
    }

    pub fn collection(&self, name: &str) -> Result<&Collection> {
        let missing = || refusal(404, 1203, format!("collection or view not found: {name}"));
        self.collections.get(name).ok_or_else(missing)
    }

    fn transaction(&mut self, id: u64) -> Result<&mut Transaction> {
        self.transactions.get_mut(&id).ok_or_else(|| refusal(404, 1655, "transaction not found"))
    }

    pub fn may_write(&self, id: u64) -> bool {
        self.transactions.get(&id).is_some_and(|transaction| !transaction.writes.is_empty())
    }

    pub fn commit(&mut self, id: u64) -> Result<()> {
        self.transaction(id)?;
        let now = self.tick();
        let Some(transaction) = self.transactions.remove(&id) else { return Ok(()) };
        for ((name, key), document) in transaction.changes {
            let Some(collection) = self.collections.get_mut(&name) else { continue };
            let documents = Arc::make_mut(&mut collection.documents);
            match document {
                Some(document) => documents.insert(key.clone(), document),
                None => documents.remove(&key),
            };
            self.held.remove(&(name.clone(), key.clone()));
            self.changed.insert((name, key), now);
        }
        Ok(())
    }

    pub fn abort(&mut self, id: u64) -> Result<()> {
        self.transaction(id)?;
        self.transactions.remove(&id);
        self.held.retain(|_, holder| *holder != id);
        Ok(())
    }

    /// The documents of a collection as the transaction sees them.
    pub fn read(&mut self, id: u64, name: &str) -> Result<Documents> {
        self.collection(name)?;
        let transaction = self.transaction(id)?;
        if !transaction.reads.iter().chain(&transaction.writes).any(|declared| declared == name) {
            return Err(undeclared(name));
        }
        Ok(transaction.view.get(name).cloned().unwrap_or_default())
    }

    pub fn remove(&mut self, id: u64, name: &str, key: &str) -> Result<()> {
        if !self.read(id, name)?.contains_key(key) {
            return Err(refusal(404, 1202, "document not found"));
        }
        self.set(id, name, key, None)
    }

    /// Writes one document; answers its revision.
    pub fn write(&mut self, id: u64, name: &str, how: Write, document: &Value) -> Result<String> {
        let edges = self.collection(name)?.edges;
        let key = document["_key"].as_str().map_or_else(|| self.tick().to_string(), str::to_owned);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.@()+,=;$!*'%:".contains(&byte);
        if key.is_empty() || key.len() > 254 || !key.bytes().all(allowed) {
            return Err(refusal(400, 1221, "illegal document key"));
        }
        let before = self.read(id, name)?.get(&key).cloned();
        match (how, &before) {
            (Write::Insert, Some(_)) => {
                return Err(refusal(409, 1210, format!("unique constraint violated: {key}")));
            }
            (Write::Add, Some(before)) => return Ok(before["_rev"].as_str().unwrap_or_default().to_owned()),
            (Write::Update, None) => return Err(refusal(404, 1202, "document not found")),
            _ => {}
        }
        let Value::Object(members) = document else { return Err(refusal(400, 1227, "no object")) };
        let merges = matches!(how, Write::Merge | Write::Update);
        if merges
            && members.len() <= 1
            && let Some(before) = &before
        {
            // An update with nothing in it is none.
            return Ok(before["_rev"].as_str().unwrap_or_default().to_owned());
        }
        let mut whole = before.filter(|_| merges).map_or_else(|| json!({}), |before| (*before).clone());
        for (name, value) in members {
            whole[name] = value.clone();
        }
        let rev = format!("_k{:07}--", self.tick());
        whole["_key"] = key.clone().into();
        whole["_id"] = format!("{name}/{key}").into();
        whole["_rev"] = rev.clone().into();
        let linked =
            ["_from", "_to"].iter().all(|end| whole[end].as_str().is_some_and(|end| end.contains('/')));
        if edges && !linked {
            return Err(refusal(400, 1233, "edge attribute missing or invalid"));
        }
        self.require_unique(id, name, &key, &whole)?;
        self.set(id, name, &key, Some(Arc::new(whole)))?;
        Ok(rev)
    }

    fn set(&mut self, id: u64, name: &str, key: &str, document: Option<Arc<Value>>) -> Result<()> {
        let place = (name.to_owned(), key.to_owned());
        let (holder, changed) = (self.held.get(&place).copied(), self.changed.get(&place).copied());
        let transaction = self.transaction(id)?;
        if !transaction.writes.iter().any(|declared| declared == name) {
            return Err(undeclared(name));
        }
        if holder.is_some_and(|holder| holder != id) || changed.is_some_and(|at| at > transaction.began) {
            return Err(conflict(key));
        }
        let documents = Arc::make_mut(transaction.view.entry(name.to_owned()).or_default());
        match &document {
            Some(document) => documents.insert(key.to_owned(), document.clone()),
            None => documents.remove(key),
        };
        transaction.changes.insert(place.clone(), document);
        self.held.insert(place, id);
        Ok(())
    }

    fn require_unique(&mut self, id: u64, name: &str, key: &str, document: &Value) -> Result<()> {
        let seen = self.read(id, name)?;
        let collection = self.collection(name)?;
        let indexes: Vec<_> =
            collection.indexes.iter().filter(|index| index["unique"] == true).cloned().collect();
        let now = collection.documents.clone();
        for index in indexes {
            let Some(wanted) = entry(&index, document) else { continue };
            let same = |(other, document): (&String, &Arc<Value>)| {
                other != key && entry(&index, document).as_ref() == Some(&wanted)
            };
            if seen.iter().any(same) {
                return Err(refusal(
                    409,
                    1210,
                    format!("unique constraint violated - in index {}", index["name"]),
                ));
            }
            // One that was removed here, and is there for the others, does not count.
            let began = self.transaction(id)?.began;
            let newer = |other: &str| {
                self.changed.get(&(name.to_owned(), other.to_owned())).is_some_and(|at| *at > began)
            };
            let others = self.transactions.iter().filter(|(other, _)| **other != id);
            let pending = others.flat_map(|(_, other)| &other.changes).any(|((of, other), document)| {
                of == name
                    && other != key
                    && document.as_ref().and_then(|document| entry(&index, document)).as_ref()
                        == Some(&wanted)
            });
            if pending || now.iter().any(|(other, document)| newer(other) && same((other, document))) {
                return Err(conflict(key));
            }
        }
        Ok(())
    }
}

/// What an index keeps of a document; sparse ones keep nothing of those without the fields.
fn entry(index: &Value, document: &Value) -> Option<Vec<Value>> {
    let fields: Vec<_> = index["fields"].as_array()?.iter().filter_map(Value::as_str).collect();
    let values: Vec<_> = fields.iter().map(|field| document[field].clone()).collect();
    let keeps = index["sparse"] != true || values.iter().all(|value| !value.is_null());
    keeps.then_some(values)
}

fn undeclared(name: &str) -> Refusal {
    refusal(400, 1652, format!("unregistered collection used in transaction: {name}"))
}

pub fn conflict(key: &str) -> Refusal {
    refusal(409, 1200, format!("conflict, write-write conflict; key: {key}"))
}
