//! The data folder of one instance, and who serves it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::failure::Failure;

pub struct DataFolder(PathBuf);

/// Held by the one process that serves the folder.
pub struct Serving {
    file: File,
}

impl DataFolder {
    /// Creates the folder, readable by its owner alone, if it is not there.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let cannot = |error| Failure::Failed(format!("The folder {} (AURA_DATA): {error}", path.display()));
        builder.create(path).map_err(cannot)?;
        Ok(Self(path.to_owned()))
    }

    pub fn image(&self) -> PathBuf {
        self.0.join("image.sqlite")
    }

    pub fn history(&self) -> PathBuf {
        self.0.join("history")
    }

    /// Makes this process the one that serves the folder, or says which one does.
    pub fn serve(&self) -> Result<Serving, Failure> {
        let path = self.0.join("serve.lock");
        let cannot = |error: io::Error| Failure::Failed(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(&path).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => Ok(Serving { file }),
            Err(TryLockError::Error(error)) => Err(cannot(error)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(cannot)?;
                Err(Failure::Failed(format!(
                    "The folder {} is served already, by {}. Stop that one, or choose another folder with --data.",
                    self.0.display(),
                    if holder.is_empty() { "a process that is starting" } else { holder.trim() }
                )))
            }
        }
    }
}

impl Serving {
    /// Leaves word where this process listens.
    pub fn at(&mut self, url: &str) -> Result<(), Failure> {
        let line = format!("process {} at {url}\n", std::process::id());
        let written = self
            .file
            .rewind()
            .and_then(|()| self.file.set_len(0))
            .and_then(|()| self.file.write_all(line.as_bytes()));
        written.map_err(|error| Failure::Failed(format!("serve.lock cannot be written: {error}")))
    }
}
