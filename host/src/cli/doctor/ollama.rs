//! What Ollama tells of itself. Nothing is loaded or changed by asking.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::http::Service;
use crate::object::Timestamp;

/// Characters of a name that are shown.
const QUOTE: usize = 100;

pub struct Ollama {
    service: Service,
    pub version: String,
    pub models: Vec<Model>,
    pub loaded: Vec<Loaded>,
    /// What its clock said, and this machine's at that moment.
    pub times: Option<(Timestamp, Timestamp)>,
}

/// A model that is there.
#[derive(Clone, Debug, Deserialize)]
pub struct Model {
    pub name: String,
    #[serde(default)]
    pub digest: String,
    #[serde(default)]
    pub size: u64,
}

/// A model that is loaded now.
#[derive(Clone, Debug, Deserialize)]
pub struct Loaded {
    pub name: String,
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub size_vram: u64,
}

impl Ollama {
    /// None: it does not answer.
    pub async fn look(base: &str) -> Option<Self> {
        let service = Service::at(base)?;
        let answer = service.get("/api/version").await.filter(|answer| answer.status == 200)?;
        let times = answer.time.map(|theirs| (theirs, Timestamp::now()));
        let version = quoted(answer.body["version"].as_str().unwrap_or("of unknown version"));
        let models: Vec<Model> = list(service.get("/api/tags").await.map(|answer| answer.body));
        let mut loaded: Vec<Loaded> = list(service.get("/api/ps").await.map(|answer| answer.body));
        for model in &mut loaded {
            model.name = quoted(&model.name);
        }
        Some(Self { service, version, models, loaded, times })
    }

    pub fn shown(&self) -> String {
        self.service.shown()
    }

    /// The model of that name; a name without a tag means `latest`.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models
            .iter()
            .find(|model| model.name == name || model.name.strip_suffix(":latest") == Some(name))
    }

    /// Has the server read a model's files. `Err`: what it says of them.
    pub async fn read(&self, name: &str) -> Result<(), String> {
        match self.service.post("/api/show", &json!({ "model": name })).await {
            None => Err("no answer".to_owned()),
            Some(answer) if answer.status == 200 => Ok(()),
            Some(answer) => match answer.body["error"].as_str() {
                Some(error) => Err(quoted(error)),
                // A server that does not know the question.
                None if answer.status == 404 => Ok(()),
                None => Err(format!("HTTP {}", answer.status)),
            },
        }
    }
}

/// What stands under `models`, as far as it can be read.
fn list<T: DeserializeOwned>(body: Option<Value>) -> Vec<T> {
    let models = body.and_then(|mut body| match body["models"].take() {
        Value::Array(models) => Some(models),
        _ => None,
    });
    let models = models.unwrap_or_default().into_iter();
    models.filter_map(|model| serde_json::from_value(model).ok()).collect()
}

/// Text from outside, fit for one line.
fn quoted(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(QUOTE).collect()
}
