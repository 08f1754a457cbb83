//! `aura replay`: recorded runs made again. One by its id, by the running server or in the image itself; all of an
//! image; or those in files.

mod files;
mod one;
mod runs;
mod since;

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::Output;
use super::failure::Failure;
use super::parts;
use super::term::{print, printable, thousands};
use crate::config::Config;
use crate::object::{Difference, InvocationId, Timestamp};
use crate::replay::{Case, Report, Scope, Verdict, replay as again};
use crate::sandbox::{Sandbox, Workers};

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// The run to make again: `invocation_id` of a message's record
    #[arg(value_parser = InvocationId::parse, required_unless_present_any = ["all", "file"])]
    id: Option<InvocationId>,
    /// All recorded runs of the image
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// Only runs from this moment on: `90m`, `2h`, `7d` ago, or a date such as 2026-11-23T08:00Z
    #[arg(long, value_name = "WHEN", conflicts_with_all = ["id", "file"], value_parser = since::parse)]
    since: Option<Timestamp>,
    /// Exported runs; of a folder, all `*.replay.json` in it
    #[arg(long, value_name = "FIXTURE", num_args = 1.., conflicts_with_all = ["id", "all"])]
    file: Vec<PathBuf>,
    /// Also runs of another guest: compare what others see of them, not fuel and memory
    #[arg(long)]
    other_guest: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Command {
    /// Write a run with all it depended on to stdout, to be replayed elsewhere
    Export {
        /// `invocation_id` of a message's record
        #[arg(value_parser = InvocationId::parse)]
        id: InvocationId,
    },
}

pub async fn replay(config: &Config, options: Options) -> Result<(), Failure> {
    let Options { command, id, all, since, file, other_guest, output } = options;
    let scope = if other_guest { Scope::Behaviour } else { Scope::Exact };
    match (command, id) {
        (Some(Command::Export { id }), _) => one::export(config, id).await,
        (None, Some(id)) => one::replay(config, id, scope, output).await,
        (None, None) if all => runs::replay(config, since, scope, output).await,
        (None, None) => files::replay(config, &file, scope, output).await,
    }
}

/// Makes runs again in this process.
struct Replayer {
    sandbox: Arc<dyn Sandbox>,
    workers: Workers,
    scope: Scope,
}

impl Replayer {
    async fn new(config: &Config, scope: Scope) -> Result<Self, Failure> {
        let sandbox = parts::sandbox(config).await?;
        Ok(Self { sandbox, workers: parts::workers()?, scope })
    }

    async fn replay(&self, case: Case) -> Result<Verdict, Failure> {
        let (sandbox, scope) = (Arc::clone(&self.sandbox), self.scope);
        let verdict = self.workers.run(move || again(&*sandbox, &case, scope)).await;
        verdict.ok_or_else(|| Failure::Failed("The replay ended without a verdict.".to_owned()))
    }
}

/// What helps where runs are of another guest.
fn hint_at_other_guests() -> Result<(), Failure> {
    print("With --other-guest, what others see of a run is compared all the same.")
}

/// What differs, a line each.
fn print_differences(differences: &[Difference]) -> Result<(), Failure> {
    differences.iter().try_for_each(|Difference { what, recorded, replayed }| {
        let number = |text: &str| text.parse().map_or_else(|_| text.to_owned(), thousands);
        let (recorded, replayed) = (number(recorded), number(replayed));
        print(&format!("    {what}: recorded {}, now {}", one_line(&recorded), one_line(&replayed)))
    })
}

/// The verdict on something in a line, and what differs.
fn print_report(report: &Report, what: &str) -> Result<(), Failure> {
    match &report.message {
        None if report.is_identical() => print(&format!("identical: {what}")),
        None => {
            print(&format!("diverged: {what}"))?;
            print_differences(&report.differences)
        }
        Some(reason) => print(&format!("not replayable: {what}: {reason}")),
    }
}

fn one_line(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { printable(&text.replace('\n', "\\n")).into_owned() }
}
