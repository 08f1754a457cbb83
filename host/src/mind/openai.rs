//! The mind behind an OpenAI-compatible `/chat/completions`, such as llama.cpp's or vLLM's.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use reqwest::Response;
use serde_json::{Value, json};

use super::frames::conversation;
use super::http::{Server, quote};
use super::persona::Persona;
use super::prompt::{self, Prompt};
use super::{Answer, ApiKey, Mandate, Mind, MindError, Said};

const CURE: &str = "start it, or set OPENAI_BASE_URL to where it is (it usually ends in /v1)";
const ENTRY: &str = "set OPENAI_API_KEY to a key it accepts";

/// Names of models that [`Mind::check`] repeats.
const MODELS_SHOWN: usize = 5;

pub struct OpenAi {
    server: Server,
    key: Option<ApiKey>,
    persona: Persona,
}

impl OpenAi {
    pub fn new(
        base_url: &str,
        key: Option<ApiKey>,
        persona: Persona,
        timeout: Duration,
    ) -> Result<Self, MindError> {
        let server = Server::new("the OpenAI-compatible server", CURE, ENTRY, base_url, timeout)?;
        let key = key.filter(|key| !key.reveal().is_empty());
        Ok(Self { server, key, persona })
    }

    fn request(&self, prompt: &Prompt) -> Value {
        json!({
            "model": self.persona.model,
            "messages": prompt.conversation,
            "temperature": prompt.temperature,
            "seed": prompt.seed,
            "max_tokens": self.persona.answer_tokens,
            "stream": true,
            "response_format": {
                "type": "json_schema",
                "json_schema": { "name": "method_body", "strict": true, "schema": prompt::answer_schema() },
            },
        })
    }

    fn authorised(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.key {
            Some(key) => request.bearer_auth(key.reveal()),
            None => request,
        }
    }

    async fn post(&self, question: &Value) -> Result<Response, MindError> {
        let request = self.server.post("/chat/completions").json(question);
        self.server.send(self.authorised(request)).await
    }

    async fn converse(&self, prompt: &Prompt, said: &Said<'_>) -> Result<String, MindError> {
        let mut question = self.request(prompt);
        let mut response = self.post(&question).await?;
        if response.status().as_u16() == 400
            && let Some(object) = question.as_object_mut()
        {
            // A server that knows no schemas still reads what the prompt says.
            object.remove("response_format");
            response = self.post(&question).await?;
        }
        if response.status().as_u16() == 404 {
            return Err(self.unknown_model());
        }
        if !response.status().is_success() {
            return Err(self.server.refused(response).await);
        }
        conversation(&self.server, response, said, |frame| {
            let choice = &frame["choices"][0];
            let piece = choice["delta"]["content"].as_str().or_else(|| choice["message"]["content"].as_str());
            (piece, choice["finish_reason"].is_string())
        })
        .await
    }

    fn unknown_model(&self) -> MindError {
        MindError::Unavailable(format!(
            "{} answered HTTP 404: it does not have the model '{}' (set AURA_MIND_MODEL), or its API is elsewhere (set OPENAI_BASE_URL)",
            self.server, self.persona.model
        ))
    }
}

#[async_trait]
impl Mind for OpenAi {
    async fn ask(&self, mandate: &Mandate, said: &Said<'_>) -> Result<Answer, MindError> {
        let prompt = Prompt::of(&self.persona, mandate);
        let begun = Instant::now();
        let text = self.server.in_time(&self.persona.model, self.converse(&prompt, said)).await?;
        // Servers of this protocol tell no digest of a model.
        Ok(prompt.answered(&self.persona, text, begun.elapsed()))
    }

    fn describe(&self) -> (String, String) {
        (self.persona.name.clone(), self.persona.model.clone())
    }

    async fn check(&self) -> Result<String, MindError> {
        let answer = self.server.look(self.authorised(self.server.get("/models"))).await?;
        let models = answer.as_ref().and_then(|answer| answer["data"].as_array()).map(Vec::as_slice);
        let names: Vec<&str> =
            models.unwrap_or_default().iter().filter_map(|model| model["id"].as_str()).collect();
        if names.is_empty() {
            return Ok(format!("{} answers and names no models", self.server));
        }
        let shown = names.iter().take(MODELS_SHOWN).map(|name| quote(name)).collect::<Vec<_>>().join(", ");
        let more = if names.len() > MODELS_SHOWN { ", …" } else { "" };
        Ok(format!("{} has {shown}{more}", self.server))
    }
}
