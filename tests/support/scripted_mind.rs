//! A mind that says what a test tells it to say, over real HTTP.
//!
//! It speaks Ollama's `/api/chat`, `/api/version` and `/api/tags` and the OpenAI-compatible `/v1/chat/completions`
//! and `/v1/models`, streamed or not as it is asked, and remembers every question.
//!
//! ```no_run
//! # async fn example() {
//! use aura_tests::{Reply, ScriptedMind};
//!
//! let mind = ScriptedMind::start().await;
//! mind.answers(vec![Reply::code("import os"), Reply::code("return 'Hello'")]);
//! // OLLAMA_HOST = mind.url(), then send a message nobody understands …
//! assert_eq!(mind.requests().len(), 2);
//! assert_eq!(mind.requests()[0].method, "greet");
//! # }
//! ```

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::models::{ALFRED, BABS, BRICK, ROBIN};
use crate::serving::Serving;
use crate::wire::{self, Incoming};

/// The digest of each model it has.
pub const MODEL_DIGEST: &str = "2c1ce5a8b2f07f1bcc1d3f1e2bd6a3d5f64c1f0c4f0f9a2f1f4f2b8c9d0e1f2a";

/// How one question is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    what: What,
    delay: Duration,
    whole: bool,
    shattered: Option<u64>,
}

#[derive(Clone, Debug)]
enum What {
    Text(String),
    Raw(String),
    Status(u16, String),
    Never,
    Close,
    Break(String),
}

impl Reply {
    fn new(what: What) -> Self {
        Self { what, delay: Duration::ZERO, whole: false, shattered: None }
    }

    /// The body of a method, as the schema wants it.
    #[must_use]
    pub fn code(code: &str) -> Self {
        Self::text(&json!({ "code": code }).to_string())
    }

    /// Any words in the place of the schema's JSON.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(What::Text(text.to_owned()))
    }

    /// Status 200 and this body, whatever the protocol says.
    #[must_use]
    pub fn raw(body: &str) -> Self {
        Self::new(What::Raw(body.to_owned()))
    }

    /// An error with this status and body.
    #[must_use]
    pub fn status(status: u16, body: &str) -> Self {
        Self::new(What::Status(status, body.to_owned()))
    }

    /// Silence, with the connection held open.
    #[must_use]
    pub fn never() -> Self {
        Self::new(What::Never)
    }

    /// The connection is closed without a word.
    #[must_use]
    pub fn close() -> Self {
        Self::new(What::Close)
    }

    /// The answer begins with these words, then the connection is closed.
    #[must_use]
    pub fn broken(text: &str) -> Self {
        Self::new(What::Break(text.to_owned()))
    }

    /// Waits this long before it says anything.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// One JSON document without a line end, though a stream was asked for.
    #[must_use]
    pub fn whole(self) -> Self {
        Self { whole: true, ..self }
    }

    /// Sent in chunks of one to seven bytes, cut at places that `seed` decides.
    #[must_use]
    pub fn shattered(self, seed: u64) -> Self {
        Self { shattered: Some(seed), ..self }
    }
}

/// One question the mind was asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    /// The method that is wanted.
    pub method: String,
    pub model: String,
    /// Role and text of each message.
    pub messages: Vec<(String, String)>,
    pub authorization: Option<String>,
    /// The whole question.
    pub body: Value,
}

impl Request {
    fn read(incoming: &Incoming) -> Self {
        let body: Value = serde_json::from_slice(&incoming.body).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages: Vec<(String, String)> = body["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|message| (text(&message["role"]), text(&message["content"])))
            .collect();
        Self {
            path: incoming.path.clone(),
            method: wanted(&messages).unwrap_or_default(),
            model: text(&body["model"]),
            messages,
            authorization: incoming.authorization.clone(),
            body,
        }
    }

    /// All that was said after the worked examples: the mandate and what became of earlier attempts.
    #[must_use]
    pub fn mandate(&self) -> String {
        let from = self.messages.iter().rposition(|(_, text)| text.contains(MANDATE)).unwrap_or_default();
        self.messages[from..].iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

const MANDATE: &str = "implement method '";

fn wanted(messages: &[(String, String)]) -> Option<String> {
    let text = messages.iter().rev().find_map(|(_, text)| text.split_once(MANDATE))?.1;
    text.split_once('\'').map(|(method, _)| method.to_owned())
}

type ByMethod = dyn Fn(&str) -> Option<Reply> + Send;

#[derive(Default)]
struct Script {
    queue: VecDeque<Reply>,
    by_method: Option<Box<ByMethod>>,
    models: Vec<String>,
    requests: Vec<Request>,
}

impl Script {
    fn next(&mut self, method: &str) -> Reply {
        let next = self.queue.pop_front().or_else(|| self.by_method.as_ref()?(method));
        next.unwrap_or_else(|| {
            Reply::status(
                500,
                &json!({ "error": format!("the script has no answer for '{method}'") }).to_string(),
            )
        })
    }
}

/// The server. It stops when this value goes.
pub struct ScriptedMind {
    serving: Serving,
    script: Arc<Mutex<Script>>,
}

impl ScriptedMind {
    /// Starts on a free port of this machine.
    #[allow(clippy::unused_async, reason = "tests await every service they start")]
    pub async fn start() -> Self {
        Self::start_blocking()
    }

    #[must_use]
    pub fn start_blocking() -> Self {
        let models = [ALFRED, BRICK, ROBIN, BABS].map(str::to_owned).to_vec();
        let script = Arc::new(Mutex::new(Script { models, ..Script::default() }));
        let shared = Arc::clone(&script);
        let serving = Serving::start(0, move |stream, _| converse(stream, Arc::clone(&shared)));
        Self { serving, script }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the next questions in this order, before anything [`Self::by_method`] says.
    pub fn answers(&self, replies: Vec<Reply>) {
        self.script().queue.extend(replies);
    }

    /// Answers by the name of the method that is wanted.
    pub fn by_method(&self, reply: impl Fn(&str) -> Option<Reply> + Send + 'static) {
        self.script().by_method = Some(Box::new(reply));
    }

    /// The models it says it has.
    pub fn models(&self, models: &[&str]) {
        self.script().models = models.iter().map(ToString::to_string).collect();
    }

    /// Every question so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.script().requests.clone()
    }

    /// For `OLLAMA_HOST`.
    #[must_use]
    pub fn url(&self) -> String {
        self.serving.url()
    }

    /// For `OPENAI_BASE_URL`.
    #[must_use]
    pub fn openai_url(&self) -> String {
        format!("{}/v1", self.url())
    }
}

async fn converse(mut stream: TcpStream, script: Arc<Mutex<Script>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let incoming = wire::receive(&mut stream).await?;
    let locked = || script.lock().unwrap_or_else(PoisonError::into_inner);
    match incoming.path.as_str() {
        "/api/chat" | "/v1/chat/completions" => {
            let request = Request::read(&incoming);
            let reply = {
                let mut script = locked();
                let reply = script.next(&request.method);
                script.requests.push(request.clone());
                reply
            };
            answer(&mut stream, &request, reply).await
        }
        "/api/version" => wire::document(&mut stream, 200, &json!({ "version": "0.9.0" }).to_string()).await,
        "/api/tags" => {
            let named = |name: &String| json!({ "name": name, "model": name, "digest": MODEL_DIGEST });
            let models: Vec<Value> = locked().models.iter().map(named).collect();
            wire::document(&mut stream, 200, &json!({ "models": models }).to_string()).await
        }
        "/api/show" => wire::document(&mut stream, 200, "{}").await,
        "/v1/models" => {
            let models: Vec<Value> = locked().models.iter().map(|name| json!({ "id": name })).collect();
            wire::document(&mut stream, 200, &json!({ "object": "list", "data": models }).to_string()).await
        }
        _ => wire::document(&mut stream, 404, "404 page not found").await,
    }
}

async fn answer(stream: &mut TcpStream, request: &Request, reply: Reply) -> io::Result<()> {
    tokio::time::sleep(reply.delay).await;
    let protocol = Protocol { ollama: request.path == "/api/chat", model: request.model.clone() };
    let streamed = request.body["stream"] == true && !reply.whole;
    match reply.what {
        What::Never => std::future::pending().await,
        What::Close => Ok(()),
        What::Status(status, body) => wire::document(stream, status, &body).await,
        What::Raw(body) => wire::document(stream, 200, &body).await,
        What::Break(text) => {
            wire::head(stream, 200, protocol.content_type()).await?;
            wire::chunk(stream, protocol.piece(&text).as_bytes()).await
        }
        What::Text(text) if streamed => {
            let mut frames: String = words(&text).map(|piece| protocol.piece(piece)).collect();
            frames.push_str(&protocol.end());
            wire::stream(stream, protocol.content_type(), frames.as_bytes(), reply.shattered).await
        }
        What::Text(text) => {
            let body = protocol.whole(&text);
            wire::stream(stream, "application/json", body.as_bytes(), reply.shattered).await
        }
    }
}

/// Pieces of a few characters, as a model's tokens are.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).step_by(5).chain([text.len()]).collect();
    (1..cuts.len()).map(move |next| &text[cuts[next - 1]..cuts[next]])
}

/// How words are put into frames.
struct Protocol {
    ollama: bool,
    model: String,
}

impl Protocol {
    fn content_type(&self) -> &'static str {
        if self.ollama { "application/x-ndjson" } else { "text/event-stream" }
    }

    fn piece(&self, text: &str) -> String {
        if self.ollama {
            return format!("{}\n", self.chat(text, false));
        }
        let choice = json!({ "index": 0, "delta": { "content": text }, "finish_reason": null });
        format!("data: {}\n\n", json!({ "object": "chat.completion.chunk", "choices": [choice] }))
    }

    fn end(&self) -> String {
        if self.ollama {
            return format!("{}\n", self.chat("", true));
        }
        let choice = json!({ "index": 0, "delta": {}, "finish_reason": "stop" });
        format!(": done\n\ndata: {}\n\ndata: [DONE]\n\n", json!({ "choices": [choice] }))
    }

    fn whole(&self, text: &str) -> String {
        if self.ollama {
            return self.chat(text, true).to_string();
        }
        let message = json!({ "role": "assistant", "content": text });
        let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
        format!("{:#}", json!({ "object": "chat.completion", "model": self.model, "choices": [choice] }))
    }

    fn chat(&self, text: &str, done: bool) -> Value {
        json!({
            "model": self.model,
            "created_at": "2026-01-01T00:00:00Z",
            "message": { "role": "assistant", "content": text },
            "done": done,
        })
    }
}
