//! `aura doctor`: what is set, what works, and what cures what does not. It changes nothing, but with `--fix` what it
//! says.
//!
//! `diagnoses.toml` has all diagnoses; each subject has a file that makes them. What the machine tells of itself is read
//! through [`Machine`].

mod clock;
mod diagnosis;
mod disk;
mod fix;
mod gpu;
mod image;
mod isolates;
mod machine;
mod memory;
mod mind;
mod ollama;
mod port;
mod secrets;
mod server;
mod show;
mod table;
mod wsl;

use std::io::{self, IsTerminal as _};
use std::path::Path;

use clap::Args;
use serde::Serialize;

use self::diagnosis::{Diagnosis, State};
use self::fix::Applied;
use self::machine::Machine;
use self::ollama::Ollama;
use super::failure::Failure;
use super::folder::DataFolder;
use super::term::{print_json, spin, spinner};
use super::{Output, parts};
use crate::config::{Config, Setting};
use crate::mind::MindKind;

#[derive(Args)]
pub struct Options {
    /// Mend what can be mended without harm, and look again
    #[arg(long)]
    fix: bool,
    /// Say what a diagnosis looks at, why, and what cures it; without NAME, list them
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", conflicts_with = "fix")]
    explain: Option<String>,
    /// With --explain: all of them as a Markdown table
    #[arg(long, requires = "explain", conflicts_with = "json")]
    markdown: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Report<'a> {
    configuration: Vec<Set<'a>>,
    /// What `--fix` did.
    fixes: Vec<Applied>,
    checks: Vec<Diagnosis>,
}

#[derive(Serialize)]
struct Set<'a> {
    name: &'a str,
    value: &'a str,
    origin: String,
}

impl<'a> Set<'a> {
    fn of(setting: &'a Setting) -> Self {
        Self { name: setting.name, value: &setting.value, origin: setting.origin.to_string() }
    }
}

pub async fn doctor(config: &Config, options: &Options) -> Result<(), Failure> {
    if let Some(name) = &options.explain {
        return if options.markdown { table::markdown() } else { table::explain(name, options.output.json) };
    }
    let is_json = options.output.json;
    if !is_json {
        show::configuration(config.origins())?;
    }
    let mut checks = examine(config).await?;
    let mut fixes = Vec::new();
    if options.fix {
        fixes = apply(config, &checks).await;
        if !is_json {
            show::applied(&fixes)?;
        }
        checks = examine(config).await?;
        for check in &mut checks {
            check.fixed = fixes.iter().any(|fix| fix.name == check.name && fix.done.is_some());
        }
    }
    let end = end(&checks, &fixes);
    if is_json {
        let configuration = config.origins().iter().map(Set::of).collect();
        print_json(&Report { configuration, fixes, checks })?;
    } else {
        show::diagnoses(&checks, config.no_color)?;
    }
    end
}

/// Everything there is to look at, in the order of the table.
async fn examine(config: &Config) -> Result<Vec<Diagnosis>, Failure> {
    let spinner = io::stderr().is_terminal().then(spinner);
    if let Some(spinner) = &spinner {
        spin(spinner, "looking");
    }
    let machine = Machine::this();
    let folder = DataFolder::at(&config.data);
    let mut checks = here(&machine, config, &folder).await?;
    checks.extend(of_mind(&machine, config).await);
    checks.extend(image::look(config, &folder).await?);
    checks.push(port::look(&machine, config, &folder).await);
    checks.extend(server::look(&folder).await);
    checks.sort_by_key(|check| table::find(&check.name).map(|(place, _)| place));
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    Ok(checks)
}

/// What is seen without asking a service but the sandbox.
async fn here(machine: &Machine, config: &Config, folder: &DataFolder) -> Result<Vec<Diagnosis>, Failure> {
    let (machine_too, config_too) = (machine.clone(), config.clone());
    let mut checks = parts::blocking(move || isolates::look(&machine_too, &config_too)).await?;
    checks.extend([
        secrets::settings(Path::new(".")),
        secrets::token(config),
        secrets::access(config),
        wsl::version(machine),
        wsl::data(machine, &config.data),
        disk::data(&config.data),
        disk::cache(&config.cache),
        image::permissions(config, folder),
    ]);
    checks.extend(secrets::readers(machine, &secrets::files(config.origins())));
    Ok(checks)
}

/// The mind, and what it needs of the machine.
async fn of_mind(machine: &Machine, config: &Config) -> Vec<Diagnosis> {
    let kind = config.mind.kind;
    let ollama = match kind {
        MindKind::Ollama => Ollama::look(&config.mind.base_url).await,
        MindKind::OpenAi => None,
    };
    let ollama = ollama.as_ref();
    let personas = parts::personas(config);
    let one = config.mind.model.as_deref();
    let mut needed = personas.as_ref().map(|personas| personas.needed(one)).unwrap_or_default();
    needed.sort_by_key(|needed| needed.steward.is_none());
    let is_here = wsl::is_here(machine, &config.mind.base_url);
    let ollama_here = ollama.filter(|_| is_here);
    let (gpu, memory) = if is_here {
        gpu::look(machine).await
    } else {
        (Diagnosis::skipped("gpu", "the mind runs elsewhere"), None)
    };
    let mut checks = vec![
        gpu,
        memory::look(machine, memory, ollama_here, &needed),
        clock::look(machine, ollama.and_then(|ollama| ollama.times)),
        disk::models(machine, &config.cache, ollama_here, &needed),
        mind::server(config, ollama).await,
        mind::version(config, ollama),
    ];
    checks.extend(match (kind, ollama) {
        (_, Some(ollama)) => gpu::used(&ollama.loaded),
        (MindKind::Ollama, None) => vec![Diagnosis::skipped("gpu-used", mind::SILENT)],
        (MindKind::OpenAi, None) => vec![Diagnosis::skipped("gpu-used", mind::NO_OLLAMA)],
    });
    checks.extend(mind::models(config, ollama, &needed).await);
    checks
}

async fn apply(config: &Config, checks: &[Diagnosis]) -> Vec<Applied> {
    let mut all = Vec::new();
    for check in checks {
        let Some(fix) = &check.fix else { continue };
        let (done, failed) = match fix.apply(config).await {
            Ok(done) => (Some(done), None),
            Err(failure) => (None, Some(failure.to_string())),
        };
        all.push(Applied { name: check.name.to_string(), done, failed });
    }
    all
}

/// A failed check, or fix, weighs more than a service that somebody has to start.
fn end(checks: &[Diagnosis], fixes: &[Applied]) -> Result<(), Failure> {
    let any = |state| checks.iter().any(|check| check.state == state);
    if any(State::Fail) || fixes.iter().any(|fix| fix.failed.is_some()) {
        return Err(Failure::Told(1));
    }
    if any(State::Unreachable) { Err(Failure::Told(3)) } else { Ok(()) }
}
