//! `aura sandbox confined`: the process in which isolates are served. It reads no settings.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::term::{print, tell};
use crate::cli::{parts, start_log_as};
use crate::config::LogFormat;
use crate::sandbox::confine::close_inherited_files;
use crate::sandbox::remote::{Address, Process, ProcessError, stopped};
use crate::sandbox::wasm::{Silent, WasmSandbox};

#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Args)]
pub struct Options {
    #[arg(long)]
    listen: Address,
    #[arg(long)]
    guest: PathBuf,
    #[arg(long)]
    cache: PathBuf,
    #[arg(long)]
    policy: Option<PathBuf>,
    #[arg(long)]
    log: String,
    #[arg(long)]
    json_log: bool,
    #[arg(long)]
    no_color: bool,
    #[arg(long)]
    group: bool,
    #[arg(long)]
    require_confinement: bool,
}

pub fn serve_confined(options: &Options) -> Result<(), Failure> {
    close_inherited_files();
    let format = if options.json_log { LogFormat::Json } else { LogFormat::Human };
    start_log_as(&options.log, format, options.no_color)?;
    let policy = parts::read_policy(options.policy.as_deref())?;
    let process = Process {
        listen: options.listen.clone(),
        group: options.group,
        require_confinement: options.require_confinement,
    };
    let calls = process.serve(
        |before| WasmSandbox::load_with(&options.guest, &options.cache, &policy, &Silent, before),
        // Who does not read this may still make calls.
        |ready| drop(print(ready)),
    )?;
    tell(&stopped(calls));
    Ok(())
}

impl From<ProcessError> for Failure {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::Failed(text) => Self::Failed(text),
            ProcessError::Load(error) => Self::Unreachable(error.to_string()),
        }
    }
}
