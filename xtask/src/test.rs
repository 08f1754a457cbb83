//! Every test: unit, system, real model, documentation.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::image::{self, Engine};
use crate::mind::llama::{self, Served};
use crate::workspace::{Workspace, has_cargo_tool, run, say, setting};
use crate::{fuzz, guest, prerequisites};

pub fn run_tests(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    prerequisites::check(workspace)?;
    guest::ensure(workspace)?;
    say("building AURA and its tests");
    run(workspace.cargo().args(["build", "--locked", "--workspace", "--bins", "--tests"]))?;
    say("examples in the documentation");
    let documentation = run(workspace.cargo().args(["test", "--locked", "--workspace", "--doc", "--quiet"]));
    let requests = fuzz::run_quick(workspace);

    let mut tests = runner(workspace, args);
    containers(workspace, args, &mut tests)?;
    let _mind = real_model(workspace, &mut tests);
    say("tests");
    run(&mut tests).and(documentation).and(requests)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the corpora of the guard and writes down what came out.
pub fn measure_guard(workspace: &Workspace) -> Result<ExitCode> {
    guest::ensure(workspace)?;
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--locked", "--workspace", "--test", "guard", "--", "--nocapture"]);
    run(cargo.env("AURA_WRITE_TABLE", "1"))?;
    Ok(ExitCode::SUCCESS)
}

fn runner(workspace: &Workspace, args: &[String]) -> Command {
    let mut cargo = workspace.cargo();
    if has_cargo_tool("nextest") {
        cargo.args(["nextest", "run", "--locked", "--workspace"]).args(args);
        if args.is_empty() {
            // What needs something that is not here is named one by one.
            cargo.env("NEXTEST_FINAL_STATUS_LEVEL", "skip");
        }
    } else {
        say("no cargo-nextest, so plain `cargo test` (cargo install --locked cargo-nextest)");
        cargo.args(["test", "--locked", "--workspace", "--tests", "--no-fail-fast"]).args(args);
    }
    cargo
}

/// Makes the container images for the tests of them, where there is an engine to run them.
fn containers(workspace: &Workspace, args: &[String], tests: &mut Command) -> Result<()> {
    if !args.is_empty() && !args.iter().any(|arg| arg.contains("container")) {
        return Ok(());
    }
    match Engine::find().and_then(|engine| engine.check_compose().map(|()| engine)) {
        Ok(engine) => {
            image::make(workspace, &engine)?;
            tests.env("AURA_TEST_IMAGES", image::contexts(workspace));
        }
        Err(reason) => say(&format!("container stage: skipped, because {reason:#}")),
    }
    Ok(())
}

/// Starts the pinned model for the tests that ask a real one, and tells them where it is.
fn real_model(workspace: &Workspace, tests: &mut Command) -> Option<Served> {
    if let Some(url) = setting("AURA_TEST_MIND_URL") {
        say(&format!("real-model stage: with {url}, as you set it"));
        return None;
    }
    match prerequisites::check_python().and_then(|()| llama::serve(workspace)) {
        Ok(served) => {
            tests.env("AURA_TEST_MIND_URL", &served.url).env("AURA_TEST_MIND_MODEL", llama::MODEL);
            Some(served)
        }
        Err(reason) => {
            say(&format!("real-model stage: skipped, because {reason:#}"));
            None
        }
    }
}
