//! Ollama beside the asking: its version, the models that it has, pulling one, making one of another.
//!
//! Not with `ollama-rs`: it takes each chunk of an account for a line, bounds nothing, and sends no blobs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt as _};
use reqwest::header::{CONTENT_LENGTH, DATE};
use reqwest::{Body, RequestBuilder, Response};
use serde_json::{Value, json};
use thiserror::Error;

use super::models::{self, Loaded, Models};
use super::shown::Shown;
use super::{ENTRY, UNKNOWN_VERSION};
use crate::mind::MindError;
use crate::mind::frames::{Frames, MAX_FRAME_BYTES};
use crate::mind::http::{Server, bounded, quote};
use crate::object::Timestamp;

const CURE: &str = "start Ollama and run `aura genesis` again";

/// Bytes of one line of an account.
const MAX_LINE: usize = 64 * 1024;
/// How often the number of bytes sent is told.
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug, Error)]
pub enum LibraryError {
    /// Nobody answers.
    #[error("{0}")]
    Away(String),
    /// It answers, and does not do what it is asked.
    #[error("{0}")]
    Failed(String),
}

impl From<MindError> for LibraryError {
    fn from(error: MindError) -> Self {
        Self::Failed(error.to_string())
    }
}

type Result<T> = std::result::Result<T, LibraryError>;

/// A line of Ollama's account of what it is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub status: String,
    pub layer: Option<Layer>,
}

/// How much there is of a layer of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    pub digest: String,
    pub completed: u64,
    pub total: u64,
}

pub struct Library {
    server: Server,
    /// How long it may say nothing.
    patience: Duration,
}

impl Library {
    pub fn new(base_url: &str, patience: Duration) -> std::result::Result<Self, MindError> {
        Ok(Self { server: Server::new("Ollama", CURE, ENTRY, base_url, patience)?, patience })
    }

    /// Its version, and what its clock says, to the second.
    pub async fn version(&self) -> Result<(String, Option<Timestamp>)> {
        let response = self.send(self.server.get("/api/version")).await?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let time = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let time = time.map(|time| Timestamp(time.timestamp().as_millisecond()));
        let answer = self.read(response).await?;
        Ok((quote(answer["version"].as_str().unwrap_or(UNKNOWN_VERSION)), time))
    }

    /// The models that are there.
    pub async fn models(&self) -> Result<Models> {
        Models::read(self.ask(self.server.get("/api/tags")).await?).ok_or_else(|| self.no_list())
    }

    /// The models that are loaded now.
    pub async fn loaded(&self) -> Result<Vec<Loaded>> {
        let answer = self.ask(self.server.get("/api/ps")).await?;
        let mut loaded: Vec<Loaded> = models::list(answer).ok_or_else(|| self.no_list())?;
        for model in &mut loaded {
            model.name = quote(&model.name);
        }
        Ok(loaded)
    }

    /// What is known of a model, if it is there and its files can be read.
    pub async fn show(&self, model: &str) -> Result<Option<Shown>> {
        let request = self.server.post("/api/show").json(&json!({ "model": model }));
        let response = self.send(request).await?;
        if response.status().as_u16() == 404 {
            return Ok(None);
        }
        Ok(Some(Shown::read(&self.read(response).await?)))
    }

    pub async fn pull(&self, model: &str, told: impl FnMut(&Step)) -> Result<()> {
        self.follow("/api/pull", &json!({ "model": model, "stream": true }), told).await
    }

    /// Makes the model that `wish` describes, in the words of Ollama's `/api/create`.
    pub async fn create(&self, wish: &Value, told: impl FnMut(&Step)) -> Result<()> {
        self.follow("/api/create", wish, told).await
    }

    /// Whether Ollama has the blob of that SHA-256.
    pub async fn has_blob(&self, digest: &str) -> Result<bool> {
        let response = self.send(self.server.head(&blob(digest))).await?;
        match response.status().as_u16() {
            404 => Ok(false),
            _ if response.status().is_success() => Ok(true),
            _ => Err(self.refused(response).await),
        }
    }

    /// Sends the blob of that SHA-256; `told` hears how many bytes are on their way.
    pub async fn send_blob(
        &self,
        digest: &str,
        length: u64,
        pieces: impl Stream<Item = std::io::Result<Vec<u8>>> + Send + 'static,
        mut told: impl FnMut(u64),
    ) -> Result<()> {
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        let pieces = pieces.inspect(move |piece| {
            let length = piece.as_ref().map_or(0, |piece| piece.len() as u64);
            count.fetch_add(length, Ordering::Relaxed);
        });
        let request = self.server.post(&blob(digest)).header(CONTENT_LENGTH, length);
        let answer = self.server.send(request.body(Body::wrap_stream(pieces)));
        tokio::pin!(answer);
        let mut last = (0, Instant::now());
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer,
                () = tokio::time::sleep(TICK) => {}
            }
            let now = sent.load(Ordering::Relaxed);
            told(now);
            if now != last.0 {
                last = (now, Instant::now());
            } else if last.1.elapsed() >= self.patience {
                return Err(self.silent());
            }
        };
        match answer {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(self.refused(response).await),
            Err(_) => Err(self.told_apart(self.server.broke_off()).await),
        }
    }

    /// Asks for something that takes its time, and follows the account of it to its good end.
    async fn follow(&self, path: &str, request: &Value, mut told: impl FnMut(&Step)) -> Result<()> {
        let response = self.send(self.server.post(path).json(request)).await?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let mut frames = Frames::endless(&self.server, response, MAX_LINE);
        loop {
            let frame = tokio::time::timeout(self.patience, frames.next()).await;
            let frame = match frame.map_err(|_| self.silent())? {
                Ok(Some(frame)) => frame,
                Ok(None) => return Err(self.told_apart(self.server.broke_off()).await),
                Err(error) => return Err(self.told_apart(error).await),
            };
            if let Some(error) = frame.get("error") {
                return Err(self.server.failed(error).into());
            }
            let step = Step::read(&frame);
            if step.status == "success" {
                return Ok(());
            }
            told(&step);
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response> {
        match tokio::time::timeout(self.patience, self.server.send(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.told_apart(error).await),
            Err(_) => Err(self.silent()),
        }
    }

    /// The JSON of a small answer.
    async fn ask(&self, request: RequestBuilder) -> Result<Value> {
        let response = self.send(request).await?;
        self.read(response).await
    }

    async fn read(&self, response: Response) -> Result<Value> {
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let body = tokio::time::timeout(self.patience, bounded(response, MAX_FRAME_BYTES)).await;
        let body = body.map_err(|_| self.silent())?;
        serde_json::from_slice(&body).map_err(|_| {
            let text = quote(&String::from_utf8_lossy(&body));
            self.server.garbage(&format!("answered what is not JSON: {text}")).into()
        })
    }

    fn no_list(&self) -> LibraryError {
        self.server.garbage("answered without a list of models").into()
    }

    async fn refused(&self, response: Response) -> LibraryError {
        self.server.refused(response).await.into()
    }

    /// What went wrong while it was answering: whether it is away now, or did not do it.
    async fn told_apart(&self, error: MindError) -> LibraryError {
        match self.server.send(self.server.get("/api/version")).await {
            Ok(_) => error.into(),
            Err(away) => LibraryError::Away(away.to_string()),
        }
    }

    fn silent(&self) -> LibraryError {
        LibraryError::Failed(format!(
            "{} has said nothing for {} s: look into its log, or set AURA_MIND_TIMEOUT_S higher",
            self.server,
            self.patience.as_secs_f32(),
        ))
    }
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

impl Step {
    fn read(frame: &Value) -> Self {
        let layer = || {
            Some(Layer {
                digest: frame["digest"].as_str()?.to_owned(),
                // Left out while it is nothing.
                completed: frame["completed"].as_u64().unwrap_or(0),
                total: frame["total"].as_u64().filter(|total| *total > 0)?,
            })
        };
        Self { status: quote(frame["status"].as_str().unwrap_or_default()), layer: layer() }
    }
}

fn blob(digest: &str) -> String {
    format!("/api/blobs/{digest}")
}
