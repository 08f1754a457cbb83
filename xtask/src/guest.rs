//! The guest: a Python interpreter as a WebAssembly component, built once for each state of its sources.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::guest_key::guest_key;
use crate::remap;
use crate::wasm_target::{self, TARGET};
use crate::workspace::{Workspace, run, say, sha256};

/// Where the guest of this checkout is in the cache, after building it if it is not there.
pub fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let _lock = workspace.lock("guest")?;
    let key = guest_key(&workspace.root).context("cannot read the guest's sources")?;
    let folder = workspace.cache.join("guest").join(key);
    let component = folder.join("python.wasm");
    let digest = folder.join("python.wasm.sha256");
    if component.exists() {
        let found = sha256(&component)?;
        match fs::read_to_string(&digest) {
            Ok(built) if built == found => return Ok(component),
            Ok(_) => say("the guest is not what was built: building it again"),
            // One of before digests were kept.
            Err(_) => {
                fs::write(digest, found)?;
                return Ok(component);
            }
        }
    }
    wasm_target::ensure(workspace)?;
    say("building the guest: Python for WebAssembly (about 4 minutes on two cores)");
    let mut cargo = workspace.guest_cargo();
    // ruff's crates declare a newer Rust than they need.
    cargo.args(["build", "--release", "--locked", "--ignore-rust-version", "--target", TARGET]);
    cargo.arg("--config").arg(renamed_folders(workspace)?);
    run(&mut cargo)?;
    let built = workspace.guest_target().join(TARGET).join("release/aura_guest_python.wasm");
    fs::create_dir_all(&folder)?;
    let partial = folder.join("python.wasm.partial");
    fs::copy(built, &partial)?;
    // Whatever is interrupted, no guest lies beside the digest of another.
    let _ = fs::remove_file(&component);
    fs::write(digest, sha256(&partial)?)?;
    fs::rename(partial, &component)?;
    Ok(component)
}

/// A setting of cargo's that joins the compiler flags of the guest's own configuration.
fn renamed_folders(workspace: &Workspace) -> Result<String> {
    let mut folders =
        vec![(workspace.root.clone(), "/aura".to_owned()), (workspace.guest_target(), "/build".to_owned())];
    folders.extend(remap::packages(workspace.guest_cargo(), &workspace.root.join("guest-python"))?);
    Ok(format!("target.{TARGET}.rustflags={}", serde_json::to_string(&remap::flags(&folders))?))
}
