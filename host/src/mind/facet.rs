//! Facets: models of the mind's own, made of a persona's model with a system prompt, parameters and an adapter.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

/// Characters of a model's name.
const MAX_NAME: usize = 128;
const MAX_PARAMETERS: usize = 32;
/// Texts of one parameter, and characters of each.
const MAX_TEXTS: usize = 32;
const MAX_TEXT: usize = 256;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facet {
    /// The model that is made, as Ollama will name it.
    pub name: String,
    /// Whose model it is made of.
    pub persona: String,
    /// In place of the persona's.
    pub system: Option<String>,
    /// As Ollama names them.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// Where its adapter is in the data folder: a GGUF file, or a folder with safetensors.
    pub adapter: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Parameter {
    Flag(bool),
    Whole(i64),
    Real(f64),
    Text(String),
    Texts(Vec<String>),
}

impl Facet {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let rules = [
            (is_name(&self.name), "its name must be a model's, such as brick:tamland"),
            (
                self.system.as_deref().is_none_or(|system| !system.trim().is_empty()),
                "its system prompt must not be empty; without the line it has its persona's",
            ),
            (self.parameters.len() <= MAX_PARAMETERS, "it must not have more than 32 parameters"),
            (
                self.parameters.iter().all(|(name, value)| is_parameter(name) && value.is_valid()),
                "each parameter must be one of Ollama's, such as temperature or num_ctx, with a number, true, false, \
                 a text of at most 256 characters in one line, or at most 32 such texts",
            ),
            (
                self.adapter.as_deref().is_none_or(is_inside),
                "its adapter must be a path inside the data folder, such as adapters/brick_tamland",
            ),
        ];
        rules.into_iter().find(|(kept, _)| !kept).map_or(Ok(()), |(_, what)| Err(what))
    }
}

impl Parameter {
    fn is_valid(&self) -> bool {
        let short = |text: &String| text.chars().count() <= MAX_TEXT && !text.contains(char::is_control);
        match self {
            Self::Flag(_) | Self::Whole(_) => true,
            Self::Real(number) => number.is_finite(),
            Self::Text(text) => short(text),
            Self::Texts(texts) => texts.len() <= MAX_TEXTS && texts.iter().all(short),
        }
    }
}

/// `model:tag`, maybe with a namespace and a host before it.
fn is_name(name: &str) -> bool {
    let (path, tag) = name.split_once(':').unwrap_or((name, "latest"));
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    name.len() <= MAX_NAME && path.split('/').count() <= 3 && path.split('/').all(part) && part(tag)
}

fn is_parameter(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte))
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}
