//! What must be on the machine before anything is built, and how to get it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use nix::sys::statvfs::statvfs;

use crate::workspace::{Workspace, capture, is_program};

/// What a first set-up leaves in the cache, with room to spare.
const GIGABYTES: u64 = 12;

/// A linker for Rust programs, and room in a cache that is still empty.
pub fn check(workspace: &Workspace) -> Result<()> {
    if !is_program("cc") {
        bail!("no C compiler (`cc`): Rust links with it\n{}", install("build-essential"));
    }
    let begun = fs::exists(workspace.cache.join("build"))?;
    let free = free_gigabytes(&workspace.cache)?;
    if !begun && free < GIGABYTES {
        bail!(
            "{} has {free} GB free, and a first set-up needs {GIGABYTES} GB\n\
             free some, or set AURA_CACHE to a folder on another disk",
            workspace.cache.display()
        );
    }
    Ok(())
}

/// A Python that can run the small model's server.
pub fn check_python() -> Result<()> {
    let packages = "python3 python3-venv";
    let probe = "import sys, venv, ensurepip; print(sys.version_info >= (3, 10))";
    match capture(Command::new("python3").args(["-c", probe])) {
        Ok(answer) if answer.trim() == "True" => Ok(()),
        Ok(_) => bail!("Python 3.10 or newer is needed for the small model; or install Ollama instead"),
        Err(_) => bail!("Python with `venv` is needed for the small model\n{}", install(packages)),
    }
}

fn free_gigabytes(folder: &Path) -> Result<u64> {
    let file_system = statvfs(folder)?;
    Ok(file_system.blocks_available() * file_system.fragment_size() / 1_000_000_000)
}

fn install(packages: &str) -> String {
    format!("on Debian and Ubuntu: sudo apt-get install {packages}")
}
