//! The corpora of harmless methods, and of honest ones beyond what methods may use, in the style a model writes, with what CPython makes of them.

use aura::sandbox::Outcome;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::isolates::{Given, Isolates, each, read};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    method: Vec<Method>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Method {
    name: String,
    body: String,
    attributes: Option<Map<String, Value>>,
    #[serde(default)]
    args: Vec<Value>,
    kwargs: Option<Map<String, Value>>,
    /// `null` if missing.
    #[serde(default)]
    result: Value,
    /// The exception that the run ends with, instead.
    raises: Option<String>,
    /// The outcome depends on chance, time or others.
    #[serde(default)]
    unchecked: bool,
    /// The least version of CPython that runs it.
    #[serde(default, rename = "python")]
    _python: Option<String>,
}

pub struct Class {
    pub name: String,
    pub all: usize,
    /// Names, with the rule.
    pub refused: Vec<String>,
    /// What came out different, or not at all.
    pub wrong: Vec<String>,
}

/// How many there are, and how many of them are refused.
pub fn totals(classes: &[Class]) -> (usize, usize) {
    let all = classes.iter().map(|class| class.all).sum();
    (all, classes.iter().map(|class| class.refused.len()).sum())
}

pub fn measure(isolates: &Isolates, corpus: &str) -> Vec<Class> {
    let files = read::<File>(&super::corpus().join(corpus));
    files
        .iter()
        .map(|(class, file)| {
            let mut measured =
                Class { name: class.clone(), all: file.method.len(), refused: Vec::new(), wrong: Vec::new() };
            for (method, end) in
                file.method.iter().zip(each(&file.method, |method| attempt(isolates, method)))
            {
                match end {
                    Ok(None) => {}
                    Ok(Some(difference)) => {
                        measured.wrong.push(format!("harmless {class}/{}: {difference}", method.name));
                    }
                    Err(rule) => measured.refused.push(format!("{} ({rule})", method.name)),
                }
            }
            measured
        })
        .collect()
}

/// The rule that refuses it, or what it does otherwise than CPython.
fn attempt(isolates: &Isolates, method: &Method) -> Result<Option<String>, String> {
    if let Some(rule) = isolates.refusal(&method.body) {
        return Err(rule);
    }
    let (attributes, kwargs) = (method.attributes.as_ref(), method.kwargs.as_ref());
    let given = Given { attributes, kwargs, args: &method.args, seed: 7 };
    let run = isolates.run(&method.name, &method.body, &given);
    let is_same = match &run.outcome {
        _ if method.unchecked => true,
        Outcome::Returned { result, .. } => {
            method.raises.is_none()
                && serde_json::from_str::<Value>(result.get()).is_ok_and(|result| result == method.result)
        }
        Outcome::Failed(fault) => {
            let class = fault.exception.as_ref().map(|exception| &exception.class);
            method.raises.is_some() && class == method.raises.as_ref()
        }
        Outcome::Aborted => false,
    };
    Ok((!is_same).then(|| format!("{:?}", run.outcome).chars().take(400).collect()))
}
