//! `aura sandbox serve`: reads the settings, makes the image if there is none, and becomes `aura sandbox confined`.
//!
//! That is another program to the kernel: of what this one read, and of its environment, nothing is left in memory.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::folder::DataFolder;
use crate::cli::parts;
use crate::config::{Config, LogFormat};
use crate::sandbox::remote::Address;
use crate::sandbox::wasm::find;

#[derive(Args)]
pub struct Options {
    /// unix:/PATH, unix:/FOLDER/ or http://127.0.0.1:PORT [EXECUTION_SANDBOX_URL, unix:AURA_DATA/sandbox.sock]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<Address>,
    /// Let the group of the socket's file connect too
    #[arg(long)]
    group: bool,
    /// Listen on an address that other machines reach: whoever does may run what they like in isolates
    #[arg(long)]
    allow_public: bool,
    /// Do not start where the kernel offers less than all of the confinement
    #[arg(long)]
    require_confinement: bool,
}

pub async fn serve(config: &Config, options: Options) -> Result<(), Failure> {
    let listen = match (options.listen, config.sandboxes.as_slice()) {
        (Some(listen), _) => listen,
        (None, [one]) => one.clone(),
        (None, []) => Address::Unix(in_the_data_folder(config)?),
        (None, _) => {
            return Err(Failure::Usage(
                "EXECUTION_SANDBOX_URL names several sandboxes: say which one this is with --listen."
                    .to_owned(),
            ));
        }
    };
    if !options.allow_public && !is_of_this_machine(&listen) {
        return Err(Failure::Usage(format!(
            "{listen} can be reached from other machines, and a sandbox asks nobody who they are: listen on \
             127.0.0.1 or a socket file, or say --allow-public where only its hosts reach it."
        )));
    }
    let (guest, cache) = (absolute(&parts::guest(config)?)?, absolute(&config.cache)?);
    let made = {
        let (guest, cache, policy) = (guest.clone(), cache.clone(), parts::policy(config)?);
        parts::blocking(move || find(&guest, &cache, &policy)).await?
    };
    if !made.is_ok_and(|(_, image)| image.is_some()) {
        parts::isolates(config).await?;
    }
    let program = std::env::current_exe()
        .map_err(|error| Failure::Failed(format!("Cannot find this program's file: {error}")))?;
    let mut command = process::Command::new(program);
    command.env_clear().current_dir("/").args(["sandbox", "confined"]);
    command.arg("--listen").arg(listen.to_string());
    command.arg("--guest").arg(guest).arg("--cache").arg(cache).arg("--log").arg(&config.log);
    if let Some(policy) = &config.policy {
        command.arg("--policy").arg(absolute(policy)?);
    }
    for (name, is_set) in [
        ("--json-log", config.log_format == LogFormat::Json),
        ("--no-color", config.no_color),
        ("--group", options.group),
        ("--require-confinement", options.require_confinement),
    ] {
        if is_set {
            command.arg(name);
        }
    }
    Err(Failure::Failed(format!("Cannot start the sandbox: {}", command.exec())))
}

fn in_the_data_folder(config: &Config) -> Result<PathBuf, Failure> {
    absolute(&DataFolder::open(&config.data)?.sandbox())
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn is_of_this_machine(address: &Address) -> bool {
    match address {
        Address::Unix(_) | Address::Folder(_) => true,
        Address::Tcp { host, .. } => crate::outbound::is_loopback_host(host),
    }
}
