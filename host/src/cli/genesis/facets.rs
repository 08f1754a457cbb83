//! The facets: each is there as it is wished, or made anew.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::adapter::{self, Adapter};
use super::meter::Meter;
use super::plan::{Plan, Wanted};
use super::{Outcome, State, Teller, models};
use crate::cli::failure::Failure;
use crate::mind::model::is_same;
use crate::mind::ollama::library::{Library, LibraryError};
use crate::mind::ollama::shown::{Shown, values};

#[derive(Serialize)]
pub struct Row {
    facet: String,
    persona: String,
    /// What it is made of.
    model: String,
    #[serde(flatten)]
    outcome: Outcome,
}

impl Row {
    pub fn of(wanted: &Wanted<'_>, outcome: Outcome) -> Self {
        Self {
            facet: wanted.facet.name.clone(),
            persona: wanted.persona.name.clone(),
            model: wanted.persona.model.clone(),
            outcome,
        }
    }
}

pub async fn ensure(
    library: &Library,
    data: &Path,
    plan: &Plan<'_>,
    models: &[models::Row],
    teller: &mut Teller,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for wanted in &plan.facets {
        let name = &wanted.facet.name;
        let outcome = match obstacle(wanted, models, teller) {
            Some(why) => Ok(Outcome::skipped(&why)),
            None => one(library, data, wanted).await,
        };
        let outcome = outcome.unwrap_or_else(|error| {
            teller.fail(&format!("Cannot make {name} ({})", wanted.persona.name), &error);
            Outcome::failed(&error)
        });
        match (outcome.state, &outcome.detail) {
            (State::Skipped, Some(why)) => teller.say(&format!("Skipped {name}: {why}."))?,
            (State::Present, _) => teller.say(&format!("{name} is there ({}).", wanted.persona.name))?,
            (State::Created, _) => {
                teller.say(&format!("Made {name} of {} ({}).", wanted.persona.model, wanted.persona.name))?;
            }
            _ => {}
        }
        rows.push(Row::of(wanted, outcome));
    }
    Ok(rows)
}

/// Why nothing can be done for a facet.
fn obstacle(wanted: &Wanted<'_>, models: &[models::Row], teller: &Teller) -> Option<String> {
    if teller.nobody_answers() {
        return Some("Ollama does not answer any more".to_owned());
    }
    if wanted.needless.is_some() {
        return wanted.needless.clone();
    }
    let base = models.iter().find(|row| is_same(&row.model, &wanted.persona.model));
    let there = base.is_some_and(|row| row.outcome.is_there());
    (!there).then(|| format!("there is no {}", wanted.persona.model))
}

async fn one(library: &Library, data: &Path, wanted: &Wanted<'_>) -> Result<Outcome, LibraryError> {
    let adapter = match wanted.adapter() {
        None => None,
        Some(path) => {
            let found = adapter::find(data, path).await;
            let found = found.map_err(|error| LibraryError::Failed(error.to_string()))?;
            let Some(adapter) = found else {
                let place = data.join(path);
                return Ok(Outcome::skipped(&format!("there is no adapter at {}", place.display())));
            };
            Some(adapter)
        }
    };
    if let Some(shown) = library.show(&wanted.facet.name).await? {
        let base = library.show(&wanted.persona.model).await?.unwrap_or_default();
        if is_as_wished(&shown, &base, wanted, adapter.as_ref()) {
            return Ok(Outcome::good(State::Present));
        }
    }
    make(library, wanted, adapter).await?;
    Ok(Outcome::good(State::Created))
}

fn is_as_wished(shown: &Shown, base: &Shown, wanted: &Wanted<'_>, adapter: Option<&Adapter>) -> bool {
    let mut parameters = base.parameters.clone();
    let wished = wanted.facet.parameters.iter().map(|(name, value)| (name.clone(), values(value)));
    parameters.extend(wished.filter(|(_, values)| !values.is_empty()));
    shown.system.trim() == wanted.system().trim()
        && shown.parameters == parameters
        && (shown.parent.is_empty() || is_same(&shown.parent, &wanted.persona.model))
        && adapter.map_or(shown.adapters.is_empty(), |adapter| adapter.is_in(shown))
}

async fn make(library: &Library, wanted: &Wanted<'_>, adapter: Option<Adapter>) -> Result<(), LibraryError> {
    let name = &wanted.facet.name;
    let mut wish = json!({
        "model": name,
        "from": wanted.persona.model,
        "system": wanted.system(),
        "parameters": wanted.facet.parameters,
        "stream": true,
    });
    if let Some(adapter) = adapter {
        if let Some(note) = adapter.note() {
            wish["license"] = note.into();
        }
        let mut adapters = Map::new();
        for file in adapter.files {
            let digest = format!("sha256:{}", file.digest);
            adapters.insert(file.name.to_owned(), Value::from(digest.as_str()));
            if library.has_blob(&digest).await? {
                continue;
            }
            let (length, mut meter) = (file.length, Meter::of(name));
            meter.sent(file.name, 0, length);
            let told = |sent| meter.sent(file.name, sent, length);
            library.send_blob(&digest, length, file.pieces(), told).await?;
        }
        wish["adapters"] = adapters.into();
    }
    let mut meter = Meter::of(name);
    library.create(&wish, |step| meter.step(step)).await.map_err(without_adapters)
}

/// Adds what can be done about newer Ollamas.
fn without_adapters(error: LibraryError) -> LibraryError {
    match error {
        LibraryError::Failed(text) if text.contains("adapters are no longer supported") => {
            LibraryError::Failed(format!(
                "{text}; Ollama 0.34.1 and newer make no models with adapters, but run those that an older one made"
            ))
        }
        other => other,
    }
}
