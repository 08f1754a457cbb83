//! Folders and the room in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use rustix::fs::{Access, access, statvfs};

use super::diagnosis::{Diagnosis, State};
use super::fix::Fix;
use super::machine::Machine;
use super::mind::NO_PERSONAS;
use super::ollama::Ollama;
use crate::cli::term::count;
use crate::mind::persona::Needed;
use crate::sandbox::wasm::stale_drafts;

/// Below this, images grow into trouble soon.
const LITTLE: u64 = 1 << 30;
/// Below this, nothing should be begun.
const NOTHING: u64 = 64 << 20;

/// What a model takes, roughly: those of the personas have 2 to 6 GB.
const MODEL: u64 = 6_000_000_000;
/// Where Ollama keeps them as a service.
const MODELS: &str = "/usr/share/ollama";

const FOLDER: &str = "data-folder";
const CACHE: &str = "cache";
const ROOM: &str = "models-disk";

/// Whether the image can be kept there.
pub fn data(path: &Path) -> Diagnosis {
    let fail = |found: String, cure: &str| Diagnosis::bad(State::Fail, FOLDER, found).cured_by(cure);
    let shown = path.display();
    let Some(there) = nearest(path) else {
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
            format!("{} cannot be written to ({})", there.display(), io::Error::from(error)),
            "Let this user write to it, or choose another folder with AURA_DATA.",
        );
    }
    let free = match free(&there) {
        Ok(free) => free,
        Err(error) => return fail(format!("{shown}: {error}"), "Choose another with AURA_DATA."),
    };
    let made = if is_made { "is writable" } else { "is not there yet and can be created" };
    let found = format!("{shown} {made}; {} are free", HumanBytes(free));
    let diagnosis = match roomy(FOLDER, free, found) {
        ok @ Diagnosis { cure: None, .. } => ok,
        little => little.cured_by("Free some space, or choose another folder with AURA_DATA."),
    };
    if is_made || diagnosis.state == State::Fail { diagnosis } else { diagnosis.with(Fix::CreateDataFolder) }
}

/// Whether compiled guests can be kept there, and whether something unfinished is.
pub fn cache(path: &Path) -> Diagnosis {
    let shown = path.display();
    let free = match nearest(path).ok_or(io::ErrorKind::NotFound.into()).and_then(|there| free(&there)) {
        Ok(free) => free,
        Err(error) => return Diagnosis::bad(State::Fail, CACHE, format!("{shown}: {error}")),
    };
    let found = format!("{shown} has {} free", HumanBytes(free));
    let drafts = stale_drafts(path);
    if drafts.is_empty() {
        return roomy(CACHE, free, found);
    }
    let bytes = drafts.iter().filter_map(|draft| fs::metadata(draft).ok()).map(|draft| draft.len()).sum();
    let number = count(drafts.len() as u64, "draft", "drafts");
    let found = format!("{found}; {number} of compiled images that nobody finishes, {}", HumanBytes(bytes));
    let sweep = "Remove them with `aura doctor --fix`.";
    // They are small: a full disk needs more than that.
    let diagnosis = match roomy(CACHE, free, found.clone()) {
        Diagnosis { cure: Some(cure), state, .. } => {
            Diagnosis::bad(state, CACHE, found).cured_by(format!("{sweep} {cure}"))
        }
        _ => Diagnosis::bad(State::Warn, CACHE, found).cured_by(sweep),
    };
    diagnosis.with(Fix::RemoveDrafts)
}

/// Whether the models that are missing can be pulled. `ollama`: if it is on this machine.
pub fn models(machine: &Machine, cache: &Path, ollama: Option<&Ollama>, needed: &[Needed<'_>]) -> Diagnosis {
    let Some(ollama) = ollama else {
        return Diagnosis::skipped(ROOM, "no Ollama on this machine answers");
    };
    if needed.is_empty() {
        return Diagnosis::skipped(ROOM, NO_PERSONAS);
    }
    if let Err(why) = &ollama.models {
        return Diagnosis::skipped(ROOM, format!("Ollama does not list its models ({why})"));
    }
    // A persona's own model and what another's is made of may be one.
    let mut missing: Vec<&str> = needed.iter().map(|needed| needed.pulled).collect();
    missing.sort_unstable();
    missing.dedup();
    let missing = missing.into_iter().filter(|model| ollama.model(model).is_none()).count();
    // Else they are in the home folder, where the cache is, too.
    let folder = if machine.has(MODELS) { machine.path(MODELS) } else { cache.to_owned() };
    for_models(&folder, missing as u64)
}

fn for_models(folder: &Path, missing: u64) -> Diagnosis {
    if missing == 0 {
        return Diagnosis::ok(ROOM, "no model is missing");
    }
    let shown = folder.display();
    let free = match nearest(folder).ok_or(io::ErrorKind::NotFound.into()).and_then(|there| free(&there)) {
        Ok(free) => free,
        Err(error) => return Diagnosis::skipped(ROOM, format!("{shown}: {error}")),
    };
    let need = missing.saturating_mul(MODEL);
    let models = count(missing, "model is missing and needs", "models are missing and need");
    let found = format!("{models} up to {}; {shown} has {} free", HumanBytes(need), HumanBytes(free));
    if free >= need {
        return Diagnosis::ok(ROOM, found);
    }
    Diagnosis::bad(State::Warn, ROOM, found)
}

fn roomy(name: &'static str, free: u64, found: String) -> Diagnosis {
    match free {
        ..NOTHING => Diagnosis::bad(State::Fail, name, found),
        NOTHING..LITTLE => Diagnosis::bad(State::Warn, name, found),
        LITTLE.. => Diagnosis::ok(name, found),
    }
}

fn free(folder: &Path) -> io::Result<u64> {
    let system = statvfs(folder)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

/// The path itself, or the nearest folder above it that is there.
fn nearest(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find(|above| above.exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;

    /// A disk of its own, in memory. Only the superuser can have one.
    struct Disk(TempDir);

    impl Disk {
        fn of(size: &str) -> Option<Self> {
            let folder = tempfile::tempdir().unwrap();
            let options = ["-t", "tmpfs", "-o", &format!("size={size}"), "none"];
            mount(&options, folder.path()).then(|| Self(folder))
        }

        fn becomes(&self, size: &str) {
            assert!(mount(&["-o", &format!("remount,size={size}")], self.0.path()));
        }
    }

    impl Drop for Disk {
        fn drop(&mut self) {
            // What cannot be unmounted stays.
            let _ = Command::new("umount").arg(self.0.path()).status();
        }
    }

    fn mount(options: &[&str], folder: &Path) -> bool {
        let mounted = Command::new("mount").args(options).arg(folder).output();
        mounted.is_ok_and(|output| output.status.success())
    }

    #[test]
    fn a_disk_that_runs_full_is_told_before() {
        let Some(disk) = Disk::of("32m") else {
            eprintln!("skipped: only the superuser can mount a small disk");
            return;
        };
        let path = disk.0.path();
        let shown = path.display();
        let cure = |name| format!("Free some space, or choose another folder with {name}.");
        for (size, state, free) in [("32m", "fail", "32.00 MiB"), ("200m", "warn", "200.00 MiB")] {
            disk.becomes(size);
            let told = format!("{state}: {shown} is writable; {free} are free -> {}", cure("AURA_DATA"));
            assert_eq!(data(path).told(), told);
            let told = format!("{state}: {shown} has {free} free -> {}", cure("AURA_CACHE"));
            assert_eq!(cache(path).told(), told);
        }
        fs::create_dir(path.join("image")).unwrap();
        fs::write(path.join("image/a.draft"), "half").unwrap();
        let told = cache(path).told();
        let end = format!("4 B -> Remove them with `aura doctor --fix`. {} [fix]", cure("AURA_CACHE"));
        assert!(told.starts_with("warn: ") && told.ends_with(&end), "{told}");
        fs::remove_file(path.join("image/a.draft")).unwrap();
        let told = format!(
            "warn: 2 models are missing and need up to 11.18 GiB; {shown} has 200.00 MiB free -> Free some space, or let \
             OLLAMA_MODELS of the Ollama server name a folder with more."
        );
        assert_eq!(for_models(path, 2).told(), told);
        disk.becomes("10g");
        assert_eq!(data(path).told(), format!("ok: {shown} is writable; 10.00 GiB are free"));
        assert_eq!(cache(path).told(), format!("ok: {shown} has 10.00 GiB free"));
        let told = format!("ok: 1 model is missing and needs up to 5.59 GiB; {shown} has 10.00 GiB free");
        assert_eq!(for_models(path, 1).told(), told);
        assert_eq!(for_models(path, 0).told(), "ok: no model is missing");
    }
}
