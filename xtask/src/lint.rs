//! Everything that is checked without running the program.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::wasm_target::{self, TARGET};
use crate::workspace::{Workspace, capture, has_cargo_tool, run, say};

/// Runs every check, also after one has failed, and fails if any did.
pub fn run_all(workspace: &Workspace) -> Result<ExitCode> {
    let deny_warnings = ["--", "-D", "warnings"];
    let mut checks: Vec<(&str, Command)> = vec![
        ("formatting", with(workspace.cargo(), &["fmt", "--all", "--check"])),
        ("formatting of the guest", with(workspace.guest_cargo(), &["fmt", "--check"])),
    ];
    let clippy = with(workspace.cargo(), &["clippy", "--workspace", "--all-targets", "--locked"]);
    checks.push(("clippy", with(clippy, &deny_warnings)));
    // What the workspace as a whole never builds: the libraries as this program alone has them.
    let clippy = with(workspace.cargo(), &["clippy", "--package", "aura-sandbox", "--locked"]);
    checks.push(("clippy of the sandbox's program", with(clippy, &deny_warnings)));
    if wasm_target::works(workspace)? {
        let flags = ["clippy", "--release", "--locked", "--ignore-rust-version", "--target", TARGET];
        checks.push(("clippy of the guest", with(with(workspace.guest_cargo(), &flags), &deny_warnings)));
    } else {
        say(
            "clippy of the guest: skipped, because there is no WebAssembly target yet (`cargo xtask guest` adds it)",
        );
    }
    if has_cargo_tool("deny") {
        let flags = ["deny", "--log-level", "error", "--locked", "check", "bans", "licenses", "sources"];
        checks.push(("dependencies", with(workspace.cargo(), &flags)));
        checks.push(("dependencies of the guest", with(workspace.guest_cargo(), &flags)));
    } else {
        say("dependencies: skipped, because there is no cargo-deny (cargo install --locked cargo-deny)");
    }
    let mut failed = Vec::new();
    for (name, mut command) in checks {
        say(name);
        if let Err(error) = run(&mut command) {
            eprintln!("{error:#}");
            failed.push(name);
        }
    }
    if has_cargo_tool("deny")
        && !(no_known_holes(workspace.cargo()) && no_known_holes(workspace.guest_cargo()))
    {
        failed.push("known holes in dependencies");
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("failed: {}", failed.join(", ")));
    Ok(ExitCode::FAILURE)
}

/// Whether no hole is known in what is depended on, as far as the database of them can be had.
fn no_known_holes(mut cargo: Command) -> bool {
    say("known holes in dependencies");
    cargo.args(["deny", "--log-level", "error", "--locked", "check", "advisories"]);
    match capture(&mut cargo) {
        Ok(_) => true,
        Err(error) if error.to_string().contains("failed to fetch advisory database") => {
            say(
                "known holes in dependencies: skipped, because https://github.com/RustSec/advisory-db is not reachable",
            );
            true
        }
        Err(error) => {
            eprintln!("{error:#}");
            false
        }
    }
}

fn with(mut command: Command, args: &[&str]) -> Command {
    command.args(args);
    command
}
