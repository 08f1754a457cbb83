//! One database of the cluster: requests to it, queries with their whole result, documents written together.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Link, nonsense, refusal};
use super::error::{Answered, Failure};

/// The header that makes a request part of a transaction.
const TRANSACTION: &str = "x-arango-trx-id";

/// Rows of one batch of a query's result.
const BATCH: u32 = 1_000;

/// How often a read is sent while the cluster is between two states, and how long it waits in between.
const READS: u32 = 3;
const READ_PAUSE: Duration = Duration::from_millis(200);

#[derive(Clone)]
pub(super) struct Database {
    link: Arc<Link>,
    /// Its URL with a slash at its end.
    url: String,
}

impl Database {
    pub fn new(link: Arc<Link>, cluster: &reqwest::Url, name: &str) -> Self {
        Self { link, url: format!("{cluster}_db/{name}/") }
    }

    /// Asks for `path`, behind `_api/`; in a transaction if one is named.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        transaction: Option<&str>,
        body: Option<&Value>,
    ) -> Answered<String> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.send(method, &format!("_api/{path}"), transaction, body).await
    }

    /// Asks the server itself for something.
    pub async fn ask_admin(&self, path: &str) -> Answered<Value> {
        parsed(&self.send(Method::GET, &format!("_admin/{path}"), None, String::new()).await?)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        transaction: Option<&str>,
        body: String,
    ) -> Answered<String> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(id) = transaction {
            request = request.header(TRANSACTION, id);
        }
        self.link.ask(request.body(body).map_err(nonsense)?).await
    }

    pub async fn get(&self, path: &str) -> Answered<Value> {
        parsed(&self.ask(Method::GET, path, None, None).await?)
    }

    /// The rows of a query that only reads: sent again where that may help.
    pub async fn read<T: DeserializeOwned>(&self, query: &str, values: Value) -> Answered<Vec<T>> {
        let mut sent = 1;
        loop {
            match self.query(None, query, values.clone()).await {
                Err(failure) if failure.is_transient() && sent < READS => {
                    tokio::time::sleep(READ_PAUSE * sent).await;
                    sent += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// The rows of a query, all batches of them.
    pub async fn query<T: DeserializeOwned>(
        &self,
        transaction: Option<&str>,
        query: &str,
        values: Value,
    ) -> Answered<Vec<T>> {
        let body = json!({ "query": query, "bindVars": values, "batchSize": BATCH });
        let mut answer = self.ask(Method::POST, "cursor", transaction, Some(&body)).await?;
        let mut rows = Vec::new();
        loop {
            let batch: Batch<T> = parsed(&answer)?;
            rows.extend(batch.result);
            if !batch.has_more {
                return Ok(rows);
            }
            let path = format!("cursor/{}", plain(batch.id.as_deref())?);
            answer = match self.ask(Method::POST, &path, transaction, None).await {
                Ok(answer) => answer,
                Err(failure) => {
                    // It would go by itself after its time to live.
                    let _ = self.ask(Method::DELETE, &path, transaction, None).await;
                    return Err(failure);
                }
            };
        }
    }

    /// Writes documents of one collection together. `how`: the method, and what of the request's parameters says
    /// what becomes of documents that are there.
    pub async fn write<T: Serialize>(
        &self,
        transaction: &str,
        (method, parameters): (Method, &str),
        collection: &str,
        documents: &[T],
    ) -> Answered<()> {
        if documents.is_empty() {
            return Ok(());
        }
        let path = format!("_api/document/{collection}{parameters}");
        let body = serde_json::to_string(documents).map_err(nonsense)?;
        let answer = self.send(method, &path, Some(transaction), body).await?;
        let written: Vec<Written> = parsed(&answer)?;
        if written.len() != documents.len() {
            return Err(nonsense("another number of documents than were sent"));
        }
        let refused = |(item, written): (usize, &Written)| {
            let number = written.error.then_some(written.error_num)?;
            let said = json!({ "errorNum": number, "errorMessage": written.error_message }).to_string();
            let Failure::Refused { status, number, message, .. } = refusal(409, &said) else { return None };
            Some(Failure::Refused { status, number, message, item: Some(item) })
        };
        written.iter().enumerate().find_map(refused).map_or(Ok(()), Err)
    }
}

/// A batch of a query's result.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch<T> {
    result: Vec<T>,
    has_more: bool,
    id: Option<String>,
}

/// What became of one document of several.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(default)]
    error: bool,
    #[serde(default)]
    error_num: u32,
    #[serde(default)]
    error_message: String,
}

pub(super) fn parsed<T: DeserializeOwned>(answer: &str) -> Answered<T> {
    serde_json::from_str(answer).map_err(nonsense)
}

/// An id that the database gave and that goes into a path.
pub(super) fn plain(id: Option<&str>) -> Answered<&str> {
    id.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .ok_or_else(|| nonsense("an id that is none"))
}
