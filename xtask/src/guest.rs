//! The guest: a Python interpreter as a WebAssembly component, built once for each state of its sources.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::guest_key::guest_key;
use crate::wasm_target::{self, TARGET};
use crate::workspace::{Workspace, run, say};

/// Where the guest of this checkout is in the cache, after building it if it is not there.
pub fn ensure(workspace: &Workspace) -> Result<PathBuf> {
    let _lock = workspace.lock("guest")?;
    let key = guest_key(&workspace.root).context("cannot read the guest's sources")?;
    let folder = workspace.cache.join("guest").join(key);
    let component = folder.join("python.wasm");
    if component.exists() {
        return Ok(component);
    }
    wasm_target::ensure(workspace)?;
    say("building the guest: Python for WebAssembly (about 4 minutes on two cores)");
    let mut cargo = workspace.guest_cargo();
    // ruff's crates declare a newer Rust than they need.
    cargo.args(["build", "--release", "--locked", "--ignore-rust-version", "--target", TARGET]);
    run(&mut cargo)?;
    let built = workspace.cache.join("build/guest").join(TARGET).join("release/aura_guest_python.wasm");
    fs::create_dir_all(&folder)?;
    let partial = folder.join("python.wasm.partial");
    fs::copy(built, &partial)?;
    fs::rename(partial, &component)?;
    Ok(component)
}
