//! The compiled image as two files of a folder, for a program that cannot compile: the code, and what is said of it.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use wasmtime::Engine;

use super::image::{self, Image, LoadError};
use crate::object::Digest;

pub const CODE: &str = "python.cwasm";
pub const MANIFEST: &str = "python.json";

#[derive(Serialize, Deserialize)]
pub struct Manifest {
    /// Of the guest that was compiled.
    pub guest: Digest,
    /// Of all that a run's outcome or fuel could depend on, the policy included.
    pub configuration: Digest,
    /// Of the compiled code.
    pub code: Digest,
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
