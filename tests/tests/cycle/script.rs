//! A mind that answers from a script and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use aura::mind::{Answer, Mandate, Mind, MindError, Said};
use aura::object::Digest;
use tokio::sync::Semaphore;

use crate::scene::ROOM;

pub struct Script {
    answers: Mutex<HashMap<String, VecDeque<Result<String, MindError>>>>,
    pub mandates: Mutex<Vec<Mandate>>,
    /// Answers wait here.
    pub thinking: Semaphore,
}

impl Script {
    pub fn new() -> Self {
        Self {
            answers: Mutex::default(),
            mandates: Mutex::default(),
            thinking: Semaphore::new(ROOM as usize),
        }
    }

    /// The next answer for `method` is this body.
    pub fn writes(&self, method: &str, body: &str) {
        self.answers(method, Ok(serde_json::json!({"code": body}).to_string()));
    }

    pub fn answers(&self, method: &str, answer: Result<String, MindError>) {
        self.answers.lock().unwrap().entry(method.to_owned()).or_default().push_back(answer);
    }

    pub fn asked(&self) -> usize {
        self.mandates.lock().unwrap().len()
    }
}

#[async_trait]
impl Mind for Script {
    async fn ask(&self, mandate: &Mandate, said: &Said<'_>) -> Result<Answer, MindError> {
        self.mandates.lock().unwrap().push(mandate.clone());
        let _permit = self.thinking.acquire().await.unwrap();
        let next =
            self.answers.lock().unwrap().get_mut(mandate.method.as_str()).and_then(VecDeque::pop_front);
        let text = next.unwrap_or_else(|| Err(MindError::Unavailable("the script has ended".to_owned())))?;
        said(&text);
        Ok(Answer {
            text,
            persona: "ALFRED".to_owned(),
            model: "script".to_owned(),
            model_digest: None,
            temperature: 0.0,
            seed: 0,
            prompt_digest: Digest::of(b""),
            took: Duration::ZERO,
        })
    }

    fn describe(&self) -> (String, String) {
        ("ALFRED".to_owned(), "script".to_owned())
    }

    async fn check(&self) -> Result<String, MindError> {
        Ok("script".to_owned())
    }
}
