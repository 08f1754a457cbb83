//! `aura method diff`, and how a diff looks.

use std::io::{self, IsTerminal as _};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Output;
use super::client::Client;
use super::failure::Failure;
use super::methods::Name;
use super::term::{print_json, printable, tell, write};
use crate::config::Config;

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    pub method: Name,
    /// The version that is compared; otherwise the one before TO
    from: Option<u32>,
    /// The version it is compared with; otherwise the one in force
    to: Option<u32>,
    #[command(flatten)]
    output: Output,
}

#[derive(Deserialize, Serialize)]
struct Diff {
    from: u32,
    to: u32,
    unified: String,
}

pub async fn run(config: &Config, client: &Client, options: Options) -> Result<(), Failure> {
    let path = format!("{}/diff", options.method.path());
    let diff: Diff = client.get(&versions(&path, options.from, options.to)).await?;
    if options.output.json {
        return print_json(&diff);
    }
    show(config, &diff.unified)?;
    if diff.unified.lines().nth(2).is_none() {
        tell(&format!("Versions {} and {} do not differ.", diff.from, diff.to));
    }
    Ok(())
}

/// Shows what became of the version before.
pub async fn show_change(config: &Config, client: &Client, method: &Name, to: u32) -> Result<(), Failure> {
    let path = format!("{}/diff", method.path());
    let diff: Diff = client.get(&versions(&path, None, Some(to))).await?;
    show(config, &diff.unified)
}

fn versions(path: &str, from: Option<u32>, to: Option<u32>) -> String {
    let asked = [("from", from), ("to", to)];
    let asked = asked.iter().filter_map(|(name, version)| version.map(|version| format!("{name}={version}")));
    format!("{path}?{}", asked.collect::<Vec<_>>().join("&"))
}

/// A unified diff on stdout, coloured for people.
pub fn show(config: &Config, unified: &str) -> Result<(), Failure> {
    let coloured = io::stdout().is_terminal() && !config.no_color;
    let mut text = if coloured { colour(unified) } else { unified.to_owned() };
    text.truncate(text.trim_end_matches('\n').len());
    write(&text)
}

fn colour(unified: &str) -> String {
    let mut body = false;
    let lines = unified.lines().map(|line| {
        body |= line.starts_with("@@");
        let code = match line.as_bytes().first() {
            _ if !body => "1",
            Some(b'+') => "32",
            Some(b'-') => "31",
            Some(b'@') => "36",
            _ => return printable(line).into_owned(),
        };
        format!("\u{1b}[{code}m{}\u{1b}[0m", printable(line))
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_colour_of_their_sign_and_obey_nothing() {
        let diff = "--- a\n+++ b\n@@ -1,2 +1,2 @@\n same\n--- old\n+\u{1b}[2Jnew\n";
        let red = "\u{1b}[1m--- a\u{1b}[0m\n\u{1b}[1m+++ b\u{1b}[0m\n\u{1b}[36m@@ -1,2 +1,2 @@\u{1b}[0m\n same\n\
                   \u{1b}[31m--- old\u{1b}[0m\n\u{1b}[32m+\u{fffd}[2Jnew\u{1b}[0m";
        assert_eq!(colour(diff), red);
    }
}
