//! `aura method regenerate`: a better body from the mind, what differs, and a person's word.

use std::io::{self, IsTerminal as _, Write as _};

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Client, Refusal};
use super::failure::Failure;
use super::methods::Name;
use super::term::{count, print, print_json, spin, spinner, tell};
use super::{Output, compare, provenance};
use crate::config::Config;
use crate::object::{FailedAttempt, Method, Proposal, Wish, diff};

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    method: Name,
    /// What the new body is to be like
    #[arg(long, value_name = "TEXT", conflicts_with = "accept")]
    wish: Option<Wish>,
    /// Install what was proposed, although recorded runs come out differently with it
    #[arg(long, value_name = "DIGEST", conflicts_with = "yes")]
    accept: Option<String>,
    /// Install it whatever comes out differently, without asking
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: Output,
}

/// What of a problem matters here.
#[derive(Deserialize)]
struct Refused {
    proposal: Option<Proposal>,
    #[serde(default)]
    attempts: Vec<FailedAttempt>,
}

pub async fn run(config: &Config, client: &Client, options: Options) -> Result<(), Failure> {
    let Options { method, output, .. } = &options;
    let body = match &options.accept {
        Some(digest) => json!({ "accept": digest }),
        None => json!({ "wish": options.wish }),
    };
    let answer = wait(client, method, &body, options.accept.is_none()).await;
    let refusal = match answer? {
        Ok(installed) => return show(config, client, method, &installed, *output).await,
        Err(refusal) => refusal,
    };
    let refused: Option<Refused> = serde_json::from_str(&refusal.text).ok();
    let Some(Refused { proposal, attempts }) = refused else { return Err(refusal.failure) };
    let Some(proposal) = proposal else {
        if !attempts.is_empty() {
            let times = count(attempts.len() as u64, "attempt", "attempts");
            tell(&format!("Nothing was installed, after {times}."));
        }
        return Err(refusal.failure);
    };
    if output.json && !options.yes {
        print(&refusal.text)?;
        return Err(Failure::Told(1));
    }
    if !output.json {
        show_proposal(config, client, method, &proposal).await?;
    }
    if !options.yes && !ask()? {
        tell(&format!(
            "Not installed. To install it all the same: aura method regenerate {} {} --accept {}",
            method.object, method.name, proposal.digest
        ));
        return Err(Failure::Told(1));
    }
    let accepted: Result<Method, Refusal> =
        wait(client, method, &json!({ "accept": proposal.digest }), false).await?;
    match accepted {
        Ok(installed) if output.json => print_json(&installed),
        Ok(installed) => provenance::summarise(&installed),
        Err(refusal) => Err(refusal.failure),
    }
}

async fn wait(
    client: &Client,
    method: &Name,
    body: &Value,
    thinks: bool,
) -> Result<Result<Method, Refusal>, Failure> {
    let waiting = spinner();
    if thinks {
        spin(&waiting, &format!("the mind works on '{}' of {} …", method.name, method.object));
    }
    let answer = client.ask(&format!("{}/regenerate", method.path()), body.to_string()).await;
    waiting.finish_and_clear();
    answer
}

/// What was installed: how it differs, and what it was compared with.
async fn show(
    config: &Config,
    client: &Client,
    name: &Name,
    installed: &Method,
    output: Output,
) -> Result<(), Failure> {
    if output.json {
        return print_json(installed);
    }
    compare::show_change(config, client, name, installed.version).await?;
    if let Some(regression) = &installed.provenance.regression {
        provenance::tell(regression)?;
    }
    provenance::summarise(installed)
}

/// What could be installed, and what would come out differently.
async fn show_proposal(
    config: &Config,
    client: &Client,
    name: &Name,
    proposal: &Proposal,
) -> Result<(), Failure> {
    let now: Method = client.get(&name.path()).await?;
    let proposed = format!("{} as proposed", name.name);
    compare::show(
        config,
        &diff::of_bodies((&diff::title(&now), &now.source), (&proposed, &proposal.source)),
    )?;
    provenance::tell(&proposal.regression)
}

/// Asks a person, where there is one.
fn ask() -> Result<bool, Failure> {
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Ok(false);
    }
    let cannot = |error: io::Error| Failure::Failed(format!("Cannot ask: {error}"));
    write!(io::stdout(), "Install it all the same? [y/N] ")
        .and_then(|()| io::stdout().flush())
        .map_err(cannot)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(cannot)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
