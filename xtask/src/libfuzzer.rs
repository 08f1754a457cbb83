//! What reads bytes from outside, under libFuzzer: `fuzz/`.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, has_cargo_tool, run, say};

/// How long a target is fed if nothing else is said.
const SECONDS: u64 = 60;
/// The longest input that is tried, in bytes.
const LONGEST: u32 = 64 << 10;

pub fn run_targets(workspace: &Workspace, args: &[String]) -> Result<ExitCode> {
    let targets = targets(workspace)?;
    let (chosen, seconds) = match args {
        [] => (targets, SECONDS),
        [flag, seconds] if flag == "--seconds" => (targets, number(seconds)?),
        [target, rest @ ..] if targets.contains(target) => match rest {
            [] => (vec![target.clone()], SECONDS),
            [flag, seconds] if flag == "--seconds" => (vec![target.clone()], number(seconds)?),
            _ => bail!("use `cargo xtask fuzz [TARGET] [--seconds N]`"),
        },
        _ => bail!("use `cargo xtask fuzz [TARGET] [--seconds N]`; the targets are {}", targets.join(", ")),
    };
    if !has_cargo_tool("fuzz") {
        bail!("there is no cargo-fuzz: `cargo install --locked cargo-fuzz`; it needs a C++ compiler too");
    }
    for target in chosen {
        say(&format!("{target} for {seconds} s"));
        feed(workspace, &target, seconds)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn number(text: &str) -> Result<u64> {
    text.parse().with_context(|| format!("'{text}' is no number of seconds"))
}

fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let files = fs::read_dir(workspace.root.join("fuzz/fuzz_targets"))?;
    let names =
        files.map(|file| Ok(file?.path().file_stem().unwrap_or_default().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<String>>>()?;
    names.sort();
    Ok(names)
}

/// What libFuzzer finds is kept in the cache; what brings a target down is in `fuzz/artifacts`.
fn feed(workspace: &Workspace, target: &str, seconds: u64) -> Result<()> {
    let corpus = workspace.cache.join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let mut cargo = workspace.cargo();
    cargo.env("CARGO_TARGET_DIR", workspace.cache.join("build/fuzz"));
    // The readers are safe Rust: no sanitizer would see more.
    cargo.args(["fuzz", "run", "--sanitizer", "none", target]).arg(corpus);
    cargo.arg(workspace.root.join("fuzz/seeds").join(target));
    if target == "fixture" {
        cargo.arg(workspace.root.join("tests/replay/1"));
    }
    let dictionary = workspace.root.join("fuzz/dictionaries").join(format!("{target}.dict"));
    cargo.arg("--").args([format!("-max_total_time={seconds}"), format!("-max_len={LONGEST}")]);
    cargo.arg("-timeout=10").arg(format!("-dict={}", dictionary.display()));
    run(&mut cargo)
}
