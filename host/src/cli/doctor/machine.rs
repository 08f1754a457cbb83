//! What can be seen on this machine without asking any part.

use std::fs;
use std::path::Path;

use indicatif::HumanBytes;
use rustix::fs::{Access, access, statvfs};

use super::{Diagnosis, State};
use crate::cli::parts;
use crate::config::Config;
use crate::sandbox::wasm::{LoadError, find, sees_written_pages};

/// Below this, images grow into trouble soon.
const LITTLE: u64 = 1 << 30;
/// Below this, nothing should be begun.
const NOTHING: u64 = 64 << 20;

const FOLDER: &str = "data folder";
const GUEST: &str = "Python guest";

/// Whether the image can be kept there.
pub fn folder(path: &Path) -> Diagnosis {
    let fail = |found: String, cure: &str| Diagnosis::bad(State::Fail, FOLDER, found, cure);
    let shown = path.display();
    let Some(there) = std::path::absolute(path).ok().and_then(|path| nearest(&path)) else {
        return fail(format!("{shown} is nowhere"), "Choose another with AURA_DATA.");
    };
    let is_made = path.exists();
    if !there.is_dir() {
        return fail(
            format!("{} is a file", there.display()),
            "Move it away, or choose another folder with AURA_DATA.",
        );
    }
    if let Err(error) = access(&there, Access::WRITE_OK | Access::EXEC_OK) {
        return fail(
            format!("{} cannot be written to ({})", there.display(), std::io::Error::from(error)),
            "Let this user write to it, or choose another folder with AURA_DATA.",
        );
    }
    let free = match statvfs(&there) {
        Ok(system) => system.f_bavail.saturating_mul(system.f_frsize),
        Err(error) => {
            return fail(
                format!("{shown}: {}", std::io::Error::from(error)),
                "Choose another with AURA_DATA.",
            );
        }
    };
    let made = if is_made { "is writable" } else { "is not there yet and can be created" };
    let found = format!("{shown} {made}; {} are free", HumanBytes(free));
    let cure = "Free some space, or choose another folder with AURA_DATA.";
    if free < NOTHING {
        return fail(found, cure);
    }
    if free < LITTLE {
        return Diagnosis::bad(State::Warn, FOLDER, found, cure);
    }
    Diagnosis::ok(FOLDER, found)
}

/// The path itself, or the nearest folder above it that is there.
fn nearest(path: &Path) -> Option<std::path::PathBuf> {
    path.ancestors().find(|above| above.exists()).map(Path::to_owned)
}

/// Whether Python is there, and compiled for this machine. Blocks.
pub fn guest(config: &Config) -> Diagnosis {
    let path = config.guest_path();
    let shown = path.display();
    let policy = match parts::policy(config) {
        Ok(policy) => policy,
        Err(failure) => {
            let cure = "Let AURA_POLICY name a good policy, or leave it empty.";
            return Diagnosis::bad(State::Fail, GUEST, failure.to_string(), cure);
        }
    };
    match find(&path, &config.cache, &policy) {
        Ok((guest, Some(image))) => {
            let found = format!("{shown} (SHA-256 {guest}), compiled for this machine (SHA-256 {image})");
            Diagnosis::ok(GUEST, found)
        }
        Ok((guest, None)) => Diagnosis::bad(
            State::Warn,
            GUEST,
            format!("{shown} (SHA-256 {guest}), not compiled for this machine yet"),
            "The first start does it, which takes some seconds.",
        ),
        Err(LoadError::NotBuilt(_)) => Diagnosis::bad(
            State::Fail,
            GUEST,
            format!("there is no {shown}"),
            match config.guest {
                Some(_) => "Let AURA_GUEST name the guest, or leave it empty.",
                None => "Run `cargo xtask guest`.",
            },
        ),
        Err(LoadError::Exposed(folder)) => {
            let error = LoadError::Exposed(folder);
            Diagnosis::bad(State::Fail, GUEST, format!("{shown} cannot be used"), error.to_string())
        }
        Err(error) => {
            Diagnosis::bad(State::Fail, GUEST, format!("{shown}: {error}"), "Run `cargo xtask guest` again.")
        }
    }
}

/// What makes runs fast.
pub fn kernel() -> Diagnosis {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release =
        if release.is_empty() { "the kernel".to_owned() } else { format!("Linux {}", release.trim()) };
    if sees_written_pages() {
        return Diagnosis::ok("kernel", format!("{release} tells which pages a run wrote to (PAGEMAP_SCAN)"));
    }
    Diagnosis::bad(
        State::Warn,
        "kernel",
        format!("{release} does not tell which pages a run wrote to (PAGEMAP_SCAN), so runs start slower"),
        "Use Linux 6.7 or newer.",
    )
}

/// Whether strangers could send messages.
pub fn reach(config: &Config) -> Diagnosis {
    let host = &config.api_host;
    match (config.api_is_loopback(), &config.api_token) {
        (true, _) => Diagnosis::ok("access", format!("{host} is reached from this machine alone")),
        (false, Some(_)) => {
            Diagnosis::ok("access", format!("{host} is reached from elsewhere, with AURA_API_TOKEN"))
        }
        (false, None) => Diagnosis::bad(
            State::Fail,
            "access",
            format!(
                "{host} can be reached from other machines, and AURA_API_TOKEN is not set: `aura serve` refuses to start"
            ),
            "Set AURA_API_TOKEN, or let AURA_API_HOST be 127.0.0.1.",
        ),
    }
}
