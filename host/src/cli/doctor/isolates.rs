//! Where methods run: the guest in this process, or sandboxes of their own.

use std::path::Path;

use super::diagnosis::{Diagnosis, State};
use super::fix::Fix;
use super::machine::Machine;
use crate::cli::folder::DataFolder;
use crate::cli::parts;
use crate::config::Config;
use crate::sandbox::confine::is_confined;
use crate::sandbox::remote::{self, Address, Greeting, WireError, at_once, greet};
use crate::sandbox::wasm::{LoadError, find, sees_written_pages};

const GUEST: &str = "guest";
const KERNEL: &str = "kernel";
const SANDBOX: &str = "sandbox";

/// Blocks.
pub fn look(machine: &Machine, config: &Config) -> Vec<Diagnosis> {
    if config.sandboxes.is_empty() {
        // Where `aura sandbox serve` listens if it is not told.
        return vec![guest(config), kernel(machine), none(&DataFolder::at(&config.data).sandbox())];
    }
    let elsewhere = |name| Diagnosis::skipped(name, "that is the sandboxes' concern");
    let mut found = vec![elsewhere(GUEST), elsewhere(KERNEL)];
    found.extend(sandboxes(&config.sandboxes));
    found
}

/// Whether Python is there, and compiled for this machine.
fn guest(config: &Config) -> Diagnosis {
    let path = config.guest_path();
    let shown = path.display();
    let policy = match parts::policy(config) {
        Ok(policy) => policy,
        Err(failure) => {
            let cure = "Let AURA_POLICY name a good policy, or leave it empty.";
            return Diagnosis::bad(State::Fail, GUEST, failure.to_string()).cured_by(cure);
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
        )
        .cured_by("The first start does it, which takes some seconds.")
        .with(Fix::Compile),
        Err(LoadError::NotBuilt(_)) => Diagnosis::bad(State::Fail, GUEST, format!("there is no {shown}"))
            .cured_by(match config.guest {
                Some(_) => "Let AURA_GUEST name the guest, or leave it empty.",
                None => "Run `cargo xtask guest`.",
            }),
        Err(error @ LoadError::Exposed(_)) => {
            Diagnosis::bad(State::Fail, GUEST, format!("{shown} cannot be used")).cured_by(error.to_string())
        }
        Err(error) => Diagnosis::bad(State::Fail, GUEST, format!("{shown}: {error}"))
            .cured_by("Run `cargo xtask guest` again."),
    }
}

/// What makes runs fast.
fn kernel(machine: &Machine) -> Diagnosis {
    let release = machine.text("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release =
        if release.is_empty() { "the kernel".to_owned() } else { format!("Linux {}", release.trim()) };
    if sees_written_pages() {
        return Diagnosis::ok(KERNEL, format!("{release} tells which pages a run wrote to (PAGEMAP_SCAN)"));
    }
    Diagnosis::bad(
        State::Warn,
        KERNEL,
        format!("{release} does not tell which pages a run wrote to (PAGEMAP_SCAN), so runs start slower"),
    )
    .cured_by(match machine.wsl() {
        Some(_) => "Run `wsl --update` in PowerShell: Linux 6.7 or newer does.",
        None => "Use Linux 6.7 or newer.",
    })
}

/// No sandbox is asked for, but one may have been here.
fn none(socket: &Path) -> Diagnosis {
    if !is_left(socket) {
        return Diagnosis::skipped(SANDBOX, "isolates run in this process");
    }
    let left = left(socket);
    Diagnosis { found: format!("isolates run in this process; {}", left.found), ..left }
}

/// The socket of a sandbox that is gone.
fn left(socket: &Path) -> Diagnosis {
    let found = format!("{} is left of a sandbox that is gone", socket.display());
    Diagnosis::bad(State::Warn, SANDBOX, found)
        .cured_by("Remove it with `aura doctor --fix`.")
        .with(Fix::RemoveSocket(socket.to_owned()))
}

/// Whether it is a socket that nobody listens on.
fn is_left(socket: &Path) -> bool {
    remote::is_left(socket).unwrap_or(false)
}

fn sandboxes(sandboxes: &[Address]) -> Vec<Diagnosis> {
    let mut expected = Vec::new();
    for asked in sandboxes {
        expected.extend(asked.expected().into_iter().map(|address| (asked, address)));
    }
    let answers = at_once(&expected, |(asked, address)| {
        greet(address).map_err(|why| Box::new(away(asked, address, &why)))
    });
    let mut first = None;
    let mut found = Vec::new();
    for ((_, address), answer) in expected.iter().zip(answers) {
        let Greeting { guest_digest: guest, config_digest, confinement } = match answer {
            Ok(greeting) => greeting,
            Err(away) => {
                found.push(*away);
                continue;
            }
        };
        let digests = (guest.clone(), config_digest);
        let first = first.get_or_insert_with(|| digests.clone());
        found.push(if *first != digests {
            let other =
                format!("{address} has another guest or configuration than the first, and is not used");
            Diagnosis::bad(State::Fail, SANDBOX, other)
                .cured_by("Let all sandboxes be of one version of AURA.")
        } else if is_confined(&confinement) {
            Diagnosis::ok(SANDBOX, format!("{address} is ready, {confinement}; guest SHA-256 {guest}"))
        } else {
            let cure = "Run it on Linux 6.12 or newer with Landlock; `aura sandbox serve --require-confinement` makes sure.";
            Diagnosis::bad(State::Warn, SANDBOX, format!("{address} is ready, but {confinement}")).cured_by(cure)
        });
    }
    if first.is_none() && found.iter().all(|one| one.state == State::Warn) {
        let cure = "Start one with `aura sandbox serve`.";
        found.push(Diagnosis::bad(State::Unreachable, SANDBOX, "none of them is there").cured_by(cure));
    }
    found
}

/// One that does not answer at the address where it is, or at which it was asked for.
fn away(asked: &Address, address: &Address, why: &WireError) -> Diagnosis {
    let cure = "Start it with `aura sandbox serve`, or take it out of EXECUTION_SANDBOX_URL.";
    let away =
        Diagnosis::bad(State::Unreachable, SANDBOX, format!("{address} is away: {why}")).cured_by(cure);
    match address {
        Address::Unix(path) if is_left(path) => {
            // In a folder there are fewer than before, perhaps on purpose.
            if asked == address { away.with(Fix::RemoveSocket(path.clone())) } else { left(path) }
        }
        _ => away,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_is_left_when_nobody_listens_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("sandbox.sock");
        assert_eq!(none(&socket).told(), "skipped: isolates run in this process");
        let listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(none(&socket).fix, None);
        drop(listener);
        assert_eq!(
            none(&socket).told(),
            format!(
                "warn: isolates run in this process; {} is left of a sandbox that is gone -> Remove it with `aura doctor \
                 --fix`. [fix]",
                socket.display()
            )
        );
        fs::remove_file(&socket).unwrap();
        fs::write(&socket, "a file").unwrap();
        assert_eq!(none(&socket).fix, None);
    }

    #[test]
    fn a_kernel_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::laid_out(folder.path(), &[("/proc/sys/kernel/osrelease", "6.18.1\n")]);
        assert!(kernel(&machine).found.starts_with("Linux 6.18.1 "));
    }
}
