//! The whole image out, as it stands at one moment: every query runs in one transaction, whose snapshot they share.

use std::time::Duration;

use futures::FutureExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::database::Database;
use super::import::CONTENT;
use super::transaction::Transaction;
use super::{accounts, aql, invocations, messages, methods, objects};
use crate::object::{Json, ObjectId};
use crate::store::{Entry, Imported, MAX_PAGE_BYTES, Result, StoreError};

/// Documents of one query.
const ROWS: u32 = 200;

/// A transaction ends when nothing is done in it for a minute; a slow receiver must not be the reason.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(super) async fn export(database: &Database, to: mpsc::Sender<Entry>) -> Result<()> {
    let transaction = Transaction::begin(database, &[], &CONTENT).await?;
    let sending = Sending { transaction, to };
    let sent = sending.all().await;
    sending.transaction.close().await;
    match sent {
        // Nobody receives any more: there is nothing left to do.
        Err(Stop::Unheard) | Ok(()) => Ok(()),
        Err(Stop::Failed(error)) => Err(error),
    }
}

enum Stop {
    Unheard,
    Failed(StoreError),
}

impl<E: Into<StoreError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

struct Sending {
    transaction: Transaction,
    to: mpsc::Sender<Entry>,
}

#[derive(Deserialize)]
struct ObjectRow {
    after: String,
    key: String,
    attributes: String,
}

#[derive(Deserialize)]
struct LinksRow {
    after: String,
    key: String,
    prototypes: Vec<ObjectId>,
}

#[derive(Deserialize)]
struct RecordRow {
    after: String,
    record: String,
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
struct ContentRow {
    after: String,
    content: String,
}

#[derive(Deserialize)]
struct AccountRow {
    after: String,
    key: String,
    record: String,
}

/// A row says where the next page begins.
trait Row {
    fn after(&self) -> &str;
}

macro_rules! rows {
    ($($row:ident),*) => {$(
        impl Row for $row {
            fn after(&self) -> &str {
                &self.after
            }
        }
    )*};
}
rows!(ObjectRow, LinksRow, RecordRow, ContentRow, AccountRow);

impl Sending {
    async fn all(&self) -> std::result::Result<(), Stop> {
        let mut sent = Imported::default();
        self.pages(aql::ALL_OBJECTS, |row: ObjectRow| {
            sent.objects += 1;
            let attributes: Json = objects::text(row.attributes)?;
            Ok(Some(Entry::Object { id: objects::id(&row.key)?, attributes }))
        })
        .await?;
        self.pages(aql::LINKS, |row: LinksRow| {
            let object = objects::id(&row.key)?;
            Ok((!row.prototypes.is_empty())
                .then_some(Entry::Prototypes { object, prototypes: row.prototypes }))
        })
        .await?;
        self.pages(aql::ALL_VERSIONS, |row: RecordRow| {
            sent.versions += 1;
            Ok(Some(Entry::Method(methods::from_record(&row.record)?)))
        })
        .await?;
        self.pages(aql::ALL_MESSAGES, |row: RecordRow| {
            sent.messages += 1;
            let message = messages::from_record(&row.record)?;
            Ok(Some(Entry::Message { message, idempotency_key: row.idempotency_key }))
        })
        .await?;
        self.pages(aql::ALL_CONTENTS, |row: ContentRow| {
            sent.contents += 1;
            Ok(Some(Entry::Content(invocations::content_from(row.content)?)))
        })
        .await?;
        self.pages(aql::ALL_INVOCATIONS, |row: RecordRow| {
            sent.invocations += 1;
            Ok(Some(Entry::Invocation(invocations::from_record(&row.record)?)))
        })
        .await?;
        self.pages(aql::ALL_ACCOUNTS, |row: AccountRow| {
            sent.accounts += 1;
            let account = accounts::from_record(&row.record)?;
            Ok(Some(Entry::Account { object: objects::id(&row.key)?, account }))
        })
        .await?;
        self.send(Entry::End(sent)).await
    }

    /// Sends what `entry` makes of each row, page by page, in the order of the rows' `after`.
    async fn pages<T: Row + DeserializeOwned>(
        &self,
        query: &str,
        mut entry: impl FnMut(T) -> Result<Option<Entry>>,
    ) -> std::result::Result<(), Stop> {
        let mut after = String::new();
        loop {
            let mut values = json!({ "after": after, "rows": ROWS });
            if query.contains("@bytes") {
                values["bytes"] = MAX_PAGE_BYTES.into();
            }
            let mut rows: Vec<T> = self.transaction.query(query, values).await?;
            rows.sort_by(|one, other| one.after().cmp(other.after()));
            let Some(last) = rows.last() else { return Ok(()) };
            last.after().clone_into(&mut after);
            for row in rows {
                if let Some(entry) = entry(row)? {
                    self.send(entry).await?;
                }
            }
        }
    }

    async fn send(&self, entry: Entry) -> std::result::Result<(), Stop> {
        let mut place = std::pin::pin!(self.to.reserve().map(|place| place.map_err(|_| Stop::Unheard)));
        loop {
            if let Ok(place) = tokio::time::timeout(KEEP_ALIVE, &mut place).await {
                place?.send(entry);
                return Ok(());
            }
            let _: Vec<Value> = self.transaction.query(aql::PING, json!({})).await?;
        }
    }
}
