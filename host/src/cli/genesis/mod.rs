//! `aura genesis`: all that a first launch needs. The image with its root objects, the models of the personas, and the
//! facets made of them. What is there already is left as it is.

mod adapter;
mod facets;
mod meter;
mod models;
mod plan;

use clap::Args;
use serde::Serialize;

use self::plan::Plan;
use super::failure::Failure;
use super::folder::DataFolder;
use super::term::{or_interrupted, print, print_json, tell};
use super::{Output, parts};
use crate::config::Config;
use crate::mind::MindKind;
use crate::mind::ollama::library::{Library, LibraryError};
use crate::mind::persona::Personas;
use crate::object::ObjectId;

const INTERRUPTED: &str = "Interrupted. Run `aura genesis` again: it goes on where this one stopped.";

#[derive(Args)]
pub struct Options {
    /// Make the image alone: pull no models and make no facets
    #[arg(long)]
    no_models: bool,
    /// Of the models, pull the steward's alone, which writes the methods
    #[arg(long, conflicts_with = "no_models")]
    steward: bool,
    #[command(flatten)]
    output: Output,
}

/// What became of a model or a facet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Present,
    Pulled,
    Created,
    Failed,
    Skipped,
}

#[derive(Debug, Serialize)]
struct Outcome {
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

#[derive(Serialize)]
struct Report {
    created: Vec<ObjectId>,
    models: Vec<models::Row>,
    facets: Vec<facets::Row>,
}

/// How bad it is: decides the exit status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    #[default]
    None,
    Failed,
    Away,
}

/// Prints what has been done, as it is done.
struct Teller {
    json: bool,
    trouble: Trouble,
}

pub async fn genesis(config: &Config, options: Options) -> Result<(), Failure> {
    // What is wrong with them is told before there is an image.
    let personas = parts::personas(config)?;
    or_interrupted(INTERRUPTED, launch(config, &options, &personas)).await
}

async fn launch(config: &Config, options: &Options, personas: &Personas) -> Result<(), Failure> {
    let mut teller = Teller { json: options.output.json, trouble: Trouble::None };
    let folder = DataFolder::open(&config.data)?;
    let created = parts::store(config, &folder).await?.genesis().await?;
    if created.is_empty() {
        teller.say(&format!("The image {} is complete.", parts::place(config, &folder)))?;
    }
    for id in &created {
        teller.say(&format!("Created {id}."))?;
    }
    let mut plan = Plan::of(personas, config.mind.model.as_deref());
    if options.steward {
        plan.models.retain(|needed| needed.steward.is_some());
    }
    let (models, facets) = minds(config, options, &plan, &mut teller).await?;
    if teller.json {
        print_json(&Report { created, models, facets })?;
    }
    if teller.trouble != Trouble::None {
        tell("When that is mended, run `aura genesis` again: it goes on where this one stopped.");
    }
    match teller.trouble {
        Trouble::None => Ok(()),
        Trouble::Failed => Err(Failure::Told(1)),
        Trouble::Away => Err(Failure::Told(3)),
    }
}

type Rows = (Vec<models::Row>, Vec<facets::Row>);

async fn minds(
    config: &Config,
    options: &Options,
    plan: &Plan<'_>,
    teller: &mut Teller,
) -> Result<Rows, Failure> {
    if options.no_models {
        return Ok(skipped(plan, "--no-models was given"));
    }
    if config.mind.kind == MindKind::OpenAi {
        let why = "with AURA_MIND=openai they are that server's own matter";
        teller.say(&format!("Skipped the models: {why}."))?;
        return Ok(skipped(plan, why));
    }
    let library = Library::new(&config.mind.base_url, config.mind.timeout)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let known = match library.models().await {
        Ok(known) => known,
        // Without Ollama there is an image at least, and this is no failure of it.
        Err(LibraryError::Away(why)) => {
            teller.say(&format!("Skipped the models: {why}."))?;
            return Ok(skipped(plan, &why));
        }
        Err(error) => {
            teller.fail("Cannot tell which models are there", &error);
            return Ok(skipped(plan, &error.to_string()));
        }
    };
    let models = models::ensure(&library, &known, plan, teller).await?;
    let facets = facets::ensure(&library, &config.data, plan, &models, teller).await?;
    Ok((models, facets))
}

/// Nothing done, for one reason.
fn skipped(plan: &Plan<'_>, why: &str) -> Rows {
    let models = plan.models.iter().map(|model| models::Row::of(model, Outcome::skipped(why)));
    let facets = plan.facets.iter().map(|facet| facets::Row::of(facet, Outcome::skipped(why)));
    (models.collect(), facets.collect())
}

impl Outcome {
    fn good(state: State) -> Self {
        Self { state, detail: None }
    }

    fn failed(why: &LibraryError) -> Self {
        Self { state: State::Failed, detail: Some(why.to_string()) }
    }

    fn skipped(why: &str) -> Self {
        Self { state: State::Skipped, detail: Some(why.to_owned()) }
    }

    fn is_there(&self) -> bool {
        matches!(self.state, State::Present | State::Pulled | State::Created)
    }
}

impl Teller {
    fn say(&self, line: &str) -> Result<(), Failure> {
        if self.json { Ok(()) } else { print(line) }
    }

    fn fail(&mut self, what: &str, why: &LibraryError) {
        tell(&format!("error: {what}: {why}."));
        self.trouble = self.trouble.max(match why {
            LibraryError::Failed(_) => Trouble::Failed,
            LibraryError::Away(_) => Trouble::Away,
        });
    }

    fn nobody_answers(&self) -> bool {
        self.trouble == Trouble::Away
    }
}
