//! The command line.
//!
//! `serve`, `genesis`, `doctor`, `export`, `import`, `copy`, `audit`, `sandbox`, `mind` and most of `replay` do their work in this
//! process; all other commands speak to a running AURA over HTTP.

mod audit;
mod client;
mod compare;
mod copy;
mod doctor;
mod draft;
mod failure;
mod folder;
mod genesis;
pub mod lines;
mod methods;
mod mind;
mod objects;
mod parts;
mod provenance;
mod ready;
mod regenerate;
mod repl;
mod replay;
mod sandbox;
mod send;
mod serve;
mod term;
mod transfer;
mod watch;

use clap::{Args, Parser, Subcommand};

pub use failure::Failure;
pub use term::tell;

use crate::config::{Config, Flag, LogFormat};

const EXIT_STATUS: &str = "\
Exit status: 0 done, 1 the message failed or the check found something, 2 wrong usage, 3 a needed service is not
reachable.";

/// Objects that write the methods they lack.
#[derive(Parser)]
#[command(name = "aura", version, max_term_width = 100, after_help = EXIT_STATUS)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args)]
#[command(next_help_heading = "Settings")]
struct Settings {
    /// The folder with the image and all else of this instance [AURA_DATA, ./.aura]
    #[arg(long, global = true, value_name = "FOLDER")]
    data: Option<String>,
    /// Where the running AURA is [AURA_URL, http://127.0.0.1:8000]
    #[arg(long, global = true, value_name = "URL")]
    url: Option<String>,
    /// Any setting by the name of its variable, such as AURA_MIND=openai
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<Flag>,
}

fn assignment(text: &str) -> Result<Flag, String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Subcommand)]
enum Command {
    /// Serve the HTTP API until interrupted
    Serve(serve::Options),
    /// Send a message to an object and wait for its result
    Send(send::Options),
    /// Send messages line by line
    Repl,
    /// Create the image and the models of the personas, where they are missing
    Genesis(genesis::Options),
    /// Print the settings, check that everything works, and say what cures what does not
    Doctor(doctor::Options),
    /// Write the whole image as JSON lines, for any store to import
    Export(transfer::Export),
    /// Read an export into an empty image
    Import(transfer::Import),
    /// Copy the image into a file that can be served in its place, while others write to it
    Copy(copy::Options),
    /// Make recorded runs again, and tell what comes out differently
    Replay(replay::Options),
    /// Read a method body as the audit does
    Audit(audit::Options),
    /// List, show, create and change objects
    #[command(subcommand)]
    Object(objects::Command),
    /// List, show, install and restore methods
    #[command(subcommand)]
    Method(methods::Command),
    /// Serve isolates from a process of their own, or run a body in one
    #[command(subcommand)]
    Sandbox(sandbox::Command),
    /// Speak to the mind directly
    #[command(subcommand)]
    Mind(mind::Command),
}

/// How a reading command answers.
#[derive(Args, Clone, Copy)]
struct Output {
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

impl Cli {
    /// The settings that the command line makes.
    pub fn flags(&self) -> Vec<Flag> {
        let mut flags = self.settings.set.clone();
        let mut set =
            |name: &str, value: Option<String>| flags.extend(value.map(|value| (name.to_owned(), value)));
        set("AURA_DATA", self.settings.data.clone());
        set("AURA_URL", self.settings.url.clone());
        if let Command::Serve(options) = &self.command {
            set("AURA_API_HOST", options.host.clone());
            set("AURA_API_PORT", options.port.map(|port| port.to_string()));
        }
        flags
    }

    /// What has its process for itself: no settings are read for it, and no thread is started.
    pub fn alone(&self) -> Option<Result<(), Failure>> {
        match &self.command {
            Command::Sandbox(sandbox::Command::Confined(options)) => Some(sandbox::serve_confined(options)),
            _ => None,
        }
    }

    pub async fn run(self, config: Config) -> Result<(), Failure> {
        match self.command {
            Command::Serve(options) => serve::serve(config, options).await,
            Command::Send(options) => send::send(&config, options).await,
            Command::Repl => repl::repl(&config).await,
            Command::Genesis(options) => genesis::genesis(&config, options).await,
            Command::Doctor(options) => doctor::doctor(&config, &options).await,
            Command::Export(options) => transfer::export(&config, options).await,
            Command::Import(options) => transfer::import(&config, options).await,
            Command::Copy(options) => copy::copy(&config, options).await,
            Command::Replay(options) => replay::replay(&config, options).await,
            Command::Audit(options) => audit::audit(&config, &options).await,
            Command::Object(command) => objects::run(&config, command).await,
            Command::Method(command) => methods::run(&config, command).await,
            Command::Sandbox(command) => sandbox::run(&config, command).await,
            Command::Mind(command) => mind::run(&config, command).await,
        }
    }
}

/// Sends the log to stderr.
pub fn start_log(config: &Config) -> Result<(), Failure> {
    start_log_as(&config.log, config.log_format, config.no_color)
}

fn start_log_as(filter: &str, format: LogFormat, no_color: bool) -> Result<(), Failure> {
    use std::io::IsTerminal as _;
    use tracing_subscriber::EnvFilter;

    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::Usage(format!("AURA_LOG='{filter}' is not valid: {error}")))?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Otherwise it says on stderr what stderr did not take, and dies of that.
    let log = log.log_internal_errors(false);
    match format {
        LogFormat::Json => log.json().init(),
        LogFormat::Human => log.with_ansi(std::io::stderr().is_terminal() && !no_color).init(),
    }
    Ok(())
}
