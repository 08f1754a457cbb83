//! What `--fix` does: nothing is downloaded, nothing is stopped, and nothing of the user's is deleted.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::folder::DataFolder;
use crate::cli::parts;
use crate::cli::term::count;
use crate::config::Config;
use crate::sandbox::remote::remove_left;
use crate::sandbox::wasm::remove_stale_drafts;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    CreateDataFolder,
    /// Lets only its owner read and write a file.
    Restrict(PathBuf),
    RemoveDrafts,
    /// Of a sandbox that is gone.
    RemoveSocket(PathBuf),
    /// Compiles the guest.
    Compile,
    /// Creates what a first launch creates in the image.
    Genesis,
}

/// What became of one.
#[derive(Serialize)]
pub struct Applied {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Fix {
    /// What was done.
    pub async fn apply(&self, config: &Config) -> Result<String, Failure> {
        match self {
            Self::CreateDataFolder => {
                DataFolder::open(&config.data)?;
                Ok(format!("created {}, for this user alone", config.data.display()))
            }
            Self::Restrict(file) => restrict(file),
            Self::RemoveDrafts => {
                let removed =
                    remove_stale_drafts(&config.cache).map_err(|error| Failure::Failed(error.to_string()))?;
                Ok(format!("removed {}", count(removed as u64, "draft", "drafts")))
            }
            Self::RemoveSocket(socket) => {
                let at = socket.clone();
                let removed = parts::blocking(move || remove_left(&at)).await?;
                if !removed.map_err(|error| Failure::Failed(error.to_string()))? {
                    return Err(Failure::Failed(format!("{} is in use again", socket.display())));
                }
                Ok(format!("removed {}", socket.display()))
            }
            Self::Compile => {
                parts::isolates(config).await?;
                Ok("compiled Python for this machine".to_owned())
            }
            Self::Genesis => {
                let folder = DataFolder::open(&config.data)?;
                let created = parts::store(config, &folder).await?.genesis().await?;
                let created: Vec<_> = created.iter().map(ToString::to_string).collect();
                Ok(format!("created the image {} with {}", parts::place(config, &folder), created.join(", ")))
            }
        }
    }
}

fn restrict(file: &Path) -> Result<String, Failure> {
    let set = fs::set_permissions(file, Permissions::from_mode(0o600)).and_then(|()| fs::metadata(file));
    let mode = set.map_err(|error| cannot(file, &error))?.mode() & 0o777;
    if mode == 0o600 {
        return Ok(format!("{} can be read by its owner alone now", file.display()));
    }
    // As on a drive of Windows.
    let shown = file.display();
    Err(Failure::Failed(format!("{shown} is on a file system that keeps no permissions: move it to another")))
}

fn cannot(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}
