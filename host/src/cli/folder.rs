//! The data folder of one instance, and who serves it.
//!
//! Each server of a folder holds a file `serve-N.lock` with its name, which says which messages are its own, and
//! where it listens. A server that starts takes the first file that nobody holds, and so the name of one that has
//! ended.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::failure::Failure;
use crate::store::{LeaseId, ServerName};

/// The most servers of one folder.
const MAX_SERVERS: usize = 16;

/// The most that is read of a lock file.
const MAX_WORD: u64 = 1_024;

pub struct DataFolder(PathBuf);

/// Held by a process that serves the folder.
pub struct Serving {
    file: File,
    server: ServerName,
    others: Vec<String>,
}

/// What a server has left word of.
pub struct Word {
    /// Which process it is, and where it listens.
    pub place: String,
    pub url: Option<String>,
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

    /// The folder as it is, there or not.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub fn image(&self) -> PathBuf {
        self.0.join("image.sqlite")
    }

    pub fn history(&self) -> PathBuf {
        self.0.join("history")
    }

    /// Where a sandbox listens if it is not told where.
    pub fn sandbox(&self) -> PathBuf {
        self.0.join("sandbox.sock")
    }

    /// The words of those who serve the folder now. Changes nothing.
    pub fn words(&self) -> io::Result<Vec<Word>> {
        let mut words = Vec::new();
        for number in 0..MAX_SERVERS {
            let file = match File::open(self.0.join(format!("serve-{number}.lock"))) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            match file.try_lock_shared() {
                Ok(()) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {}
            }
            let mut word = String::new();
            file.take(MAX_WORD).read_to_string(&mut word)?;
            let place = word.lines().nth(1).unwrap_or("a process that is starting").to_owned();
            let url = place.split_once(" at ").map(|(_, url)| url.to_owned());
            words.push(Word { place, url });
        }
        Ok(words)
    }

    /// Makes this process one that serves the folder.
    pub fn serve(&self) -> Result<Serving, Failure> {
        let mut others = Vec::new();
        for number in 0..MAX_SERVERS {
            let path = self.0.join(format!("serve-{number}.lock"));
            let cannot = |error: io::Error| Failure::Failed(format!("{}: {error}", path.display()));
            let mut options = OpenOptions::new();
            let file =
                options.read(true).write(true).create(true).truncate(false).open(&path).map_err(cannot)?;
            let locked = file.try_lock();
            let mut word = String::new();
            (&file).take(MAX_WORD).read_to_string(&mut word).map_err(cannot)?;
            let (name, place) = word.split_once('\n').unwrap_or((&word, ""));
            match locked {
                Ok(()) => {
                    let server = ServerName::parse(name)
                        .or_else(|_| ServerName::parse(&LeaseId::fresh().to_string()))
                        .map_err(|error| Failure::Failed(error.to_string()))?;
                    return Ok(Serving { file, server, others });
                }
                Err(TryLockError::Error(error)) => return Err(cannot(error)),
                Err(TryLockError::WouldBlock) => others.push(match place.trim() {
                    "" => "a process that is starting".to_owned(),
                    place => place.to_owned(),
                }),
            }
        }
        Err(Failure::Failed(format!(
            "The folder {} is served by {MAX_SERVERS} processes already: stop one of them.",
            self.0.display()
        )))
    }
}

impl Serving {
    pub fn server(&self) -> &ServerName {
        &self.server
    }

    /// The other processes that serve the folder.
    pub fn others(&self) -> &[String] {
        &self.others
    }

    /// Leaves word where this process listens.
    pub fn at(&mut self, url: &str) -> Result<(), Failure> {
        let word = format!("{}\nprocess {} at {url}\n", self.server.as_str(), std::process::id());
        let written = self
            .file
            .rewind()
            .and_then(|()| self.file.set_len(0))
            .and_then(|()| self.file.write_all(word.as_bytes()));
        written.map_err(|error| Failure::Failed(format!("{url} cannot be noted in the data folder: {error}")))
    }
}
