//! What Ollama's `/api/show` tells of a model.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::mind::facet::Parameter;

/// Values of each parameter, in a form that can be compared.
pub type Parameters = BTreeMap<String, Vec<String>>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub system: String,
    /// What it was made of; empty if it was not, or Ollama does not say.
    pub parent: String,
    pub parameters: Parameters,
    /// SHA-256 of each adapter, as Ollama keeps it.
    pub adapters: Vec<String>,
    pub license: String,
}

impl Shown {
    pub fn read(answer: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            system: text(&answer["system"]),
            parent: text(&answer["details"]["parent_model"]),
            parameters: parameters(answer["parameters"].as_str().unwrap_or_default()),
            adapters: adapters(answer["modelfile"].as_str().unwrap_or_default()),
            license: text(&answer["license"]),
        }
    }
}

/// `num_ctx    4096` a line; a parameter with several values has a line for each.
fn parameters(text: &str) -> Parameters {
    let mut parameters = Parameters::new();
    for (name, value) in text.lines().filter_map(|line| line.trim().split_once(char::is_whitespace)) {
        parameters.entry(name.to_owned()).or_default().push(comparable(value.trim()));
    }
    parameters
}

/// The `ADAPTER` lines, which come right after `FROM`: what looks like one further below may be within a text.
fn adapters(modelfile: &str) -> Vec<String> {
    let lines = modelfile.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let head =
        lines.map_while(|line| line.split_once(' ').filter(|(word, _)| ["FROM", "ADAPTER"].contains(word)));
    let digest = |path: &str| {
        let path = path.trim_matches('"');
        let digest = path.get(path.len().checked_sub(64)?..)?;
        digest.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| digest.to_ascii_lowercase())
    };
    head.filter(|(word, _)| *word == "ADAPTER").filter_map(|(_, path)| digest(path)).collect()
}

/// The values of a wished parameter, as they will be shown.
pub fn values(parameter: &Parameter) -> Vec<String> {
    let quoted = |text: &String| Value::from(text.as_str()).to_string();
    match parameter {
        Parameter::Flag(flag) => vec![flag.to_string()],
        Parameter::Whole(number) => vec![comparable(&number.to_string())],
        Parameter::Real(number) => vec![comparable(&number.to_string())],
        Parameter::Text(text) => vec![quoted(text)],
        Parameter::Texts(texts) => texts.iter().map(quoted).collect(),
    }
}

/// `4096`, `4096.0` and `4.096e+03` are one number.
fn comparable(value: &str) -> String {
    value.parse::<f64>().map_or_else(|_| value.to_owned(), |number| number.to_string())
}
