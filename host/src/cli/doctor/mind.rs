//! The mind: its server, and the models of the personas.

use std::time::Duration;

use tokio::time::timeout;

use super::diagnosis::{Diagnosis, State};
use super::ollama::Ollama;
use crate::cli::parts;
use crate::config::Config;
use crate::mind::model::is_same;
use crate::mind::persona::Persona;
use crate::mind::{MindError, MindKind};

/// A mind that has to load its model first takes its time; a doctor need not wait for that.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first Ollama that holds answers to a schema.
const OLDEST: (u32, u32, u32) = (0, 5, 0);

const VERSION: &str = "ollama-version";
pub const NO_OLLAMA: &str = "AURA_MIND is not ollama";
pub const SILENT: &str = "Ollama does not answer";
pub const NO_PERSONAS: &str = "the personas cannot be read";

/// A persona with its model.
pub struct Wanted {
    pub persona: String,
    pub model: String,
    /// What has to be pulled for it: the model itself, or that of which a facet is made.
    pub pulled: String,
    pub is_steward: bool,
}

/// The models that are asked, the steward's first; none if the personas cannot be read.
pub fn wanted(config: &Config) -> Vec<Wanted> {
    let Ok(personas) = parts::personas(config) else { return Vec::new() };
    let steward = personas.steward();
    let wanted = |persona: &Persona, model: &str| {
        let facet = personas.facets().iter().find(|facet| is_same(&facet.name, model));
        Wanted {
            persona: persona.name.clone(),
            model: model.to_owned(),
            pulled: facet.map_or(model, |facet| personas.of(facet).model.as_str()).to_owned(),
            is_steward: persona.name == steward.name,
        }
    };
    if let Some(model) = &config.mind.model {
        return vec![wanted(steward, model)];
    }
    let mut all: Vec<_> = personas.all().iter().map(|persona| wanted(persona, &persona.model)).collect();
    all.sort_by_key(|wanted| !wanted.is_steward);
    all
}

/// Whether its server answers. Whether that has the model is another matter, if it is Ollama.
pub async fn server(config: &Config, ollama: Option<&Ollama>) -> Diagnosis {
    let bad = |state, cure: String| Diagnosis::bad(state, "mind", "it cannot write methods now", cure);
    let mind = match parts::mind(config) {
        Ok(mind) => mind,
        Err(failure) => return bad(State::Fail, failure.to_string()),
    };
    let (persona, model) = mind.describe();
    let checked = timeout(PATIENCE, mind.check()).await;
    match (checked, ollama) {
        (Ok(Ok(detail)), _) => Diagnosis::ok("mind", format!("{persona} ({model}): {detail}")),
        (_, Some(ollama)) => Diagnosis::ok(
            "mind",
            format!("{persona} ({model}): Ollama at {} {}", ollama.shown(), ollama.version),
        ),
        (Ok(Err(MindError::Unavailable(text))), None) => bad(State::Unreachable, text),
        (Ok(Err(MindError::Garbage(text))), None) => bad(State::Fail, text),
        (Err(_), None) => bad(
            State::Unreachable,
            format!("{persona} ({model}) gave no answer within {} s.", PATIENCE.as_secs()),
        ),
    }
}

pub fn version(config: &Config, ollama: Option<&Ollama>) -> Diagnosis {
    if config.mind.kind != MindKind::Ollama {
        return Diagnosis::skipped(VERSION, NO_OLLAMA);
    }
    let Some(Ollama { version, .. }) = ollama else { return Diagnosis::skipped(VERSION, SILENT) };
    let bad = |state, found| {
        Diagnosis::bad(state, VERSION, found, "Install the newest from https://ollama.com/download.")
    };
    match number(version) {
        Some(number) if number >= OLDEST => Diagnosis::ok(VERSION, version),
        Some(_) => bad(
            State::Fail,
            format!("{version}, which does not hold answers to a schema: 0.5.0 is the first"),
        ),
        None => bad(
            State::Warn,
            format!("'{version}' cannot be compared with 0.5.0, the first that holds answers to a schema"),
        ),
    }
}

/// `0.5.1-rc0` as its numbers. One that somebody built is `0.0.0`, and taken for new.
fn number(version: &str) -> Option<(u32, u32, u32)> {
    let plain = version.trim_start_matches('v').split(['-', '+']).next()?;
    let mut parts = plain.split('.').map(str::parse);
    match (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?) {
        (0, 0, 0) => Some(OLDEST),
        number => Some(number),
    }
}

/// Whether each persona's model is there and whole.
pub async fn models(config: &Config, ollama: Option<&Ollama>, wanted: &[Wanted]) -> Vec<Diagnosis> {
    let first = wanted.first().map_or_else(|| "model-alfred".to_owned(), name);
    let skipped = |why: &str| vec![Diagnosis::skipped(first.clone(), why)];
    match (config.mind.kind, ollama.map(|ollama| (ollama, &ollama.models))) {
        _ if wanted.is_empty() => skipped(NO_PERSONAS),
        (MindKind::OpenAi, _) => skipped("AURA_MIND is openai: its server knows its models"),
        (MindKind::Ollama, None) => skipped(SILENT),
        (MindKind::Ollama, Some((ollama, Err(why)))) => {
            let found = format!("Ollama at {} does not list its models ({why})", ollama.shown());
            let cure = "Look into Ollama's log, or set OLLAMA_HOST to where it is.";
            vec![Diagnosis::bad(State::Fail, first, found, cure)]
        }
        (MindKind::Ollama, Some((ollama, Ok(_)))) => {
            let mut found = Vec::new();
            for wanted in wanted {
                found.push(model(ollama, wanted).await);
            }
            found
        }
    }
}

fn name(wanted: &Wanted) -> String {
    format!("model-{}", wanted.persona.to_ascii_lowercase())
}

async fn model(ollama: &Ollama, wanted: &Wanted) -> Diagnosis {
    let Wanted { persona, model, pulled, is_steward } = wanted;
    let Some(there) = ollama.model(model) else {
        let state = if *is_steward { State::Fail } else { State::Warn };
        let found = format!("{persona} has no model: {model} is not in Ollama");
        let cure = if pulled == model {
            format!("Run `aura genesis`, or `ollama pull {model}`.")
        } else {
            "Run `aura genesis`.".to_owned()
        };
        return Diagnosis::bad(state, name(wanted), found, cure);
    };
    match ollama.read(&there.name).await {
        Ok(()) => {
            let digest: String = there.digest.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
            Diagnosis::ok(name(wanted), format!("{persona}: {model} ({digest})"))
        }
        Err(why) => Diagnosis::bad(
            State::Fail,
            name(wanted),
            format!("{persona}: {model} is in Ollama, but cannot be read ({why})"),
            format!("Run `ollama pull {pulled}`: it loads what is missing or damaged."),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (text, is_new) in [
            ("0.5.0", Some(true)),
            ("0.10.1", Some(true)),
            ("v1.0.0-rc1", Some(true)),
            ("0.0.0", Some(true)),
            ("0.4.7", Some(false)),
            ("0.5", None),
            ("of unknown version", None),
        ] {
            assert_eq!(number(text).map(|number| number >= OLDEST), is_new, "{text}");
        }
    }
}
