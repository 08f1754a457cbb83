//! The mind behind Ollama's `/api/chat`, held to a JSON schema.
//!
//! Requests are `ollama-rs`'s types. Answers are read by [`super::frames`], because that crate's stream drops a chunk that
//! ends inside a character and has no bound.

pub mod library;
pub mod models;
pub mod shown;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use ollama_rs::generation::chat::ChatMessage;
use ollama_rs::generation::chat::request::ChatMessageRequest;
use ollama_rs::models::ModelOptions;
use serde_json::Value;
use tokio::sync::Mutex;

use self::models::Models;
use super::frames::conversation;
use super::http::Server;
use super::persona::Persona;
use super::prompt::{self, Prompt, Role};
use super::{Answer, Mandate, Mind, MindError, Said};

const CURE: &str = "start it with `ollama serve`, or set OLLAMA_HOST to where it is";
const ENTRY: &str = "set OLLAMA_HOST to http://USER:PASSWORD@HOST:PORT with what it accepts";

const UNKNOWN_VERSION: &str = "of unknown version";

/// For how long the digest of a model is not asked for again.
const REMEMBERED: Duration = Duration::from_mins(1);
/// Characters of a digest: what is longer is none.
const MAX_DIGEST: usize = 128;

pub struct Ollama {
    server: Server,
    persona: Persona,
    /// The model's digest, as far as the server told one, and since when it is known.
    digest: Mutex<Option<(Instant, Option<String>)>>,
}

impl Ollama {
    pub fn new(base_url: &str, persona: Persona, timeout: Duration) -> Result<Self, MindError> {
        let server = Server::new("Ollama", CURE, ENTRY, base_url, timeout)?;
        Ok(Self { server, persona, digest: Mutex::default() })
    }

    fn request(&self, prompt: &Prompt) -> Result<Value, MindError> {
        let messages = prompt.conversation.iter().map(|turn| match turn.role {
            Role::System => ChatMessage::system(turn.text.clone()),
            Role::User => ChatMessage::user(turn.text.clone()),
            Role::Assistant => ChatMessage::assistant(turn.text.clone()),
        });
        let options = ModelOptions::default()
            .temperature(prompt.temperature)
            .num_ctx(self.persona.context_tokens.into())
            .num_predict(i32::try_from(self.persona.answer_tokens).unwrap_or(i32::MAX))
            .seed(i32::try_from(prompt.seed).unwrap_or(i32::MAX));
        let request =
            ChatMessageRequest::new(self.persona.model.clone(), messages.collect()).options(options);
        let mut request = serde_json::to_value(request)
            .map_err(|error| MindError::Garbage(format!("the question is not JSON: {error}")))?;
        request["format"] = prompt::answer_schema();
        request["stream"] = true.into();
        Ok(request)
    }

    async fn converse(&self, prompt: &Prompt, said: &Said<'_>) -> Result<String, MindError> {
        let request = self.server.post("/api/chat").json(&self.request(prompt)?);
        let response = self.server.send(request).await?;
        if response.status().as_u16() == 404 {
            return Err(self.unknown_model());
        }
        if !response.status().is_success() {
            return Err(self.server.refused(response).await);
        }
        conversation(&self.server, response, said, |frame| {
            (frame["message"]["content"].as_str(), frame["done"] == true)
        })
        .await
    }

    /// The model's digest; not knowing it is no error.
    async fn digest(&self) -> Option<String> {
        let mut known = self.digest.lock().await;
        if let Some((since, digest)) = &*known
            && since.elapsed() < REMEMBERED
        {
            return digest.clone();
        }
        let tags = self.server.look(self.server.get("/api/tags")).await.ok().flatten();
        let digest = tags.and_then(|tags| digest_of(tags, &self.persona.model));
        *known = Some((Instant::now(), digest.clone()));
        digest
    }

    fn unknown_model(&self) -> MindError {
        let model = &self.persona.model;
        MindError::Unavailable(format!(
            "{} does not have the model '{model}': run `ollama pull {model}`",
            self.server
        ))
    }
}

#[async_trait]
impl Mind for Ollama {
    async fn ask(&self, mandate: &Mandate, said: &Said<'_>) -> Result<Answer, MindError> {
        let prompt = Prompt::of(&self.persona, mandate);
        let begun = Instant::now();
        let text = self.server.in_time(&self.persona.model, self.converse(&prompt, said)).await?;
        let answer = prompt.answered(&self.persona, text, begun.elapsed());
        // Only now: the server may do one thing at a time.
        Ok(Answer { model_digest: self.digest().await, ..answer })
    }

    fn describe(&self) -> (String, String) {
        (self.persona.name.clone(), self.persona.model.clone())
    }

    async fn check(&self) -> Result<String, MindError> {
        let version = self.server.look(self.server.get("/api/version")).await?;
        let version =
            version.as_ref().and_then(|answer| answer["version"].as_str()).unwrap_or(UNKNOWN_VERSION);
        let tags = self.server.look(self.server.get("/api/tags")).await?;
        if tags.and_then(Models::read).is_some_and(|models| models.get(&self.persona.model).is_none()) {
            return Err(self.unknown_model());
        }
        Ok(format!("{} {version}, model {}", self.server, self.persona.model))
    }
}

/// The digest that `/api/tags` has for the model of that name.
fn digest_of(tags: Value, name: &str) -> Option<String> {
    let digest = Models::read(tags)?.get(name)?.digest.clone();
    let readable = |byte: u8| byte.is_ascii_alphanumeric() || byte == b':';
    let valid = (1..=MAX_DIGEST).contains(&digest.len()) && digest.bytes().all(readable);
    valid.then_some(digest)
}
