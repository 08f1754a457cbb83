//! The guest and its compiled image in the cache: found, or made by a snapshot that is compiled for this machine.
//!
//! The guest itself is only ever run inside of WebAssembly; the digest beside it finds damage.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::snapshot::snapshot;
use crate::audit::Policy;
use crate::object::Digest;
use crate::sandbox::wasm::Progress;
use crate::sandbox::wasm::image::{self, Image, LoadError};

/// In the cache.
const FOLDER: &str = "image";
/// Held by the process that makes an image.
const LOCK: &str = "lock";
/// How the name of a file ends that is not written to its end yet.
const DRAFT: &str = "draft";

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
    let lock = images.create(LOCK)?.into_std();
    lock.lock()?;
    if let Some(found) = kept(engine, &images, &path)? {
        return Ok(image(found));
    }
    progress.step("starting Python once and keeping the snapshot (only this first time)");
    let snapshot = snapshot(engine, &wasm, policy)?;
    progress.step("compiling Python for this machine (only this first time)");
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
pub fn read(guest: &Path) -> Result<(Vec<u8>, Digest), LoadError> {
    let shown = || guest.display().to_string();
    let wasm = fs::read(guest).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::NotBuilt(shown()),
        _ => LoadError::Cache(error),
    })?;
    let digest = Digest::of(&wasm);
    // One that somebody built elsewhere may have none.
    let built = fs::read_to_string(guest.with_extension("wasm.sha256"));
    if built.is_ok_and(|built| built.trim() != digest.as_str()) {
        return Err(LoadError::Damaged(shown()));
    }
    Ok((wasm, digest))
}

fn open(folder: &Path) -> Result<Dir, LoadError> {
    let images = Dir::open_ambient_dir(folder, ambient_authority())?;
    image::require_own(&images.try_clone()?.into_std_file(), folder)?;
    Ok(images)
}

/// The image in the cache with its digest, if it is there, is what was written, and fits this engine.
fn kept(engine: &Engine, images: &Dir, path: &Path) -> Result<Option<(Component, Digest)>, LoadError> {
    let Some(name) = path.file_name().and_then(OsStr::to_str) else { return Ok(None) };
    let expected = images.read_to_string(format!("{name}.sha256")).ok();
    let Some(expected) = expected.and_then(|text| Digest::parse(text.trim())) else { return Ok(None) };
    let Ok(file) = images.open(name) else { return Ok(None) };
    let mapped = image::map(engine, &file.into_std(), path, &expected)?;
    Ok(mapped.and_then(Result::ok).map(|component| (component, expected)))
}

/// Names an image by all it depends on: guest, configuration, and what compiled code has to match.
fn name(engine: &Engine, config: &Digest, guest: &Digest) -> String {
    use std::hash::{Hash as _, Hasher as _};
    let mut compatibility = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut compatibility);
    format!("{}-{}-{:016x}.cwasm", &guest.as_str()[..16], &config.as_str()[..16], compatibility.finish())
}

/// Writes the image and then its digest; an interrupted write leaves nothing that counts as intact.
fn keep(images: &Dir, name: &str, compiled: &[u8]) -> io::Result<()> {
    let draft = format!("{name}.{}.{DRAFT}", std::process::id());
    images.write(&draft, compiled)?;
    images.rename(&draft, images, name)?;
    images.write(&draft, Digest::of(compiled).as_str())?;
    images.rename(&draft, images, format!("{name}.sha256"))
}

/// Drafts in `cache` that nobody finishes.
#[must_use]
pub fn stale_drafts(cache: &Path) -> Vec<PathBuf> {
    unfinished(cache).map(|(drafts, _)| drafts).unwrap_or_default()
}

/// Removes them, and says how many there were.
pub fn remove_stale_drafts(cache: &Path) -> io::Result<usize> {
    let Some((drafts, _lock)) = unfinished(cache) else {
        return Err(io::Error::other("a compiled image is being made just now"));
    };
    for draft in &drafts {
        fs::remove_file(draft).map_err(|error| io::Error::other(format!("{}: {error}", draft.display())))?;
    }
    Ok(drafts.len())
}

/// All drafts, with the lock, so that nobody begins another. `None`: somebody is making an image.
fn unfinished(cache: &Path) -> Option<(Vec<PathBuf>, Option<File>)> {
    let folder = cache.join(FOLDER);
    // A lock that is not there is nobody's.
    let lock = File::open(folder.join(LOCK)).ok();
    if lock.as_ref().is_some_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))) {
        return None;
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let drafts =
        files.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == DRAFT));
    Some((drafts.collect(), lock))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_are_stale_unless_somebody_makes_one() {
        let cache = tempfile::tempdir().unwrap();
        let images = cache.path().join(FOLDER);
        assert!(stale_drafts(cache.path()).is_empty());
        fs::create_dir(&images).unwrap();
        for (name, text) in
            [("lock", ""), ("a.cwasm", "kept"), ("a.cwasm.7.draft", "half"), ("b.9.draft", "x")]
        {
            fs::write(images.join(name), text).unwrap();
        }
        let lock = File::open(images.join("lock")).unwrap();
        lock.lock().unwrap();
        assert!(stale_drafts(cache.path()).is_empty());
        let refused = remove_stale_drafts(cache.path()).unwrap_err().to_string();
        assert_eq!(refused, "a compiled image is being made just now");
        drop(lock);
        assert_eq!(stale_drafts(cache.path()).len(), 2);
        assert_eq!(remove_stale_drafts(cache.path()).unwrap(), 2);
        assert!(stale_drafts(cache.path()).is_empty() && images.join("a.cwasm").exists());
    }
}
