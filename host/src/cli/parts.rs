//! Builds the parts of AURA from the configuration.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;

use super::draft;
use super::failure::Failure;
use super::folder::DataFolder;
use super::term::{spin, spinner, tell};
use crate::audit::Policy;
use crate::config::{Config, StoreConfig};
use crate::mind::persona::{self, Personas};
use crate::mind::{self, Mind};
use crate::sandbox::remote::RemoteSandbox;
use crate::sandbox::wasm::{Progress, WasmSandbox, thread_stack_bytes};
use crate::sandbox::{Sandbox, Workers, parallel_runs};
use crate::store::Store;
use crate::store::arango::ArangoStore;
use crate::store::sqlite::SqliteStore;

/// How long a command waits for a sandbox that may be starting.
const PATIENCE: Duration = Duration::from_secs(5);

/// The image, made if it is missing.
pub async fn store(config: &Config, folder: &DataFolder) -> Result<Arc<dyn Store>, Failure> {
    match &config.store {
        StoreConfig::Sqlite => {
            let image = folder.image();
            Ok(Arc::new(blocking(move || SqliteStore::open(&image)).await??))
        }
        StoreConfig::Arango(arango) => Ok(Arc::new(ArangoStore::connect(arango.clone()).await?)),
    }
}

/// The image, if there is one.
pub async fn image(config: &Config) -> Result<Arc<dyn Store>, Failure> {
    if matches!(config.store, StoreConfig::Sqlite) {
        image_file(config)?;
    }
    store(config, &DataFolder::at(&config.data)).await
}

/// Where the image is, in words.
pub fn place(config: &Config, folder: &DataFolder) -> String {
    match &config.store {
        StoreConfig::Sqlite => folder.image().display().to_string(),
        StoreConfig::Arango(arango) => format!("{} at {}", arango.database, arango.url),
    }
}

/// The image's file, if there is one.
pub fn image_file(config: &Config) -> Result<PathBuf, Failure> {
    let image = DataFolder::at(&config.data).image();
    if image.is_file() {
        return Ok(image);
    }
    Err(Failure::Failed(format!(
        "There is no image {} yet. `aura serve` creates it, and --data names another folder.",
        image.display()
    )))
}

pub fn mind(config: &Config) -> Result<Arc<dyn Mind>, Failure> {
    mind::with_personas(config.mind.clone(), &personas(config)?)
        .map_err(|error| Failure::Usage(error.to_string()))
}

/// Who the mind can be.
pub fn personas(config: &Config) -> Result<Personas, Failure> {
    let Some(path) = &config.personas else {
        return Personas::genesis().map_err(|error| Failure::Failed(error.to_string()));
    };
    let wrong = |what: String| {
        Failure::Usage(format!(
            "AURA_PERSONAS: {}: {what}. Mend the file, name another one (genesis/personas.toml is an example), or leave AURA_PERSONAS empty.",
            path.display()
        ))
    };
    let mut text = String::new();
    let file = draft::open(path).map_err(|error| wrong(error.to_string()))?;
    file.take(persona::MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
    Personas::parse(&text).map_err(|error| wrong(error.to_string().trim_end().to_owned()))
}

/// The threads that isolates run on.
pub fn workers() -> Result<Workers, Failure> {
    Workers::start(parallel_runs(), thread_stack_bytes())
        .map_err(|error| Failure::Failed(format!("Cannot start the threads for isolates: {error}")))
}

/// Where runs are made: in this process, or in those that EXECUTION_SANDBOX_URL names.
pub async fn sandbox(config: &Config) -> Result<Arc<dyn Sandbox>, Failure> {
    sandbox_within(PATIENCE, config).await
}

pub async fn sandbox_within(patience: Duration, config: &Config) -> Result<Arc<dyn Sandbox>, Failure> {
    if config.sandboxes.is_empty() {
        return Ok(Arc::new(isolates(config).await?));
    }
    if config.policy.is_some() {
        tell("AURA_POLICY says nothing here: the sandbox has its own, given to `aura sandbox serve`.");
    }
    let addresses = config.sandboxes.clone();
    let waiting = |why: &str| tell(&format!("Waiting for the sandbox: {why}."));
    let connected = blocking(move || RemoteSandbox::connect(addresses, patience, waiting)).await?;
    Ok(Arc::new(connected.map_err(|why| {
        Failure::Unreachable(format!(
            "No sandbox answers: {why}. Start one with `aura sandbox serve`, or leave EXECUTION_SANDBOX_URL empty."
        ))
    })?))
}

/// Isolates in this process.
pub async fn isolates(config: &Config) -> Result<WasmSandbox, Failure> {
    let guest = guest(config)?;
    let (cache, policy) = (config.cache.clone(), policy(config)?);
    let loaded =
        blocking(move || WasmSandbox::load_with(&guest, &cache, &policy, &Steps::default(), || ())).await?;
    loaded.map_err(|error| Failure::Unreachable(error.to_string()))
}

/// What method bodies may use.
pub fn policy(config: &Config) -> Result<Policy, Failure> {
    read_policy(config.policy.as_deref())
}

/// The policy in a file, or the built-in one.
pub fn read_policy(path: Option<&Path>) -> Result<Policy, Failure> {
    let Some(path) = path else { return Ok(Policy::built_in()) };
    Policy::read(path).map_err(|error| Failure::Usage(format!("AURA_POLICY: {error}")))
}

pub fn guest(config: &Config) -> Result<PathBuf, Failure> {
    let path = config.guest_path();
    if path.is_file() {
        return Ok(path);
    }
    Err(Failure::Unreachable(match &config.guest {
        Some(path) => format!("There is no file {} (AURA_GUEST).", path.display()),
        None => "The Python guest is not built: run `cargo xtask guest`.".into(),
    }))
}

pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::Failed(format!("A part could not be prepared: {error}")))
}

/// Preparing the guest, which takes a while the first time: a spinner on a terminal, else a line a step.
pub struct Steps(Option<ProgressBar>);

impl Default for Steps {
    fn default() -> Self {
        Self(io::stderr().is_terminal().then(spinner))
    }
}

impl Progress for Steps {
    fn step(&self, text: &str) {
        match &self.0 {
            None => tell(text),
            Some(bar) => spin(bar, text),
        }
    }

    fn done(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
