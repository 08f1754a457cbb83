//! The guest's image: a snapshot taken after `init`, compiled ahead of time, kept in the cache, mapped from it.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wizer::Wizer;

use super::Progress;
use super::isolate::{self, State};
use crate::audit::Policy;
use crate::object::Digest;

/// In the cache.
const FOLDER: &str = "image";

/// Why there is no image.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("the Python guest is not built ({0} does not exist): run `cargo xtask guest`")]
    NotBuilt(String),
    #[error("the cache folder cannot be used: {0}")]
    Cache(#[from] io::Error),
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

/// Loads the guest from `guest`, by way of the compiled image in `cache` if there is a good one.
pub fn load(
    engine: &Engine,
    config: &Digest,
    guest: &Path,
    cache: &Path,
    policy: &Policy,
    progress: &dyn Progress,
) -> Result<Image, LoadError> {
    let wasm = read(guest)?;
    let guest_digest = Digest::of(&wasm);
    let folder = cache.join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    let images = Dir::open_ambient_dir(&folder, ambient_authority())?;
    let name = name(engine, config, &guest_digest);
    let path = folder.canonicalize()?.join(&name);
    if let Some(component) = kept(engine, &images, &name, &path)? {
        return Ok(Image { component, guest_digest, path });
    }
    // One process at a time makes the image; the others find it made.
    let lock = images.create("lock")?.into_std();
    lock.lock()?;
    if let Some(component) = kept(engine, &images, &name, &path)? {
        return Ok(Image { component, guest_digest, path });
    }
    progress.step("snapshot");
    let snapshot = snapshot(engine, &wasm, policy)?;
    progress.step("compile");
    let compiled = engine.precompile_component(&snapshot)?;
    keep(&images, &name, &compiled)?;
    progress.done();
    // SAFETY: the file was just written by this program.
    let component = unsafe { Component::deserialize_file(engine, &path) }?;
    Ok(Image { component, guest_digest, path })
}

/// Whether there is a good compiled image in `cache`. Makes nothing.
pub fn is_made(engine: &Engine, config: &Digest, guest: &Path, cache: &Path) -> Result<bool, LoadError> {
    let name = name(engine, config, &Digest::of(&read(guest)?));
    let folder = cache.join(FOLDER);
    let images = match Dir::open_ambient_dir(&folder, ambient_authority()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?,
    };
    Ok(kept(engine, &images, &name, &folder.canonicalize()?.join(&name))?.is_some())
}

fn read(guest: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(guest).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::NotBuilt(guest.display().to_string()),
        _ => LoadError::Cache(error),
    })
}

/// The image in the cache, if it is there, is what was written, and fits this engine.
fn kept(engine: &Engine, images: &Dir, name: &str, path: &Path) -> io::Result<Option<Component>> {
    if !is_intact(images, name)? {
        return Ok(None);
    }
    // SAFETY: the file is what this program wrote: its digest was just checked.
    Ok(unsafe { Component::deserialize_file(engine, path) }.ok())
}

/// Names an image by all it depends on: guest, configuration, and what compiled code has to match.
fn name(engine: &Engine, config: &Digest, guest: &Digest) -> String {
    use std::hash::{Hash as _, Hasher as _};
    let mut compatibility = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compatibility);
    format!("{}-{}-{:016x}.cwasm", &guest.as_str()[..16], &config.as_str()[..16], compatibility.finish())
}

/// Whether the file is there and is what was written.
fn is_intact(images: &Dir, name: &str) -> io::Result<bool> {
    let Ok(expected) = images.read_to_string(format!("{name}.sha256")) else { return Ok(false) };
    let Ok(mut file) = images.open(name) else { return Ok(false) };
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(format!("{:x}", hash.finalize()) == expected.trim())
}

/// Writes the image and then its digest; an interrupted write leaves nothing that counts as intact.
fn keep(images: &Dir, name: &str, compiled: &[u8]) -> io::Result<()> {
    let draft = format!("{name}.{}.draft", std::process::id());
    images.write(&draft, compiled)?;
    images.rename(&draft, images, name)?;
    images.write(&draft, Digest::of(compiled).as_str())?;
    images.rename(&draft, images, format!("{name}.sha256"))
}

/// Runs `init` by the policy and takes the guest's memory as it then is into the guest itself.
fn snapshot(engine: &Engine, wasm: &[u8], policy: &Policy) -> wasmtime::Result<Vec<u8>> {
    let mut wizer = Wizer::new();
    wizer.init_func("init").keep_init_func(true);
    let complaints = MemoryOutputPipe::new(64 << 10);
    let mut store = Store::new(engine, State::preparing(policy, complaints.clone()));
    isolate::unlimited(&mut store)?;
    let instantiate = async |store: &mut Store<State>, component: &Component| {
        let mut linker = Linker::new(store.engine());
        isolate::link(&mut linker)?;
        linker.instantiate(store, component)
    };
    let run = wizer.run_component(&mut store, wasm, instantiate);
    let (snapshot, _) = futures::executor::block_on(run)
        .map_err(|error| error.context(String::from_utf8_lossy(&complaints.contents()).into_owned()))?;
    Ok(snapshot)
}
