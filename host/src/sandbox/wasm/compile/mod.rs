//! What compiles the guest: the program in the container image of the sandbox does without.

mod cache;
mod snapshot;

pub use cache::{remove_stale_drafts, stale_drafts};

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use wasmtime::Engine;

use self::snapshot::snapshot;
use super::image::LoadError;
use super::packed::{CODE, MANIFEST, Manifest};
use super::{Progress, WasmSandbox, engine};
use crate::audit::Policy;
use crate::object::{CEILING, Digest};

/// The version of the runtime, part of the configuration's digest. Raised together with the dependency.
const RUNTIME: &str = "wasmtime 48";

/// The level x86-64-v3, which most processors since 2013 have.
const X86_64_V3: [&str; 11] = [
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
    "has_fma",
];

impl WasmSandbox {
    /// Loads the guest with the built-in policy.
    pub fn load(guest: &Path, cache: &Path, progress: &dyn Progress) -> Result<Self, LoadError> {
        Self::load_with(guest, cache, &Policy::built_in(), progress, || ())
    }

    /// Loads the guest; the first time for this guest, policy and machine that takes its snapshot and compiles it.
    /// `before_threads` is done when all is there but the threads.
    pub fn load_with(
        guest: &Path,
        cache: &Path,
        policy: &Policy,
        progress: &dyn Progress,
        before_threads: impl FnOnce(),
    ) -> Result<Self, LoadError> {
        let engine = engine::engine(super::most_isolates())?;
        let config_digest = digest(policy);
        let image = cache::load(&engine, &config_digest, guest, cache, policy, progress)?;
        Self::start(&engine, image, config_digest, before_threads)
    }
}

/// The digest of the guest, and of what it was compiled to for this machine, if it was, so that
/// [`WasmSandbox::load`] takes no time. Makes nothing.
pub fn find(guest: &Path, cache: &Path, policy: &Policy) -> Result<(Digest, Option<Digest>), LoadError> {
    cache::find(&engine::engine(1)?, &digest(policy), guest, cache)
}

/// Writes the guest, prepared by the policy and compiled for all machines of this kind, into the folder. Made of the
/// same guest and policy, the files are the same bytes.
pub fn pack(guest: &Path, policy: &Policy, folder: &Path, progress: &dyn Progress) -> Result<(), LoadError> {
    let (wasm, guest) = cache::read(guest)?;
    progress.step("starting Python once and keeping the snapshot");
    let snapshot = snapshot(&engine::engine(1)?, &wasm, policy)?;
    progress.step("compiling Python for all machines of this kind");
    let code = portable()?.precompile_component(&snapshot)?;
    progress.done();
    let manifest = Manifest { guest, configuration: digest(policy), code: Digest::of(&code) };
    fs::create_dir_all(folder)?;
    fs::write(folder.join(CODE), code)?;
    fs::write(folder.join(MANIFEST), serde_json::to_vec_pretty(&manifest).map_err(io::Error::from)?)?;
    Ok(())
}

/// An engine that compiles for other machines of this kind too.
fn portable() -> wasmtime::Result<Engine> {
    let mut config = engine::config(1)?;
    config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))?;
    if cfg!(target_arch = "x86_64") {
        for flag in X86_64_V3 {
            // SAFETY: code is only loaded by an engine that finds these on its machine.
            unsafe { config.cranelift_flag_enable(flag) };
        }
    }
    Engine::new(&config)
}

/// The digest of everything in the configuration that a run's outcome or fuel could depend on.
fn digest(policy: &Policy) -> Digest {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "{RUNTIME}; fuel; stack {}; nan canonical; relaxed simd deterministic; threads off; memory {}; policy {}",
        engine::STACK_BYTES,
        CEILING.memory_bytes,
        policy.digest()
    );
    Digest::of(text.as_bytes())
}
