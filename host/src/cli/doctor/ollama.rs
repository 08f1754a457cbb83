//! What Ollama tells of itself. Nothing is loaded or changed by asking.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::http::Service;
use crate::mind::model::is_same;
use crate::object::{Timestamp, one_line};

/// Characters of a name that are shown.
const QUOTE: usize = 100;

pub struct Ollama {
    service: Service,
    pub version: String,
    /// `Err`: what came in place of a list.
    pub models: Result<Vec<Model>, String>,
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
        let models = match service.get("/api/tags").await {
            None => Err("no answer".to_owned()),
            Some(answer) if answer.status == 200 => {
                list(answer.body).ok_or_else(|| "an answer without a list".to_owned())
            }
            Some(answer) => Err(format!("HTTP {}", answer.status)),
        };
        let loaded = service.get("/api/ps").await.and_then(|answer| list(answer.body));
        let mut loaded: Vec<Loaded> = loaded.unwrap_or_default();
        for model in &mut loaded {
            model.name = quoted(&model.name);
        }
        Some(Self { service, version, models, loaded, times })
    }

    pub fn shown(&self) -> String {
        self.service.shown()
    }

    /// The model of that name, if it is listed.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().flatten().find(|model| is_same(&model.name, name))
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
fn list<T: DeserializeOwned>(mut body: Value) -> Option<Vec<T>> {
    let Value::Array(models) = body["models"].take() else { return None };
    Some(models.into_iter().filter_map(|model| serde_json::from_value(model).ok()).collect())
}

fn quoted(text: &str) -> String {
    one_line(text, QUOTE)
}
