//! Stream transactions: everything of one or nothing, with an outcome that is known even when the answer to the
//! commit is lost.
//!
//! Each one inserts a document into `Journal` first. A commit whose answer never came is decided by inserting a
//! document with the same key outside of it: if that succeeds, the key is taken and the transaction can never be
//! committed any more; if the key is taken already, it was committed.
//!
//! A transaction sees one snapshot, which is taken at the latest by the first thing it does. That alone would let
//! two transactions pass each other of which each read what the other one wrote. So they meet in `Guards`: who
//! only read something writes one of its guards, who changes it writes all of them, and both do so before they
//! read it. If the other one commits after the snapshot, the database refuses the guard, or refuses it to the
//! other one; if before, the snapshot has what it wrote.

use std::time::Duration;

use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::aql;
use super::database::{Database, parsed, plain};
use super::error::{Answered, Attempt, Failure, Trouble, explain, number};
use crate::object::ObjectId;
use crate::store::StoreError;

/// How often something is tried that others write at the same time.
const CONFLICTS: u32 = 24;

/// How often something is tried while the cluster is between two states.
const FAULTS: u32 = 3;

/// The pause before something is tried again: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(400));

/// How long the outcome of a commit is looked for, and how often.
const DECISION: Duration = Duration::from_secs(30);
const DECISION_PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Inserts; fails where the key is taken.
const INSERT: (Method, &str) = (Method::POST, "");
/// Inserts, or leaves what is there.
const ADD: (Method, &str) = (Method::POST, "?overwriteMode=ignore");
/// Inserts, or replaces what is there.
const REPLACE: (Method, &str) = (Method::POST, "?overwriteMode=replace");
/// Inserts, or replaces those members that are given.
const MERGE: (Method, &str) = (Method::POST, "?overwriteMode=update&mergeObjects=false&keepNull=true");
/// Replaces those members that are given; fails where nothing is there.
const UPDATE: (Method, &str) = (Method::PATCH, "?mergeObjects=false&keepNull=true");

/// Does `$work` in transactions that may write to `$writes` and read from `$reads`, until one is committed.
/// `$blame`: the object that is in conflict when it never comes to that.
macro_rules! transact {
    ($database:expr, $blame:expr, $writes:expr, $reads:expr, |$transaction:ident| $work:expr) => {{
        let mut tries = $crate::store::arango::transaction::Tries::new($blame);
        loop {
            let outcome = match $crate::store::arango::transaction::Transaction::begin(
                $database, $writes, $reads,
            )
            .await
            {
                Ok($transaction) => {
                    let outcome = $work.await;
                    $transaction.end(outcome).await
                }
                Err(failure) => Err(failure.into()),
            };
            if let Some(done) = tries.judge(outcome).await? {
                break Ok(done);
            }
        }
    }};
}
pub(super) use transact;

pub(super) struct Transaction {
    database: Database,
    id: String,
    /// The key in `Journal`; none if it only reads.
    journal: Option<Uuid>,
    ended: bool,
}

impl Transaction {
    pub async fn begin(database: &Database, writes: &[&str], reads: &[&str]) -> Answered<Self> {
        let journal = (!writes.is_empty()).then(Uuid::now_v7);
        let writes: Vec<_> = writes.iter().copied().chain(journal.map(|_| "Journal")).collect();
        let body = json!({
            "collections": { "read": reads, "write": writes, "exclusive": [] },
            "waitForSync": true,
            "allowImplicit": false,
        });
        let answer = database.ask(Method::POST, "transaction/begin", None, Some(&body)).await?;
        let begun: Begun = parsed(&answer)?;
        let id = plain(Some(&begun.result.id))?.to_owned();
        let transaction = Self { database: database.clone(), id, journal, ended: false };
        if let Some(key) = journal {
            let entry = json!({ "key": key, "outcome": "committed" });
            let inserted: Answered<Vec<Value>> = transaction.query(aql::JOURNAL, entry).await;
            if let Err(failure) = inserted {
                transaction.close().await;
                return Err(failure);
            }
        }
        Ok(transaction)
    }

    pub async fn query<T: DeserializeOwned>(&self, query: &str, values: Value) -> Answered<Vec<T>> {
        self.database.query(Some(&self.id), query, values).await
    }

    pub async fn insert<T: Serialize>(&self, collection: &str, documents: &[T]) -> Answered<()> {
        self.database.write(&self.id, INSERT, collection, documents).await
    }

    pub async fn add<T: Serialize>(&self, collection: &str, documents: &[T]) -> Answered<()> {
        self.database.write(&self.id, ADD, collection, documents).await
    }

    pub async fn replace<T: Serialize>(&self, collection: &str, documents: &[T]) -> Answered<()> {
        self.database.write(&self.id, REPLACE, collection, documents).await
    }

    pub async fn merge<T: Serialize>(&self, collection: &str, documents: &[T]) -> Answered<()> {
        self.database.write(&self.id, MERGE, collection, documents).await
    }

    pub async fn update<T: Serialize>(&self, collection: &str, documents: &[T]) -> Answered<()> {
        self.database.write(&self.id, UPDATE, collection, documents).await
    }

    /// Commits what succeeded, undoes what did not.
    pub async fn end<T>(mut self, outcome: Attempt<T>) -> Attempt<T> {
        self.ended = true;
        match outcome {
            Ok(done) => self.commit().await.map(|()| done),
            Err(trouble) => {
                // If this fails too, it ends by itself when it was idle for a minute.
                let _ = abort(&self.database, &self.id).await;
                Err(trouble)
            }
        }
    }

    /// Ends one in which nothing was written that counts.
    pub async fn close(mut self) {
        self.ended = true;
        let _ = abort(&self.database, &self.id).await;
    }

    async fn commit(&self) -> Attempt<()> {
        let path = format!("transaction/{}", self.id);
        let Err(failure) = self.database.ask(Method::PUT, &path, None, None).await else {
            return Ok(());
        };
        match self.journal {
            Some(journal) if failure.number() != number::CONFLICT => self.decide(journal, &failure).await,
            _ => Err(failure.into()),
        }
    }

    /// Finds out, by the journal, what became of a commit that was not answered with success.
    async fn decide(&self, journal: Uuid, failure: &Failure) -> Attempt<()> {
        let (deadline, mut pause) = (Instant::now() + DECISION, DECISION_PAUSE.0);
        loop {
            let tombstone = json!({ "key": journal, "outcome": "abandoned" });
            let inserted = self.database.query::<Value>(None, aql::JOURNAL, tombstone).await;
            let outcome: Answered<String> = match inserted {
                Ok(_) => Ok("abandoned".to_owned()),
                // Perhaps by a tombstone whose own answer was lost.
                Err(taken) if taken.number() == number::UNIQUE => {
                    let read = self.database.query(None, aql::OUTCOME, json!({ "key": journal })).await;
                    read.and_then(|rows| rows.into_iter().next().ok_or(taken))
                }
                Err(other) => {
                    // It still holds the key: it is alive.
                    if other.is_conflict() {
                        let _ = abort(&self.database, &self.id).await;
                    }
                    Err(other)
                }
            };
            match outcome {
                Ok(outcome) if outcome == "committed" => return Ok(()),
                Ok(_) => {
                    return Err(Failure::Lost(format!("a commit was not done; try again ({failure})")).into());
                }
                Err(_) if Instant::now() < deadline => {}
                Err(last) => {
                    return Err(StoreError::Unavailable(format!(
                        "the cluster does not answer whether it committed; trying again will find out ({})",
                        explain(&last)
                    ))
                    .into());
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(DECISION_PAUSE.1);
        }
    }
}

impl Drop for Transaction {
    /// A caller that gave up leaves no locks behind.
    fn drop(&mut self) {
        if !self.ended
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (database, id) = (self.database.clone(), std::mem::take(&mut self.id));
            runtime.spawn(async move { abort(&database, &id).await });
        }
    }
}

async fn abort(database: &Database, id: &str) -> Answered<String> {
    database.ask(Method::DELETE, &format!("transaction/{id}"), None, None).await
}

#[derive(Deserialize)]
struct Begun {
    result: BegunId,
}

#[derive(Deserialize)]
struct BegunId {
    id: String,
}

/// How often something was tried.
pub(super) struct Tries {
    blame: Option<ObjectId>,
    conflicts: u32,
    faults: u32,
}

impl Tries {
    pub fn new(blame: Option<&ObjectId>) -> Self {
        Self { blame: blame.cloned(), conflicts: 0, faults: 0 }
    }

    /// What to make of an outcome. `None`: nothing of it happened, and it may go better now.
    pub async fn judge<T>(&mut self, outcome: Attempt<T>) -> Result<Option<T>, StoreError> {
        let failure = match outcome {
            Ok(done) => return Ok(Some(done)),
            Err(Trouble::Store(error)) => return Err(error),
            Err(Trouble::Database(failure)) => failure,
        };
        if failure.is_conflict() {
            self.conflicts += 1;
        } else if failure.is_transient() {
            self.faults += 1;
        } else {
            return Err(failure.into());
        }
        if self.faults >= FAULTS {
            return Err(failure.into());
        }
        if self.conflicts >= CONFLICTS {
            return Err(self.blame.take().map_or_else(|| failure.into(), StoreError::Conflict));
        }
        let longest = (PAUSE.0 * 2_u32.pow((self.conflicts + self.faults).min(10))).min(PAUSE.1);
        sleep(longest.mul_f64(0.5 + jitter() / 2.0)).await;
        Ok(None)
    }
}

/// Evenly between 0 and 1.
fn jitter() -> f64 {
    f64::from(u32::try_from(Uuid::now_v7().as_u64_pair().1 & 0xffff).unwrap_or_default()) / 65_536.0
}
