//! What both protocols share: the connection to a server, and errors that say what was tried and what to do.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use serde_json::Value;

use super::MindError;
use crate::object::one_line;
use crate::outbound::{self, root_cause, without_credentials};

/// For questions that need no thinking.
const CHECK: Duration = Duration::from_secs(5);
/// Bytes of an error's body that are read.
const MAX_REFUSAL_BYTES: usize = 4096;
/// Characters of a server's own words that an error repeats.
const QUOTE: usize = 200;

/// A server that a mind lives on.
pub struct Server {
    client: Client,
    /// Without a slash at its end.
    base: String,
    /// As it is named to people: without credentials.
    shown: String,
    name: &'static str,
    /// What to do when it is not there.
    cure: &'static str,
    /// What to do when it lets nobody in.
    entry: &'static str,
    timeout: Duration,
}

impl Server {
    pub fn new(
        name: &'static str,
        cure: &'static str,
        entry: &'static str,
        base: &str,
        timeout: Duration,
    ) -> Result<Self, MindError> {
        let base = base.trim().trim_end_matches('/').to_owned();
        let url = Url::parse(&base).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = url else {
            return Err(MindError::Unavailable(format!(
                "'{}' is not the URL of {name}: {cure}",
                quote(&base)
            )));
        };
        let client = outbound::client(&url).redirect(redirect::Policy::none()).build().map_err(|error| {
            MindError::Unavailable(format!("no HTTP client for {name}: {}", root_cause(&error)))
        })?;
        Ok(Self { client, base, shown: without_credentials(&url), name, cure, entry, timeout })
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base)).timeout(CHECK)
    }

    pub fn head(&self, path: &str) -> RequestBuilder {
        self.client.head(format!("{}{path}", self.base)).timeout(CHECK)
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    pub async fn send(&self, request: RequestBuilder) -> Result<Response, MindError> {
        request.send().await.map_err(|error| self.absent(&error))
    }

    /// The JSON a small question is answered with; `None` when the server does not know the question.
    pub async fn look(&self, request: RequestBuilder) -> Result<Option<Value>, MindError> {
        let response = self.send(request).await?;
        if matches!(response.status().as_u16(), 401 | 403) {
            return Err(self.refused(response).await);
        }
        if !response.status().is_success() {
            return Ok(None);
        }
        let body = bounded(response, super::frames::MAX_FRAME_BYTES).await;
        Ok(serde_json::from_slice(&body).ok())
    }

    /// The answer to a question for `model`, or the error that time is up.
    pub async fn in_time<T>(
        &self,
        model: &str,
        answer: impl Future<Output = Result<T, MindError>>,
    ) -> Result<T, MindError> {
        tokio::time::timeout(self.timeout, answer).await.unwrap_or_else(|_| {
            Err(MindError::Unavailable(format!(
                "{self} did not finish an answer of model '{model}' within {} s: set AURA_MIND_TIMEOUT_S higher or AURA_MIND_MODEL to a smaller model",
                self.timeout.as_secs_f32(),
            )))
        })
    }

    fn absent(&self, error: &reqwest::Error) -> MindError {
        let cause = if error.is_timeout() { "no answer in time".to_owned() } else { root_cause(error) };
        MindError::Unavailable(format!("{self} cannot be reached ({}): {}", quote(&cause), self.cure))
    }

    /// An answer with a status that is not success.
    pub async fn refused(&self, response: Response) -> MindError {
        let status = response.status();
        let words = words_of(&bounded(response, MAX_REFUSAL_BYTES).await);
        let said = if words.is_empty() { String::new() } else { format!(" and said: {words}") };
        let cure = match status.as_u16() {
            401 | 403 => format!(": {}", self.entry),
            429 | 503 => ": it is busy, try again later".to_owned(),
            _ => String::new(),
        };
        MindError::Unavailable(format!("{self} answered HTTP {}{said}{cure}", status.as_u16()))
    }

    /// The server says in its answer that it failed.
    pub fn failed(&self, error: &Value) -> MindError {
        MindError::Unavailable(format!("{self} failed and said: {}", message_of(error)))
    }

    pub fn broke_off(&self) -> MindError {
        MindError::Unavailable(format!("{self} broke its answer off: look into its log, then try again"))
    }

    pub fn garbage(&self, what: &str) -> MindError {
        MindError::Garbage(format!("{self} {what}"))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.shown)
    }
}

/// At most the first bytes of a body; what comes after an error or the limit is left out.
pub async fn bounded(mut response: Response, limit: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(limit - body.len())]);
        if body.len() == limit {
            break;
        }
    }
    body
}

/// What a server says in an error: `{"error": "…"}`, `{"error": {"message": "…"}}` or plain text.
fn words_of(body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) if value.is_object() => message_of(value.get("error").unwrap_or(&value)),
        _ => quote(&String::from_utf8_lossy(body)),
    }
}

fn message_of(error: &Value) -> String {
    match error.as_str().or_else(|| error.get("message")?.as_str()) {
        Some(message) => quote(message),
        None => quote(&error.to_string()),
    }
}

pub fn quote(text: &str) -> String {
    one_line(text, QUOTE)
}
