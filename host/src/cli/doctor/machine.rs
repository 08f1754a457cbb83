//! The machine as its own files tell of it: `/proc`, `/dev` and the like, below a folder that tests can lay out.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The most that is read of a file: that of all connections can be long.
const MOST: u64 = 8 << 20;

#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

/// What Windows runs it under, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wsl {
    One,
    Two,
}

impl Machine {
    pub fn this() -> Self {
        Self::at(Path::new("/"))
    }

    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where a path that begins at the root is.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The text of a file, if it is there and can be read.
    pub fn text(&self, path: &str) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.path(path)).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in a folder.
    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    pub fn wsl(&self) -> Option<Wsl> {
        let version = self.text("/proc/version")?.to_ascii_lowercase();
        if !version.contains("microsoft") {
            return None;
        }
        // The kernel that WSL 1 pretends to be has been 4.4 ever since.
        let is_first = version.contains("linux version 4.4.") && !version.contains("microsoft-standard");
        Some(if is_first { Wsl::One } else { Wsl::Two })
    }

    /// Bytes that programs may still take.
    pub fn memory(&self) -> Option<u64> {
        let text = self.text("/proc/meminfo")?;
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
    }
}

#[cfg(test)]
impl Machine {
    /// Lays out files below a folder. A text that begins with `->` is where a link leads.
    pub fn laid_out(folder: &Path, files: &[(&str, &str)]) -> Self {
        let machine = Self::at(folder);
        for (path, text) in files {
            let path = machine.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("->") {
                Some(link) => std::os::unix::fs::symlink(link, path).unwrap(),
                None => fs::write(path, text).unwrap(),
            }
        }
        machine
    }
}
