//! The mind: a local LLM outside the process, asked to write method bodies.
//!
//! [`Mind`] is what the orchestrator knows. The implementations speak to Ollama and to OpenAI-compatible
//! servers. What a mind answers is text from outside; [`extract`] turns it into a body or says why it cannot.

pub mod extract;
pub mod facet;
mod frames;
mod http;
mod layout;
pub mod model;
pub mod ollama;
pub mod openai;
pub mod persona;
pub mod prompt;
mod unwrap;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::object::{Digest, FailedAttempt, MethodName, ObjectId, Source, Wish};
use persona::Personas;

/// What the mind is asked for. Displayed, it is the mandate as one sentence.
#[derive(Clone, Debug)]
pub struct Mandate {
    pub receiver: ObjectId,
    /// The method to write.
    pub method: MethodName,
    /// The message's arguments, as JSON.
    pub args: String,
    pub kwargs: String,
    /// Names of the receiver's attributes with the type of each value, own and inherited.
    pub attributes: Vec<(String, String)>,
    /// Names of methods the receiver understands already.
    pub methods: Vec<MethodName>,
    /// Earlier attempts at this mandate, oldest first: each is told precisely to the mind.
    pub failed: Vec<FailedAttempt>,
    /// Present: the method is there already and is to be written anew.
    pub improvement: Option<Improvement>,
}

/// What is known of a method that is to be written anew.
#[derive(Clone, Debug)]
pub struct Improvement {
    /// The body in force.
    pub source: Source,
    pub wish: Option<Wish>,
    /// Some calls, and what they came to.
    pub calls: Vec<RecordedCall>,
}

/// A call that was answered, all of it as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCall {
    pub args: String,
    pub kwargs: String,
    pub result: String,
}

/// What the mind answered: the text of its message, who it was, and how it was asked.
#[derive(Clone, Debug)]
pub struct Answer {
    pub text: String,
    pub persona: String,
    pub model: String,
    /// Of the model's files, if its server tells.
    pub model_digest: Option<String>,
    pub temperature: f32,
    pub seed: u64,
    /// See [`prompt::Prompt::digest`].
    pub prompt_digest: Digest,
    /// From the question to the last word.
    pub took: Duration,
}

#[derive(Debug, Error)]
pub enum MindError {
    /// Not reachable, not there, or not in time. The text says what was tried and what to do.
    #[error("{0}")]
    Unavailable(String),
    /// It answered, but not with anything that can be read as an answer.
    #[error("{0}")]
    Garbage(String),
}

/// Where the pieces of an answer go as they stream in.
pub type Said<'a> = dyn Fn(&str) + Sync + 'a;

#[async_trait]
pub trait Mind: Send + Sync + 'static {
    /// Asks once. Pieces of the answer go to `said` as they stream in.
    async fn ask(&self, mandate: &Mandate, said: &Said<'_>) -> Result<Answer, MindError>;

    /// The persona and model that would be asked.
    fn describe(&self) -> (String, String);

    /// Whether the mind answers at all, and its version or a list of what it has.
    async fn check(&self) -> Result<String, MindError>;
}

/// The two protocols a mind may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MindKind {
    Ollama,
    OpenAi,
}

/// A bearer token that no log and no error shows.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    #[must_use]
    pub fn new(key: String) -> Self {
        Self(key)
    }

    fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// Where the mind is and how it is asked.
#[derive(Clone, Debug)]
pub struct MindConfig {
    pub kind: MindKind,
    pub base_url: String,
    /// Only OpenAI-compatible servers get it.
    pub api_key: Option<ApiKey>,
    /// In place of the persona's own model.
    pub model: Option<String>,
    /// For one answer from connecting to its last word.
    pub timeout: Duration,
}

/// The mind this configuration describes, with these personas. Nothing is sent yet.
pub fn with_personas(config: MindConfig, personas: &Personas) -> Result<Arc<dyn Mind>, MindError> {
    let mut steward = personas.steward().clone();
    if let Some(model) = config.model.filter(|model| !model.is_empty()) {
        steward.model = model;
    }
    Ok(match config.kind {
        MindKind::Ollama => Arc::new(ollama::Ollama::new(&config.base_url, steward, config.timeout)?),
        MindKind::OpenAi => {
            Arc::new(openai::OpenAi::new(&config.base_url, config.api_key, steward, config.timeout)?)
        }
    })
}
