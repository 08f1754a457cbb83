//! The checkout and the cache beside it, and how programs are run in them.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// What is compiled, or read by what is.
const SOURCES: [&str; 9] =
    ["Cargo.toml", "fuzz", "genesis", "guest-python", "host", "sandbox-image", "tests", "wit", "xtask"];

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
        let found = Self { root, cache };
        found.renew().context("cannot tell cargo that this is another checkout")?;
        Ok(found)
    }

    /// What is built in the cache is shared by all checkouts, and cargo knows by the age of its sources what to build
    /// again. Those of another checkout may be older and yet others: where the last to build was not this one, all
    /// sources here are made new.
    fn renew(&self) -> io::Result<()> {
        let last = self.cache.join("checkout");
        let here = self.root.as_os_str().as_encoded_bytes();
        if fs::read(&last).is_ok_and(|last| last == here) {
            return Ok(());
        }
        for folder in SOURCES {
            touch(&self.root.join(folder), SystemTime::now())?;
        }
        fs::write(last, here)
    }

    /// Where the host is built: outside the checkout, so that a fresh clone finds its dependencies compiled.
    pub fn host_target(&self) -> PathBuf {
        folder("CARGO_TARGET_DIR").unwrap_or_else(|| self.cache.join("build/host"))
    }

    /// Cargo at the root of the checkout, building into [`Self::host_target`].
    pub fn cargo(&self) -> Command {
        // Another checkout may have built since.
        if let Err(error) = self.renew() {
            say(&format!("what another checkout built may be taken for this one's: {error}"));
        }
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

/// Dates all files in the folder anew, but for what was built there.
fn touch(path: &Path, time: SystemTime) -> io::Result<()> {
    let kind = fs::symlink_metadata(path)?.file_type();
    if kind.is_file() {
        let dated = File::open(path).and_then(|file| file.set_modified(time));
        return dated.map_err(|error| io::Error::other(format!("{}: {error}", path.display())));
    }
    if !kind.is_dir() || path.ends_with("target") {
        return Ok(());
    }
    fs::read_dir(path)?.try_for_each(|entry| touch(&entry?.path(), time))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_new_where_another_checkout_has_built() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        let checkout = |name: &str| {
            let root = folder.path().join(name);
            for source in SOURCES {
                fs::create_dir_all(root.join(source).join("src")).unwrap();
            }
            fs::write(root.join("host/src/lib.rs"), "").unwrap();
            Workspace { root, cache: cache.clone() }
        };
        fs::create_dir(&cache).unwrap();
        let (one, other) = (checkout("one"), checkout("other"));
        let file = one.root.join("host/src/lib.rs");
        let age = || fs::metadata(&file).unwrap().modified().unwrap();
        let make_old = || touch(&file, SystemTime::UNIX_EPOCH).unwrap();
        one.renew().unwrap();
        make_old();
        one.renew().unwrap();
        assert_eq!(age(), SystemTime::UNIX_EPOCH, "its own builds are still good");
        other.renew().unwrap();
        assert_eq!(age(), SystemTime::UNIX_EPOCH, "of others nothing is touched");
        one.renew().unwrap();
        assert_ne!(age(), SystemTime::UNIX_EPOCH);
    }
}
