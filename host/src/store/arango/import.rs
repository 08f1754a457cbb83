//! The whole image in, in many transactions, since it may be larger than one can be. While it goes on, and after it
//! broke off, a document in `Meta` keeps everybody from opening the image.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::database::Database;
use super::error::{Answered, Attempt, Failure, number};
use super::transaction::{Transaction, transact};
use super::{accounts, aql, invocations, messages, methods, objects};
use crate::object::{Account, Contents, Json, Message, Method, MethodName, ObjectId};
use crate::store::{Entry, Imported, Result, StoreError, require_count, require_size};

/// Entries, and bytes of their text, that share a transaction.
const BATCH: usize = 500;
const BATCH_BYTES: usize = 8 << 20;

/// What an image is made of. Emptied when an import breaks off.
pub(super) const CONTENT: [&str; 7] =
    ["UvmObjects", "PrototypeLinks", "MethodVersions", "Messages", "Contents", "Invocations", "Accounts"];

pub(super) async fn import(database: &Database, mut from: mpsc::Receiver<Entry>) -> Result<Imported> {
    let begun: Result<Vec<Root>> =
        transact!(database, None, &["Meta"], &CONTENT, |transaction| begin(&transaction));
    let roots = begun?;
    let imported = take_all(database, &mut from).await;
    let ended = match &imported {
        Ok(_) => Ok(()),
        Err(_) => restore(database, &roots).await,
    };
    match ended {
        Ok(()) => forget(database).await?,
        Err(error) => {
            let reason = "an import broke off and could not be undone; drop the database and import again";
            return Err(StoreError::Unavailable(format!("{reason} ({error})")));
        }
    }
    imported
}

/// An object that was there before.
#[derive(Deserialize)]
struct Root {
    key: String,
    attributes: String,
    prototypes: Vec<ObjectId>,
}

async fn begin(transaction: &Transaction) -> Attempt<Vec<Root>> {
    let content: Vec<u32> = transaction.query(aql::CONTENT, json!({})).await?;
    if content != [0] {
        return Err(StoreError::NotEmpty.into());
    }
    match transaction.insert("Meta", &[json!({ "_key": "import" })]).await {
        Err(failure) if failure.number() == number::UNIQUE => return Err(StoreError::NotEmpty.into()),
        outcome => outcome?,
    }
    let mut roots = Vec::new();
    for key in ["nil", "system"] {
        roots.extend(transaction.query::<Root>(aql::OBJECT, json!({ "key": key })).await?);
    }
    Ok(roots)
}

async fn forget(database: &Database) -> Result<()> {
    let _: Vec<Value> = database.query(None, aql::FORGET, json!({ "key": "import" })).await?;
    Ok(())
}

/// Makes the image what it was.
async fn restore(database: &Database, roots: &[Root]) -> Result<()> {
    for collection in CONTENT {
        let path = format!("collection/{collection}/truncate?waitForSync=true");
        database.ask(http::Method::PUT, &path, None, None).await?;
    }
    transact!(database, None, &["UvmObjects", "PrototypeLinks"], &[], |transaction| put_back(
        &transaction,
        roots
    ))
}

async fn put_back(transaction: &Transaction, roots: &[Root]) -> Attempt<()> {
    for root in roots {
        let (id, attributes) = (objects::id(&root.key)?, objects::text(root.attributes.clone())?);
        transaction.insert("UvmObjects", &[objects::document(&id, &attributes)]).await?;
        transaction.insert("PrototypeLinks", &objects::links(&id, &root.prototypes)).await?;
    }
    Ok(())
}

async fn take_all(database: &Database, from: &mut mpsc::Receiver<Entry>) -> Result<Imported> {
    let (mut taken, mut batch, mut last) = (Imported::default(), Batch::default(), HashMap::new());
    while let Some(entry) = from.recv().await {
        let entry = entry.prepared()?;
        if !batch.has_room_for(&entry) {
            std::mem::take(&mut batch).put(database).await?;
        }
        match entry {
            Entry::Object { id, attributes } => {
                taken.objects += 1;
                require_size(&id, &attributes)?;
                batch.bytes += attributes.get().len();
                batch.objects.push((id, attributes));
            }
            Entry::Prototypes { object, prototypes } => {
                require_count(&object, &prototypes)?;
                batch.holders.push(object.clone());
                batch.holders.extend_from_slice(&prototypes);
                batch.prototypes.push((object, prototypes));
            }
            Entry::Method(method) => {
                taken.versions += 1;
                batch.bytes += method.source.as_str().len();
                batch.take_method(method, &mut last)?;
            }
            Entry::Message { message, idempotency_key } => {
                taken.messages += 1;
                batch.bytes += message.result.get().len() + message.output.len() + message.args.get().len();
                batch.messages.push((message, idempotency_key));
            }
            Entry::Content(content) => {
                taken.contents += 1;
                batch.bytes += content.get().len();
                batch.contents.insert(content.digest(), content);
            }
            Entry::Invocation(invocation) => {
                taken.invocations += 1;
                let document = invocations::document(&invocation)?;
                batch.bytes += document.bytes;
                batch.invocations.push(document);
            }
            Entry::Account { object, account } => {
                taken.accounts += 1;
                batch.holders.push(object.clone());
                batch.accounts.push((object, account));
            }
            Entry::End(counted) => {
                batch.put(database).await?;
                if counted == taken {
                    return Ok(taken);
                }
                return Err(failed(format!("it should hold {counted:?} and holds {taken:?}")));
            }
        }
    }
    Err(failed("it is cut short"))
}

fn failed(why: impl Into<String>) -> StoreError {
    StoreError::ImportFailed(why.into())
}

/// The version of a method that runs so far.
struct Last {
    version: u32,
    key: Uuid,
}

/// Entries of one kind that share a transaction.
#[derive(Default)]
struct Batch {
    bytes: usize,
    objects: Vec<(ObjectId, Json)>,
    prototypes: Vec<(ObjectId, Vec<ObjectId>)>,
    methods: Vec<Value>,
    /// Objects that have to be there.
    holders: Vec<ObjectId>,
    /// Versions that do not run any more.
    past: Vec<Uuid>,
    messages: Vec<(Message, Option<String>)>,
    contents: Contents,
    invocations: Vec<invocations::New>,
    accounts: Vec<(ObjectId, Account)>,
}

impl Batch {
    fn has_room_for(&self, entry: &Entry) -> bool {
        let (kind, all) = (
            match entry {
                Entry::Object { .. } => self.objects.len(),
                Entry::Prototypes { .. } => self.prototypes.len(),
                Entry::Method(_) => self.methods.len(),
                Entry::Message { .. } => self.messages.len(),
                Entry::Content(_) => self.contents.len(),
                Entry::Invocation(_) => self.invocations.len(),
                Entry::Account { .. } => self.accounts.len(),
                Entry::End(_) => return true,
            },
            self.objects.len()
                + self.prototypes.len()
                + self.methods.len()
                + self.messages.len()
                + self.contents.len()
                + self.invocations.len()
                + self.accounts.len(),
        );
        kind == all && all < BATCH && self.bytes < BATCH_BYTES
    }

    fn take_method(
        &mut self,
        method: Method,
        last: &mut HashMap<(ObjectId, MethodName), Last>,
    ) -> Result<()> {
        let document = methods::document(&method, true)?;
        let next = Last { version: method.version, key: document.key() };
        let document = serde_json::to_value(document).map_err(|error| failed(error.to_string()))?;
        let before = last.insert((method.object.clone(), method.name.clone()), next);
        let version = before.as_ref().map_or(0, |before| before.version);
        if method.version != version + 1 {
            return Err(failed(format!(
                "version {} of '{}' of {} follows on version {version}",
                method.version, method.name, method.object
            )));
        }
        self.past.extend(before.map(|before| before.key));
        self.methods.push(document);
        self.holders.push(method.object);
        Ok(())
    }

    async fn put(self, database: &Database) -> Result<()> {
        transact!(database, None, &CONTENT, &[], |transaction| self.put_in(&transaction))
    }

    async fn put_in(&self, transaction: &Transaction) -> Attempt<()> {
        self.put_objects(transaction).await?;
        require_known(transaction, &self.holders).await?;
        for (object, prototypes) in &self.prototypes {
            let _: Vec<Value> = transaction.query(aql::UNLINK, json!({ "from": object.as_str() })).await?;
            transaction.insert("PrototypeLinks", &objects::links(object, prototypes)).await?;
        }
        transaction.insert("MethodVersions", &self.methods).await?;
        let past: Vec<_> = self.past.iter().map(|key| json!({ "_key": key, "current": false })).collect();
        transaction.update("MethodVersions", &past).await?;
        let messages =
            self.messages.iter().map(|(message, key)| messages::document(message, key.as_deref(), None));
        let messages = messages.collect::<Result<Vec<_>>>()?;
        unique(transaction.insert("Messages", &messages).await, |item| {
            format!("message '{}', or its idempotency key, is in it twice", self.messages[item].0.message_id)
        })?;
        invocations::keep(transaction, &self.contents).await?;
        unique(transaction.insert("Invocations", &self.invocations).await, |item| {
            format!("invocation '{}' is in it twice", self.invocations[item].key)
        })?;
        let accounts = self.accounts.iter().map(|(object, account)| accounts::document(object, account));
        Ok(transaction.replace("Accounts", &accounts.collect::<Result<Vec<_>>>()?).await?)
    }

    /// The roots are there already.
    async fn put_objects(&self, transaction: &Transaction) -> Attempt<()> {
        let (roots, others): (Vec<_>, Vec<_>) =
            self.objects.iter().partition(|(id, _)| matches!(id.key(), "nil" | "system"));
        let documents = |objects: &[&'_ (ObjectId, Json)]| -> Vec<Value> {
            objects.iter().map(|(id, attributes)| json!(objects::document(id, attributes))).collect()
        };
        for (id, _) in &roots {
            let _: Vec<Value> = transaction.query(aql::UNLINK, json!({ "from": id.as_str() })).await?;
        }
        transaction.replace("UvmObjects", &documents(&roots)).await?;
        unique(transaction.insert("UvmObjects", &documents(&others)).await, |item| {
            StoreError::ObjectExists(others[item].0.clone()).to_string()
        })
    }
}

/// What is in an import twice does not go away by trying again.
fn unique(outcome: Answered<()>, what: impl Fn(usize) -> String) -> Attempt<()> {
    match outcome {
        Err(Failure::Refused { number: number::UNIQUE, item: Some(item), .. }) => {
            Err(failed(what(item)).into())
        }
        outcome => Ok(outcome?),
    }
}

async fn require_known(transaction: &Transaction, ids: &[ObjectId]) -> Attempt<()> {
    let keys: Vec<_> = ids.iter().map(ObjectId::key).collect();
    let known = objects::revs(transaction, &keys).await?;
    match ids.iter().find(|id| !known.contains_key(id.key())) {
        Some(missing) => Err(failed(StoreError::ObjectNotFound(missing.clone()).to_string()).into()),
        None => Ok(()),
    }
}
