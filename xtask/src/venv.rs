//! Virtual environments of Python with pinned packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::{capture, say};

/// The Python of the environment in `folder`, which has exactly what `requirements` names, each by its SHA-256.
pub fn ensure(folder: &Path, requirements: &Path, what: &str) -> Result<PathBuf> {
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    let installed = venv.join("requirements.txt");
    let wanted = fs::read(requirements)?;
    if fs::read(&installed).is_ok_and(|content| content == wanted) {
        return Ok(python);
    }
    say(&format!("installing {what}"));
    capture(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv)).context(
        "Python cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv",
    )?;
    capture(
        pip(&python).args(["install", "--require-hashes", "--only-binary=:all:", "-r"]).arg(requirements),
    )
    .with_context(|| format!("pip cannot install {what}; is the Python package index reachable?"))?;
    fs::write(installed, wanted)?;
    Ok(python)
}

/// pip as a program that asks nothing.
pub fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]);
    command
}
