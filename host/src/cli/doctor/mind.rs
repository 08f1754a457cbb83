//! The mind: its server, and the models of the personas.

use std::time::Duration;

use tokio::time::timeout;

use super::diagnosis::{Diagnosis, State};
use super::ollama::Ollama;
use crate::cli::parts;
use crate::config::Config;
use crate::mind::persona::Needed;
use crate::mind::{MindError, MindKind};

/// A mind that has to load its model first takes its time; a doctor need not wait for that.
const PATIENCE: Duration = Duration::from_secs(10);

/// The first Ollama that holds answers to a schema.
const OLDEST: (u32, u32, u32) = (0, 5, 0);

const VERSION: &str = "ollama-version";
pub const NO_OLLAMA: &str = "AURA_MIND is not ollama";
pub const SILENT: &str = "Ollama does not answer";
pub const NO_PERSONAS: &str = "the personas cannot be read";

/// Whether its server answers. Whether that has the model is another matter, if it is Ollama.
pub async fn server(config: &Config, ollama: Option<&Ollama>) -> Diagnosis {
    let bad =
        |state, cure: String| Diagnosis::bad(state, "mind", "it cannot write methods now").cured_by(cure);
    let mind = match parts::mind(config) {
        Ok(mind) => mind,
        Err(failure) => return bad(State::Fail, failure.to_string()),
    };
    let (persona, model) = mind.describe();
    let checked = timeout(PATIENCE, mind.check()).await;
    match (checked, ollama) {
        (Ok(Ok(detail)), _) => Diagnosis::ok("mind", format!("{persona} ({model}): {detail}")),
        (_, Some(ollama)) => {
            Diagnosis::ok("mind", format!("{persona} ({model}): {} {}", ollama.library, ollama.version))
        }
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
    match number(version) {
        Some(number) if number >= OLDEST => Diagnosis::ok(VERSION, version),
        Some(_) => Diagnosis::bad(
            State::Fail,
            VERSION,
            format!("{version}, which does not hold answers to a schema: 0.5.0 is the first"),
        ),
        None => Diagnosis::bad(
            State::Warn,
            VERSION,
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

/// Whether each model is there and whole.
pub async fn models(config: &Config, ollama: Option<&Ollama>, needed: &[Needed<'_>]) -> Vec<Diagnosis> {
    let first = needed.first().map_or_else(|| "model-alfred".to_owned(), name);
    let skipped = |why: &str| vec![Diagnosis::skipped(first.clone(), why)];
    match (config.mind.kind, ollama.map(|ollama| (ollama, &ollama.models))) {
        _ if needed.is_empty() => skipped(NO_PERSONAS),
        (MindKind::OpenAi, _) => skipped("AURA_MIND is openai: its server knows its models"),
        (MindKind::Ollama, None) => skipped(SILENT),
        (MindKind::Ollama, Some((_, Err(why)))) => {
            let found = format!("Ollama does not list its models ({why})");
            let cure = "Look into Ollama's log, or set OLLAMA_HOST to where it is.";
            vec![Diagnosis::bad(State::Fail, first, found).cured_by(cure)]
        }
        (MindKind::Ollama, Some((ollama, Ok(_)))) => {
            let mut found = Vec::new();
            for needed in needed {
                found.push(model(ollama, needed).await);
            }
            found
        }
    }
}

fn name(needed: &Needed<'_>) -> String {
    format!("model-{}", needed.persona().to_ascii_lowercase())
}

async fn model(ollama: &Ollama, needed: &Needed<'_>) -> Diagnosis {
    let (persona, Needed { model, pulled, steward, .. }) = (needed.persona(), needed);
    let Some(there) = ollama.model(model) else {
        let state = if steward.is_some() { State::Fail } else { State::Warn };
        let found = format!("{persona} has no model: {model} is not in Ollama");
        let cure = if pulled == model {
            format!("Run `aura genesis`, or `ollama pull {model}`.")
        } else {
            "Run `aura genesis`.".to_owned()
        };
        return Diagnosis::bad(state, name(needed), found).cured_by(cure);
    };
    let why = match ollama.library.show(&there.name).await {
        Ok(Some(_)) => {
            let digest: String = there.digest.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
            return Diagnosis::ok(name(needed), format!("{persona}: {model} ({digest})"));
        }
        Ok(None) => String::new(),
        Err(why) => format!(" ({why})"),
    };
    Diagnosis::bad(
        State::Fail,
        name(needed),
        format!("{persona}: {model} is in Ollama, but cannot be read{why}"),
    )
    .cured_by(format!("Run `ollama pull {pulled}`: it loads what is missing or damaged."))
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
