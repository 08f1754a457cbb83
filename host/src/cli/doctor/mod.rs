//! `aura doctor`: what is set, what works, and what cures what does not. It changes nothing.

mod machine;
mod sandboxes;
mod services;

use std::io::{self, IsTerminal as _};

use serde::Serialize;

use super::failure::Failure;
use super::folder::DataFolder;
use super::term::{print, print_json, spin, spinner};
use super::{Output, parts};
use crate::config::{Config, Setting};

/// What was found of one thing.
#[derive(Debug, PartialEq, Serialize)]
struct Diagnosis {
    state: State,
    what: &'static str,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    /// It works, but not as well as it could.
    Warn,
    Fail,
    /// A service that is needed does not answer.
    Unreachable,
}

#[derive(Serialize)]
struct Report<'a> {
    configuration: Vec<Set<'a>>,
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

pub async fn doctor(config: &Config, output: Output) -> Result<(), Failure> {
    if !output.json {
        show_configuration(config.origins())?;
    }
    let spinner = io::stderr().is_terminal().then(spinner);
    if let Some(spinner) = &spinner {
        spin(spinner, "looking");
    }
    let checks = examine(config).await?;
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    let end = end(&checks);
    if output.json {
        let configuration = config.origins().iter().map(Set::of).collect();
        print_json(&Report { configuration, checks })?;
    } else {
        show(&checks)?;
    }
    end
}

async fn examine(config: &Config) -> Result<Vec<Diagnosis>, Failure> {
    let here = config.clone();
    let isolates = parts::blocking(move || match here.sandboxes.as_slice() {
        [] => vec![machine::guest(&here), machine::kernel()],
        sandboxes => sandboxes::check(sandboxes),
    });
    let folder = DataFolder::at(&config.data);
    let mut checks = vec![machine::folder(&config.data)];
    checks.extend(isolates.await?);
    checks.extend(services::store(config, &folder).await?);
    checks.push(services::mind(config).await);
    checks.push(machine::reach(config));
    checks.extend(services::servers(&folder).await);
    Ok(checks)
}

/// A failed check weighs more than a service that somebody has to start.
fn end(checks: &[Diagnosis]) -> Result<(), Failure> {
    let any = |state| checks.iter().any(|check| check.state == state);
    if any(State::Fail) {
        return Err(Failure::Told(1));
    }
    if any(State::Unreachable) { Err(Failure::Told(3)) } else { Ok(()) }
}

fn show_configuration(settings: &[Setting]) -> Result<(), Failure> {
    let widest =
        |text: fn(&Setting) -> &str| settings.iter().map(|setting| text(setting).chars().count()).max();
    let name = widest(|setting| setting.name).unwrap_or(0);
    // One long value does not push all the origins away.
    let value = widest(|setting| &setting.value).unwrap_or(0).min(48);
    for setting in settings {
        let shown = if setting.value.is_empty() { "-" } else { &setting.value };
        print(&format!("{:name$}  {shown:value$}  {}", setting.name, setting.origin))?;
    }
    print("")
}

fn show(checks: &[Diagnosis]) -> Result<(), Failure> {
    for Diagnosis { state, what, found, cure } in checks {
        let state = match state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail | State::Unreachable => "FAIL",
        };
        print(&format!("{state:4}  {what}: {found}"))?;
        if let Some(cure) = cure {
            print(&format!("      {cure}"))?;
        }
    }
    Ok(())
}

impl Diagnosis {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { state: State::Ok, what, found: found.into(), cure: None }
    }

    fn bad(state: State, what: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { state, what, found: found.into(), cure: Some(cure.into()) }
    }
}
