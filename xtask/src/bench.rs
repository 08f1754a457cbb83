//! The benchmarks, compiled like the program itself but for full optimisation of its own code.

use std::process::ExitCode;

use anyhow::Result;

use crate::guest;
use crate::workspace::{Workspace, run};

pub fn run_benches(workspace: &Workspace, names: &[String]) -> Result<ExitCode> {
    guest::ensure(workspace)?;
    let mut cargo = workspace.cargo();
    cargo.args(["bench", "--locked", "--workspace", "--profile", "dev"]);
    // As in a release build.
    for (setting, value) in [("OPT_LEVEL", "3"), ("DEBUG_ASSERTIONS", "false"), ("OVERFLOW_CHECKS", "false")]
    {
        cargo.env(format!("CARGO_PROFILE_DEV_{setting}"), value);
    }
    let every = ["*".to_owned()];
    for name in if names.is_empty() { &every } else { names } {
        cargo.args(["--bench", name]);
    }
    run(&mut cargo)?;
    Ok(ExitCode::SUCCESS)
}
