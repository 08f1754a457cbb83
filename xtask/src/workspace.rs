//! The checkout and the cache beside it, and how programs are run in them.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// The checkout this task runner belongs to, and the folder for everything worth keeping between checkouts.
pub struct Workspace {
    pub root: PathBuf,
    pub cache: PathBuf,
}

impl Workspace {
    pub fn locate() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().context("xtask lies in the checkout")?.to_owned();
        let cache = folder("AURA_CACHE")
            .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("aura")))
            .or_else(|| Some(folder("HOME")?.join(".cache/aura")))
            .context("no cache folder: set AURA_CACHE to a folder with 12 GB free")?;
        fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
        Ok(Self { root, cache })
    }

    /// Where the host is built: outside the checkout, so that a fresh clone finds its dependencies compiled.
    pub fn host_target(&self) -> PathBuf {
        folder("CARGO_TARGET_DIR").unwrap_or_else(|| self.cache.join("build/host"))
    }

    /// Cargo at the root of the checkout, building into [`Self::host_target`].
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root);
        cargo.env("AURA_CACHE", &self.cache).env("CARGO_TARGET_DIR", self.host_target());
        // What `cargo run` tells of xtask: build scripts that look at it would run again for every checkout.
        for (name, _) in env::vars_os() {
            if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
                cargo.env_remove(name);
            }
        }
        cargo
    }

    /// Cargo in the guest's own workspace, whose own compiler flags those of the environment would displace.
    pub fn guest_cargo(&self) -> Command {
        let mut cargo = self.cargo();
        cargo.current_dir(self.root.join("guest-python"));
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.env("CARGO_TARGET_DIR", self.guest_target());
        cargo
    }

    pub fn guest_target(&self) -> PathBuf {
        self.cache.join("build/guest")
    }

    /// Waits until no other task runner prepares `what`; the lock ends with the returned file.
    pub fn lock(&self, what: &str) -> Result<File> {
        let file = File::create(self.cache.join(format!("{what}.lock")))?;
        if file.try_lock().is_err() {
            say(&format!("waiting for another `cargo xtask` that prepares the same {what}"));
            file.lock()?;
        }
        Ok(file)
    }
}

/// The folder that a variable names, if it is not empty.
pub fn folder(variable: &str) -> Option<PathBuf> {
    std::path::absolute(env::var_os(variable)?).ok()
}

/// The user's setting, if it is not empty.
pub fn setting(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|value| !value.is_empty())
}

/// In lower-case hexadecimal.
pub fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hash)?;
    Ok(format!("{:x}", hash.finalize()))
}

/// Announces a step on stderr.
pub fn say(step: &str) {
    eprintln!("==> {step}");
}

/// Whether cargo has the subcommand `name`, as a program `cargo-NAME`.
pub fn has_cargo_tool(name: &str) -> bool {
    is_program(format!("cargo-{name}"))
}

/// Whether `name` can be started.
pub fn is_program(name: impl AsRef<OsStr>) -> bool {
    let started = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    started.is_ok()
}

/// Runs a command whose output the user sees.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command quietly and returns what it printed; its messages are told only if it fails.
pub fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {}", shown(command)))?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}\n{}", shown(command), output.status, messages.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let line: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("`{}`", line.join(" "))
}
