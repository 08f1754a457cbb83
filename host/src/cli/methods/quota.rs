//! `aura method quota`: what a method may use, and what it should be allowed to.

use clap::{Args, Subcommand};
use reqwest::Method as Http;
use serde_json::json;

use super::{Name, Quota, answer};
use crate::cli::Output;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::term::{count, print, print_json, thousands};
use crate::object::QuotaOverride;
use crate::orchestrator::{Bin, Spread, Suggestion};

/// Characters of the longest bar.
const BAR: u64 = 40;
/// A character's eighths, from the left.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    method: Option<Name>,
    #[command(flatten)]
    quota: Quota,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum Command {
    /// Derive a quota from what the recorded runs used, and show how they are spread
    Suggest {
        #[command(flatten)]
        method: Name,
        /// Set what is suggested
        #[arg(long)]
        apply: bool,
        #[command(flatten)]
        output: Output,
    },
}

pub async fn run(client: &Client, options: Options) -> Result<(), Failure> {
    match options {
        Options { command: Some(Command::Suggest { method, apply, output }), .. } => {
            suggest(client, &method, apply, output).await
        }
        Options { method: Some(method), quota, output, .. } => {
            let method = match quota.set() {
                Some(quota) => set(client, &method, quota).await?,
                None => client.get(&method.path()).await?,
            };
            answer(&method, output)
        }
        Options { method: None, .. } => {
            Err(Failure::Usage("Name an object and one of its methods.".to_owned()))
        }
    }
}

async fn set(client: &Client, method: &Name, quota: QuotaOverride) -> Result<crate::object::Method, Failure> {
    client.send(Http::PUT, &format!("{}/quota", method.path()), json!(quota).to_string()).await
}

async fn suggest(client: &Client, method: &Name, apply: bool, output: Output) -> Result<(), Failure> {
    let path = method.path();
    let found: Suggestion = client.get(&format!("{path}/quota/suggestion")).await?;
    if output.json {
        print_json(&found)?;
    } else {
        let runs = count(found.runs, "run", "runs");
        print(&format!("{} of {}, version {}: {runs} returned", method.name, method.object, found.version))?;
        plot("fuel", &found.fuel)?;
        plot("memory_bytes", &found.memory_bytes)?;
        plot("output_bytes", &found.output_bytes)?;
    }
    let suggested = QuotaOverride {
        fuel: Some(found.fuel.suggested),
        memory_bytes: Some(found.memory_bytes.suggested),
        output_bytes: Some(found.output_bytes.suggested),
        wall_ms: None,
    };
    if apply {
        // What is not suggested stays as it is.
        let present: crate::object::Method = client.get(&path).await?;
        let quota = QuotaOverride { wall_ms: present.quota.wall_ms, ..suggested };
        let method = set(client, method, quota).await?;
        return if output.json { Ok(()) } else { answer(&method, output) };
    }
    if output.json {
        return Ok(());
    }
    print(&format!(
        "\nSet it with --apply, or: aura method quota {} {} --fuel {} --memory-bytes {} --output-bytes {}",
        method.object,
        method.name,
        found.fuel.suggested,
        found.memory_bytes.suggested,
        found.output_bytes.suggested
    ))
}

/// The runs as bars over what they used.
fn plot(what: &str, spread: &Spread) -> Result<(), Failure> {
    let Spread { median, p99, most, suggested, histogram, .. } = spread;
    print(&format!("\n{what}: suggested {}", thousands(*suggested)))?;
    let longest = histogram.iter().map(|bin| bin.runs).max().unwrap_or(1).max(1);
    let width = thousands(*most).len();
    for Bin { to, runs } in histogram {
        let line = format!("  to {:>width$} {} {}", thousands(*to), bar(*runs, longest), thousands(*runs));
        print(line.trim_end())?;
    }
    let [median, p99, most] = [median, p99, most].map(|number| thousands(*number));
    print(&format!("  median {median}, 99 of 100 at most {p99}, all at most {most}"))
}

/// Nothing only where there is nothing.
fn bar(runs: u64, longest: u64) -> String {
    let eighths = (runs * BAR * 8).div_ceil(longest);
    let rest = usize::try_from(eighths % 8).unwrap_or_default();
    "█".repeat(usize::try_from(eighths / 8).unwrap_or_default()) + EIGHTHS[rest]
}
