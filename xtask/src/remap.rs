//! One name on every machine for each folder whose path would get into what the compiler makes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::workspace::capture;

/// Where rustup's standard library has the packages it is made with.
const PACKAGES: &str = "/rust/deps";

/// Compiler flags that rename folders. Where one lies in another, the later in the list counts.
pub fn flags(folders: &[(PathBuf, String)]) -> Vec<String> {
    let renamed =
        |(folder, name): &(PathBuf, String)| format!("--remap-path-prefix={}={name}", folder.display());
    folders.iter().map(renamed).collect()
}

/// The folders where the packages from elsewhere lie that the workspace in `folder` is made with, after they were
/// downloaded: cargo names them after the registry's address.
pub fn packages(mut cargo: Command, folder: &Path) -> Result<Vec<(PathBuf, String)>> {
    cargo.current_dir(folder).args(["metadata", "--locked", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&capture(&mut cargo)?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let manifests = packages.iter().filter(|package| !package["source"].is_null());
    let folders: BTreeSet<_> = manifests
        .filter_map(|package| Path::new(package["manifest_path"].as_str()?).parent()?.parent())
        .collect();
    Ok(folders.into_iter().map(|folder| (folder.to_owned(), PACKAGES.to_owned())).collect())
}

/// The compiler's own sources, as rustup's standard library names them.
pub fn compiler_sources() -> Result<String> {
    let answer = capture(Command::new("rustc").arg("-vV"))?;
    let commit = answer.lines().find_map(|line| line.strip_prefix("commit-hash: "));
    Ok(format!("/rustc/{}", commit.context("rustc tells no commit")?))
}
