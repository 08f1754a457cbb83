//! `aura sandbox pack`: the guest compiled for the container image of the sandbox.

use std::path::PathBuf;

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::parts;
use crate::cli::term::print;
use crate::config::Config;
use crate::sandbox::wasm::pack;

#[derive(Args)]
pub struct Options {
    /// Where to write the two files
    folder: PathBuf,
}

pub async fn run(config: &Config, options: Options) -> Result<(), Failure> {
    let (guest, policy) = (parts::guest(config)?, parts::policy(config)?);
    let folder = options.folder.clone();
    let packed = parts::blocking(move || pack(&guest, &policy, &folder, &parts::Steps::default())).await?;
    packed.map_err(|error| Failure::Failed(error.to_string()))?;
    print(&format!("The compiled guest is in {}.", options.folder.display()))
}
