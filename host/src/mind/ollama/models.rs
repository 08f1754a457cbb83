//! What Ollama lists: the models that it has, and those that it has loaded.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::mind::model::is_same;

/// A model that is there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Model {
    pub name: String,
    /// The same name, of some versions the only one.
    model: String,
    pub digest: String,
    pub size: u64,
}

/// A model that is loaded now.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Loaded {
    pub name: String,
    pub size: u64,
    /// What of it is on the GPU.
    pub size_vram: u64,
}

/// The models that are there, as a list that knows names.
#[derive(Debug)]
pub struct Models(Vec<Model>);

impl Models {
    /// None: the answer is no list.
    pub fn read(answer: Value) -> Option<Self> {
        list(answer).map(Self)
    }

    pub fn get(&self, name: &str) -> Option<&Model> {
        self.0.iter().find(|known| is_same(&known.name, name) || is_same(&known.model, name))
    }
}

/// What stands under `models`, as far as it can be read.
pub fn list<T: DeserializeOwned>(mut answer: Value) -> Option<Vec<T>> {
    let Value::Array(models) = answer.get_mut("models")?.take() else { return None };
    Some(models.into_iter().filter_map(|model| serde_json::from_value(model).ok()).collect())
}
