//! The Windows Subsystem for Linux.

use std::path::Path;

use reqwest::Url;

use super::diagnosis::{Diagnosis, State};
use super::machine::{Machine, Wsl};
use super::port;
use crate::outbound::is_loopback_host;

const NONE: &str = "this is not WSL";

pub fn version(machine: &Machine) -> Diagnosis {
    match machine.wsl() {
        None => Diagnosis::skipped("wsl", NONE),
        Some(Wsl::Two) => Diagnosis::ok("wsl", "WSL 2"),
        Some(Wsl::One) => Diagnosis::bad(State::Fail, "wsl", "WSL 1, which has no Linux kernel"),
    }
}

/// Whether the data folder is on a drive of Windows.
pub fn data(machine: &Machine, data: &Path) -> Diagnosis {
    const NAME: &str = "wsl-data";
    if machine.wsl().is_none() {
        return Diagnosis::skipped(NAME, NONE);
    }
    let path = std::path::absolute(data).unwrap_or_else(|_| data.to_owned());
    // It may be a link, and it need not be there yet.
    let path = path.canonicalize().unwrap_or(path);
    match file_system(machine, &path) {
        Some(kind) if matches!(kind.as_str(), "9p" | "drvfs") => Diagnosis::bad(
            State::Warn,
            NAME,
            format!(
                "{} is on a drive of Windows ({kind}): slow, and SQLite cannot rely on its locks",
                path.display()
            ),
        ),
        _ => Diagnosis::ok(NAME, format!("{} is on a disk of Linux", path.display())),
    }
}

/// Whether a service is on this machine. Windows may share its loopback with WSL, and what listens there is not here.
pub fn is_here(machine: &Machine, url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let listens = |port| !port::listeners(machine, port).is_empty();
    url.host_str().is_some_and(is_loopback_host)
        && (machine.wsl().is_none() || url.port_or_known_default().is_some_and(listens))
}

/// The kind of the file system that a path is on.
fn file_system(machine: &Machine, path: &Path) -> Option<String> {
    let mounts = machine.text("/proc/self/mounts")?;
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let at = words.next()?.replace("\\040", " ");
        path.starts_with(&at).then_some((at.len(), words.next()?))
    });
    // Of several on the same folder the last is seen.
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str =
        "Linux version 4.4.0-22621-Microsoft (Microsoft@Microsoft.com) (gcc version 5.4.0 (GCC) )\n";
    const SECOND: &str =
        "Linux version 6.6.87.2-microsoft-standard-WSL2 (root@af282157c79e) (gcc (GCC) 11.2.0)\n";
    const MOUNTS: &str = "/dev/sdc / ext4 rw,relatime 0 0\nC:\\134 /mnt/c 9p rw,noatime 0 0\nD: /mnt/my\\040disk drvfs rw 0 0\n";

    fn look(version_text: &str, look: impl Fn(&Machine) -> Diagnosis) -> String {
        let folder = tempfile::tempdir().unwrap();
        let files = [("/proc/version", version_text), ("/proc/self/mounts", MOUNTS)];
        look(&Machine::laid_out(folder.path(), &files)).told()
    }

    #[test]
    fn the_first_version_has_to_become_the_second() {
        assert_eq!(
            look(FIRST, version),
            "fail: WSL 1, which has no Linux kernel -> In PowerShell: `wsl --list --verbose`, then `wsl --set-version NAME 2`."
        );
        assert_eq!(look(SECOND, version), "ok: WSL 2");
        assert_eq!(look("Linux version 6.18.44 (gcc)", version), "skipped: this is not WSL");
    }

    #[test]
    fn data_belongs_on_a_disk_of_linux() {
        for (path, kind) in [("/mnt/c/aura/.aura", "9p"), ("/mnt/my disk/.aura", "drvfs")] {
            assert_eq!(
                look(SECOND, |machine| data(machine, Path::new(path))),
                format!(
                    "warn: {path} is on a drive of Windows ({kind}): slow, and SQLite cannot rely on its locks -> Let \
                     AURA_DATA be a folder of Linux, such as ~/aura."
                )
            );
        }
        for path in ["/mnt/cc/.aura", "/nowhere/aura/.aura"] {
            let told = look(SECOND, |machine| data(machine, Path::new(path)));
            assert_eq!(told, format!("ok: {path} is on a disk of Linux"));
        }
        assert_eq!(look("Linux", |machine| data(machine, Path::new("/mnt/c"))), "skipped: this is not WSL");
    }

    #[test]
    fn what_listens_on_the_loopback_of_windows_is_not_here() {
        let folder = tempfile::tempdir().unwrap();
        let line = "0: 0100007F:2CAA 00000000:0000 0A 0:0 0:0 0 0 0 777 1\n";
        let layout = [("/proc/version", SECOND), ("/proc/net/tcp", line)];
        let wsl = Machine::laid_out(folder.path(), &layout);
        let linux = Machine::at(&folder.path().join("none"));
        for (machine, url, expected) in [
            (&wsl, "http://localhost:11434", true),
            (&wsl, "http://127.0.0.1:8080/v1", false),
            (&linux, "http://127.0.0.1:8080/v1", true),
            (&linux, "http://ollama:11434", false),
        ] {
            assert_eq!(is_here(machine, url), expected, "{url}");
        }
    }
}
