//! `aura audit`: the audit without a server.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::parts;
use super::term::{print, print_json};
use crate::api::AuditReport;
use crate::config::Config;
use crate::object::{Finding, Source};
use crate::sandbox::Sandbox;

#[derive(Args)]
pub struct Options {
    /// A file with a method body; `-` reads from stdin
    file: PathBuf,
    #[command(flatten)]
    output: super::Output,
}

pub async fn audit(config: &Config, options: &Options) -> Result<(), Failure> {
    config.check_parts()?;
    let source = read_source(&options.file)?;
    let sandbox = parts::sandbox(config).await?;
    let verdict = parts::workers()?.run(move || sandbox.audit(&source)).await;
    let report: AuditReport =
        verdict.ok_or_else(|| Failure::Failed("The audit ended without a verdict.".into()))??.into();
    if options.output.json {
        print_json(&report)?;
    } else if report.accepted {
        print("Accepted.")?;
    } else {
        for Finding { line, column, rule, message } in &report.findings {
            print(&format!("{line}:{column} {rule}: {message}"))?;
        }
    }
    if report.accepted { Ok(()) } else { Err(Failure::Told(1)) }
}

/// A method body from a file or from stdin.
pub fn read_source(path: &Path) -> Result<Source, Failure> {
    let read = if path == Path::new("-") {
        read_bounded(io::stdin())
    } else {
        File::open(path).and_then(read_bounded)
    };
    let text = read.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    Source::parse(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// A little more than a body may have, so that [`Source`] says it is too long.
fn read_bounded(from: impl Read) -> io::Result<String> {
    const LIMIT: u64 = 1 << 20;
    let mut text = String::new();
    from.take(LIMIT).read_to_string(&mut text)?;
    Ok(text)
}
