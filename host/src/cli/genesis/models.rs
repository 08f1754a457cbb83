//! The models of the personas: each is there, or pulled.

use serde::Serialize;

use super::meter::Meter;
use super::plan::Plan;
use super::{Outcome, State, Teller};
use crate::cli::failure::Failure;
use crate::mind::ollama::library::Library;
use crate::mind::ollama::models::Models;
use crate::mind::persona::Needed;

#[derive(Serialize)]
pub struct Row {
    personas: Vec<String>,
    pub model: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Row {
    pub fn of(needed: &Needed<'_>, outcome: Outcome) -> Self {
        let personas = needed.personas.iter().map(ToString::to_string).collect();
        Self { personas, model: needed.pulled.to_owned(), outcome }
    }
}

/// One after the other: Ollama shares what it can load among its connections itself.
pub async fn ensure(
    library: &Library,
    known: &Models,
    plan: &Plan<'_>,
    teller: &mut Teller,
) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for needed in &plan.models {
        rows.push(Row::of(needed, one(library, known, needed, teller).await?));
    }
    Ok(rows)
}

async fn one(
    library: &Library,
    known: &Models,
    needed: &Needed<'_>,
    teller: &mut Teller,
) -> Result<Outcome, Failure> {
    let (name, personas) = (needed.pulled, needed.personas.join(", "));
    if known.get(name).is_some() {
        teller.say(&format!("{name} is there ({personas})."))?;
        return Ok(Outcome::good(State::Present));
    }
    if teller.nobody_answers() {
        return Ok(Outcome::skipped("Ollama does not answer any more"));
    }
    let mut meter = Meter::of(name);
    let pulled = library.pull(name, |step| meter.step(step)).await;
    drop(meter);
    match pulled {
        Ok(()) => {
            teller.say(&format!("Pulled {name} ({personas})."))?;
            Ok(Outcome::good(State::Pulled))
        }
        Err(error) => {
            teller.fail(&format!("Cannot pull {name} ({personas})"), &error);
            Ok(Outcome::failed(&error))
        }
    }
}
