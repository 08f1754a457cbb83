//! The mind: its server, and the models of the personas.

use std::time::Duration;

use tokio::time::timeout;

use super::diagnosis::{Diagnosis, State};
use super::ollama::Ollama;
use crate::cli::parts;
use crate::config::Config;
use crate::mind::{MindError, MindKind};

/// A mind that has to load its model first takes its time; a doctor need not wait for that.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first Ollama that holds answers to a schema.
const OLDEST: (u32, u32, u32) = (0, 5, 0);

const VERSION: &str = "ollama-version";
pub const NO_OLLAMA: &str = "AURA_MIND is not ollama";
pub const SILENT: &str = "Ollama does not answer";

/// A persona with its model.
pub struct Wanted {
    pub persona: String,
    pub model: String,
    pub is_steward: bool,
}

/// The models that are asked, the steward's first.
pub fn wanted(config: &Config) -> Vec<Wanted> {
    let Ok(personas) = parts::personas(config) else { return Vec::new() };
    let steward = personas.steward();
    let wanted = |persona: &crate::mind::persona::Persona, model: &str| Wanted {
        persona: persona.name.clone(),
        model: model.to_owned(),
        is_steward: persona.name == steward.name,
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
pub async fn models(config: &Config, ollama: Option<&Ollama>) -> Vec<Diagnosis> {
    let why = match (config.mind.kind, ollama) {
        (MindKind::Ollama, Some(ollama)) => {
            let mut found = Vec::new();
            for wanted in wanted(config) {
                found.push(model(ollama, &wanted).await);
            }
            return found;
        }
        (MindKind::Ollama, None) => SILENT,
        (MindKind::OpenAi, _) => "AURA_MIND is openai: its server knows its models",
    };
    wanted(config).iter().take(1).map(|wanted| Diagnosis::skipped(name(wanted), why)).collect()
}

fn name(wanted: &Wanted) -> String {
    format!("model-{}", wanted.persona.to_ascii_lowercase())
}

async fn model(ollama: &Ollama, wanted: &Wanted) -> Diagnosis {
    let Wanted { persona, model, is_steward } = wanted;
    let Some(there) = ollama.model(model) else {
        let state = if *is_steward { State::Fail } else { State::Warn };
        let found = format!("{persona} has no model: {model} is not in Ollama");
        return Diagnosis::bad(
            state,
            name(wanted),
            found,
            format!("Run `aura genesis`, or `ollama pull {model}`."),
        );
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
            format!("Run `ollama pull {model}`: it loads what is missing or damaged."),
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
