//! The compiled image as two files of a folder, for a program that cannot compile: the code, and what is said of it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use wasmtime::Engine;

use super::image::{self, Image, LoadError};
use crate::object::Digest;

const CODE: &str = "python.cwasm";
const MANIFEST: &str = "python.json";

#[derive(Serialize, Deserialize)]
struct Manifest {
    /// Of the guest that was compiled.
    guest: Digest,
    /// Of all that a run's outcome or fuel could depend on, the policy included.
    configuration: Digest,
    /// Of the compiled code.
    code: Digest,
}

/// The image in the folder, and the digest of its configuration.
pub fn load(engine: &Engine, folder: &Path) -> Result<(Image, Digest), LoadError> {
    let path = folder.join(CODE);
    let damaged = || LoadError::DamagedImage(path.display().to_string());
    let manifest = fs::read(folder.join(MANIFEST)).map_err(|error| missing(&error, folder, MANIFEST))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|_| damaged())?;
    let file = File::open(&path).map_err(|error| missing(&error, folder, CODE))?;
    let component = image::map(engine, &file, &path, &manifest.code)?.ok_or_else(damaged)??;
    Ok((Image { component, guest_digest: manifest.guest, path }, manifest.configuration))
}

fn missing(error: &io::Error, folder: &Path, name: &str) -> LoadError {
    LoadError::NoImage(format!("{}: {error}", folder.join(name).display()))
}

/// Writes the guest, prepared by the policy and compiled for all machines of this kind, into the folder. Made of the
/// same guest and policy, the files are the same bytes.
#[cfg(feature = "full")]
pub fn pack(
    guest: &Path,
    policy: &crate::audit::Policy,
    folder: &Path,
    progress: &dyn super::Progress,
) -> Result<(), LoadError> {
    use super::{cache, engine, snapshot};

    let (wasm, guest) = cache::read(guest)?;
    progress.step("starting Python once and keeping the snapshot");
    let snapshot = snapshot::snapshot(&engine::engine(1)?, &wasm, policy)?;
    progress.step("compiling Python for all machines of this kind");
    let code = engine::portable()?.precompile_component(&snapshot)?;
    progress.done();
    let manifest = Manifest { guest, configuration: engine::digest(policy), code: Digest::of(&code) };
    fs::create_dir_all(folder)?;
    fs::write(folder.join(CODE), code)?;
    fs::write(folder.join(MANIFEST), serde_json::to_vec_pretty(&manifest).map_err(io::Error::from)?)?;
    Ok(())
}
