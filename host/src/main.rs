//! The `aura` program.

use std::process::ExitCode;

use aura::cli::{Cli, Failure, start_log, tell};
use aura::config::Config;
use clap::Parser as _;
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let text = failure.to_string();
            if !text.is_empty() {
                tell(&format!("error: {text}"));
            }
            failure.exit_code()
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    if let Some(done) = cli.alone() {
        return done;
    }
    let config = Config::load(&cli.flags())?;
    start_log(&config)?;
    let runtime = Runtime::new()
        .map_err(|error| Failure::Failed(format!("Cannot start the async runtime: {error}")))?;
    let done = runtime.block_on(cli.run(config));
    // Work that still runs is on disk and starts again; waiting for it would hold up the user.
    runtime.shutdown_background();
    done
}
