//! The report for people: grouped, aligned and in colour on a terminal, else a plain line each.

use std::io::{self, IsTerminal as _};

use super::diagnosis::{Diagnosis, State};
use super::fix::Applied;
use super::table;
use crate::cli::failure::Failure;
use crate::cli::term::{count, print, printable, write};
use crate::config::Setting;

pub fn configuration(settings: &[Setting]) -> Result<(), Failure> {
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

/// What `--fix` did.
pub fn applied(all: &[Applied]) -> Result<(), Failure> {
    for Applied { name, done, failed } in all {
        match (done, failed) {
            (Some(done), _) => print(&format!("fixed {name}: {done}"))?,
            (None, Some(why)) => print(&format!("cannot fix {name}: {why}"))?,
            (None, None) => {}
        }
    }
    if all.is_empty() { print("There is nothing that --fix could do.\n") } else { print("") }
}

pub fn diagnoses(all: &[Diagnosis], no_color: bool) -> Result<(), Failure> {
    if !io::stdout().is_terminal() {
        return plain(all);
    }
    let width = all.iter().map(|diagnosis| diagnosis.name.len()).max().unwrap_or_default();
    let mut heading = "";
    for diagnosis in all {
        let subject = table::find(&diagnosis.name).map_or("", |(_, entry)| entry.subject.as_str());
        if subject != heading {
            heading = subject;
            write(&paint(no_color, BOLD, subject))?;
        }
        let Diagnosis { state, name, found, cure, .. } = diagnosis;
        let state = paint(no_color, colour(*state), &format!("{:4}", word(*state)));
        write(&format!("  {state}  {name:width$}  {}", printable(found)))?;
        if let Some(cure) = cure {
            write(&format!("        {:width$}  {}", "", printable(cure)))?;
        }
    }
    let number = |states: &[State], one, many| {
        let number = all.iter().filter(|diagnosis| states.contains(&diagnosis.state)).count();
        (number > 0).then(|| count(number as u64, one, many))
    };
    let said = [
        number(&[State::Fail, State::Unreachable], "failure", "failures"),
        number(&[State::Warn], "warning", "warnings"),
    ];
    let said: Vec<_> = said.into_iter().flatten().collect();
    let said = if said.is_empty() { "All is well".to_owned() } else { said.join(", ") };
    let fixable: Vec<&str> =
        all.iter().filter(|diagnosis| diagnosis.fix.is_some()).map(|diagnosis| &*diagnosis.name).collect();
    let fix = match fixable.as_slice() {
        [] => String::new(),
        names => format!(" `aura doctor --fix` takes care of {}.", names.join(", ")),
    };
    write(&format!("\n{said}.{fix} `aura doctor --explain NAME` tells more."))
}

fn plain(all: &[Diagnosis]) -> Result<(), Failure> {
    for Diagnosis { state, what, found, cure, .. } in all {
        print(&format!("{:4}  {what}: {found}", word(*state)))?;
        if let Some(cure) = cure {
            print(&format!("      {cure}"))?;
        }
    }
    Ok(())
}

fn word(state: State) -> &'static str {
    match state {
        State::Ok => "ok",
        State::Warn => "warn",
        State::Fail | State::Unreachable => "FAIL",
        State::Skipped => "skip",
    }
}

const BOLD: &str = "1";

fn colour(state: State) -> &'static str {
    match state {
        State::Ok => "32",
        State::Warn => "33",
        State::Fail | State::Unreachable => "1;31",
        State::Skipped => "2",
    }
}

fn paint(no_color: bool, style: &str, text: &str) -> String {
    if no_color { text.to_owned() } else { format!("\x1b[{style}m{text}\x1b[0m") }
}
