//! The guest compiled ahead of time, and mapped from its file.
//!
//! A compiled image is machine code, and is run as it is. So only this user and the superuser may write to it, or it
//! is not used; and its SHA-256 is kept beside it, which finds what a broken disk or an interrupted write has left. The
//! digest is of the very file that is then mapped. Whoever can write as this user can replace both, and this program
//! as well: from them nothing here protects.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::object::Digest;

/// Why there is no image.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("the Python guest is not built ({0} does not exist): run `cargo xtask guest`")]
    NotBuilt(String),
    #[error("the Python guest {0} is damaged: run `cargo xtask guest`")]
    Damaged(String),
    #[error("the cache folder cannot be used: {0}")]
    Cache(#[from] io::Error),
    /// Anybody's code could be in it.
    #[error("others may write to {0}: `chown -R {user} {0}` and `chmod -R go-w {0}`, or choose another folder with AURA_CACHE", user = rustix::process::geteuid().as_raw())]
    Exposed(String),
    #[error("the compiled guest {0} is damaged: make the container image again")]
    DamagedImage(String),
    #[error("the compiled guest cannot be read: {0}")]
    NoImage(String),
    #[error("the guest cannot be made ready: {0:#}")]
    Guest(wasmtime::Error),
}

impl From<wasmtime::Error> for LoadError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Guest(error)
    }
}

/// The compiled guest.
pub struct Image {
    pub component: Component,
    pub guest_digest: Digest,
    /// The file that isolates have mapped.
    pub path: PathBuf,
}

/// The component in the file, if that holds what was written and fits the engine.
pub fn map(
    engine: &Engine,
    file: &File,
    path: &Path,
    written: &Digest,
) -> Result<Option<wasmtime::Result<Component>>, LoadError> {
    require_own(file, path)?;
    let (found, _) = Digest::read(file)?;
    if found != *written {
        return Ok(None);
    }
    // By this name it is that very file, whatever its own name leads to by now.
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the file is what this program wrote: its digest was just checked, and others may not write to it.
    Ok(Some(unsafe { Component::deserialize_file(engine, open) }))
}

/// Fails if anybody but this user and the superuser may write to it.
pub fn require_own(file: &File, path: &Path) -> Result<(), LoadError> {
    let seen = file.metadata()?;
    let own = seen.uid() == 0 || seen.uid() == rustix::process::geteuid().as_raw();
    if own && seen.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(LoadError::Exposed(path.display().to_string()))
}
