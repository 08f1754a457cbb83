//! The guest's image: a snapshot taken after `init`, compiled ahead of time, kept in the cache, mapped from it.
//!
//! A compiled image is machine code, and is run as it is. So only this user and the superuser may write to it, or it
//! is not used; and beside it lies its SHA-256, which finds what a broken disk or an interrupted write has left. The
//! digest is of the very file that is then mapped. Whoever can write as this user can replace both, and this program
//! as well: from them nothing here protects. The guest itself is only ever run inside of WebAssembly; the digest beside
//! it finds damage, too.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
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
    #[error("the Python guest {0} is damaged: run `cargo xtask guest`")]
    Damaged(String),
    #[error("the cache folder cannot be used: {0}")]
    Cache(#[from] io::Error),
    /// Anybody's code could be in it.
    #[error("others may write to {0}: `chown -R {user} {0}` and `chmod -R go-w {0}`, or choose another folder with AURA_CACHE", user = rustix::process::geteuid().as_raw())]
    Exposed(String),
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
    let (wasm, guest_digest) = read(guest)?;
    let folder = cache.join(FOLDER);
    DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let images = open(&folder)?;
    let name = name(engine, config, &guest_digest);
    let path = folder.canonicalize()?.join(&name);
    let image = |(component, _)| Image { component, guest_digest, path: path.clone() };
    if let Some(found) = kept(engine, &images, &path)? {
        return Ok(image(found));
    }
    // One process at a time makes the image; the others find it made.
    let lock = images.create("lock")?.into_std();
    lock.lock()?;
    if let Some(found) = kept(engine, &images, &path)? {
        return Ok(image(found));
    }
    progress.step("snapshot");
    let snapshot = snapshot(engine, &wasm, policy)?;
    progress.step("compile");
    let compiled = engine.precompile_component(&snapshot)?;
    keep(&images, &name, &compiled)?;
    progress.done();
    let found = kept(engine, &images, &path)?;
    found.map(image).ok_or_else(|| LoadError::Cache(io::Error::other("what was written to it is gone")))
}

/// The digest of the guest, and of the compiled image in `cache` if there is a good one. Makes nothing.
pub fn find(
    engine: &Engine,
    config: &Digest,
    guest: &Path,
    cache: &Path,
) -> Result<(Digest, Option<Digest>), LoadError> {
    let (_, guest) = read(guest)?;
    let folder = cache.join(FOLDER);
    let images = match open(&folder) {
        Err(LoadError::Cache(error)) if error.kind() == io::ErrorKind::NotFound => return Ok((guest, None)),
        other => other?,
    };
    let path = folder.canonicalize()?.join(name(engine, config, &guest));
    Ok((guest, kept(engine, &images, &path)?.map(|(_, image)| image)))
}

/// The guest, if it is what was built.
fn read(guest: &Path) -> Result<(Vec<u8>, Digest), LoadError> {
    let shown = || guest.display().to_string();
    let wasm = std::fs::read(guest).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::NotBuilt(shown()),
        _ => LoadError::Cache(error),
    })?;
    let digest = Digest::of(&wasm);
    // One that somebody built elsewhere may have none.
    let built = std::fs::read_to_string(guest.with_extension("wasm.sha256"));
    if built.is_ok_and(|built| built.trim() != digest.as_str()) {
        return Err(LoadError::Damaged(shown()));
    }
    Ok((wasm, digest))
}

fn open(folder: &Path) -> Result<Dir, LoadError> {
    let images = Dir::open_ambient_dir(folder, ambient_authority())?;
    require_own(&images.try_clone()?.into_std_file(), folder)?;
    Ok(images)
}

/// Fails if anybody but this user and the superuser may write to it.
fn require_own(file: &File, path: &Path) -> Result<(), LoadError> {
    let seen = file.metadata()?;
    let own = seen.uid() == 0 || seen.uid() == rustix::process::geteuid().as_raw();
    if own && seen.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(LoadError::Exposed(path.display().to_string()))
}

/// The image in the cache with its digest, if it is there, is what was written, and fits this engine.
fn kept(engine: &Engine, images: &Dir, path: &Path) -> Result<Option<(Component, Digest)>, LoadError> {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return Ok(None) };
    let expected = images.read_to_string(format!("{name}.sha256")).ok();
    let Some(expected) = expected.and_then(|text| Digest::parse(text.trim())) else { return Ok(None) };
    let Ok(file) = images.open(name) else { return Ok(None) };
    let file = file.into_std();
    require_own(&file, path)?;
    if !holds(&file, &expected)? {
        return Ok(None);
    }
    // By this name it is that very file, whatever its own name leads to by now.
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the file is what this program wrote: its digest was just checked, and others may not write to it.
    Ok(unsafe { Component::deserialize_file(engine, open) }.ok().map(|component| (component, expected)))
}

/// Names an image by all it depends on: guest, configuration, and what compiled code has to match.
fn name(engine: &Engine, config: &Digest, guest: &Digest) -> String {
    use std::hash::{Hash as _, Hasher as _};
    let mut compatibility = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compatibility);
    format!("{}-{}-{:016x}.cwasm", &guest.as_str()[..16], &config.as_str()[..16], compatibility.finish())
}

/// Whether the file is what was written.
fn holds(mut file: &File, expected: &Digest) -> io::Result<bool> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
    }
    Ok(format!("{:x}", hash.finalize()) == expected.as_str())
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
    let (snapshot, _) = futures::executor::block_on(run).map_err(|error| {
        let complaints = complaints.contents();
        let complaint = String::from_utf8_lossy(&complaints);
        match exception(&complaint) {
            Some(exception) => wasmtime::Error::msg(format!("the policy cannot be applied: {exception}")),
            None => error.context(complaint.into_owned()),
        }
    })?;
    Ok(snapshot)
}

/// The exception in what the guest says when Python cannot be prepared.
fn exception(complaint: &str) -> Option<&str> {
    let (_, traceback) = complaint.split_once("the interpreter cannot be prepared:\n")?;
    traceback.split("\n\n").next()?.lines().next_back()
}
