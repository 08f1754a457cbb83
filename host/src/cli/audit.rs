//! `aura audit`: the audit without a server.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::failure::Failure;
use super::parts;
use super::term::{print, print_json, write};
use crate::api::AuditReport;
use crate::audit::{BUILT_IN, frame, rules, sarif};
use crate::config::Config;
use crate::object::{Finding, Source};

#[derive(Args)]
pub struct Options {
    /// A file with a method body; `-` reads from stdin
    #[arg(required_unless_present_any = ["explain", "policy"])]
    file: Option<PathBuf>,
    /// How findings are shown
    #[arg(long, value_enum, default_value = "text", conflicts_with = "json")]
    format: Format,
    /// Say what a rule means and what to write instead; without RULE, list the rules
    #[arg(long, value_name = "RULE", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["file", "policy"])]
    explain: Option<String>,
    /// Print the policy that is in force
    #[arg(long, conflicts_with = "file")]
    policy: bool,
    #[command(flatten)]
    output: super::Output,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With the lines of code on a terminal, else a line a finding
    Text,
    Json,
    /// SARIF 2.1.0, for other tools
    Sarif,
}

pub async fn audit(config: &Config, options: &Options) -> Result<(), Failure> {
    if let Some(rule) = &options.explain {
        return explain(rule, options.output.json);
    }
    let Some(file) = &options.file else { return policy(config, options.output.json) };
    let source = read_source(file)?;
    let sandbox = parts::sandbox(config).await?;
    let text = source.as_str().to_owned();
    let verdict = parts::workers()?.run(move || sandbox.audit(&source)).await;
    let report: AuditReport =
        verdict.ok_or_else(|| Failure::Failed("The audit ended without a verdict.".into()))??.into();
    let name = if file == Path::new("-") { "stdin".into() } else { file.to_string_lossy() };
    match options.format {
        _ if options.output.json => print_json(&report)?,
        Format::Json => print_json(&report)?,
        Format::Sarif => print_json(&sarif::log(&name, &report.findings))?,
        Format::Text if report.accepted => print("Accepted.")?,
        Format::Text => show(&report.findings, &name, &text, config)?,
    }
    if report.accepted { Ok(()) } else { Err(Failure::Told(1)) }
}

fn show(findings: &[Finding], file: &str, source: &str, config: &Config) -> Result<(), Failure> {
    let is_terminal = io::stdout().is_terminal();
    for finding in findings {
        if is_terminal {
            write(&frame::render(finding, file, source, !config.no_color))?;
        } else {
            let Finding { line, column, rule, message } = finding;
            print(&format!("{line}:{column} {rule}: {message}"))?;
        }
    }
    Ok(())
}

fn explain(rule: &str, is_json: bool) -> Result<(), Failure> {
    if rule.is_empty() {
        if is_json {
            return print_json(rules::all());
        }
        for (id, rule) in rules::all() {
            print(&format!("{id:<10} {}", rule.title))?;
        }
        return Ok(());
    }
    let Some(told) = rules::all().get(rule) else {
        return Err(Failure::Usage(format!(
            "There is no rule {rule}. `aura audit --explain` lists the rules."
        )));
    };
    if is_json {
        return print_json(told);
    }
    print(&format!("{rule}: {}\n\n{}\n", told.title, told.why))?;
    if let Some(refused) = &told.refused {
        print(&format!("Refused:\n\n{}\n", indented(refused)))?;
    }
    print(&format!("Instead:\n\n{}", indented(&told.instead)))
}

fn indented(code: &str) -> String {
    code.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

fn policy(config: &Config, is_json: bool) -> Result<(), Failure> {
    let policy = parts::policy(config)?;
    if is_json {
        return print_json(&policy);
    }
    let text = match &config.policy {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?,
        None => BUILT_IN.to_owned(),
    };
    print(text.trim_end())
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
