//! `aura sandbox`: isolates in a process of their own, and a body run in one by hand.

mod confined;
mod pack;
mod run;
mod serve;

pub use confined::serve_confined;

use clap::Subcommand;

use super::failure::Failure;
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// Serve isolates from this process until interrupted; `aura serve` finds it by EXECUTION_SANDBOX_URL
    Serve(serve::Options),
    /// Audit a method body and run it once in an isolate of this process
    Run(run::Options),
    /// Compile the guest, with the policy in force, for the container image of the sandbox
    Pack(pack::Options),
    /// What `serve` becomes: a process without settings, environment and privileges
    #[command(hide = true)]
    Confined(confined::Options),
}

pub async fn run(config: &Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(options) => serve::serve(config, options).await,
        Command::Run(options) => run::run(config, options).await,
        Command::Pack(options) => pack::run(config, options).await,
        // It has had its process for itself.
        Command::Confined(_) => Ok(()),
    }
}
