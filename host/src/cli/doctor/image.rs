//! The Living Image, and who can get at it.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, access};
use tokio::time::timeout;

use super::diagnosis::{Diagnosis, State};
use super::fix::Fix;
use crate::cli::failure::Failure;
use crate::cli::folder::DataFolder;
use crate::cli::parts;
use crate::config::{Config, StoreConfig};
use crate::store::Check;
use crate::store::arango::{ArangoStore, Unseen};
use crate::store::sqlite::SqliteStore;

const NAME: &str = "image";

/// What a cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the store finds when it looks at everything.
pub async fn look(config: &Config, folder: &DataFolder) -> Result<Vec<Diagnosis>, Failure> {
    let checks = match &config.store {
        StoreConfig::Arango(arango) => match timeout(PATIENCE, ArangoStore::look(arango)).await {
            Ok(Ok(checks)) => checks,
            // It waits for no start.
            Ok(Err(Unseen::Unusable(cure))) => {
                let found = format!("what answers at {} cannot be used", arango.url);
                return Ok(vec![Diagnosis::bad(State::Fail, NAME, found).cured_by(cure)]);
            }
            Ok(Err(Unseen::Away(cure))) => return Ok(vec![away(cure)]),
            Err(_) => return Ok(vec![away(format!("no answer within {} s", PATIENCE.as_secs()))]),
        },
        StoreConfig::Sqlite => {
            let image = folder.image();
            if !image.exists() {
                let found = format!("{} is not there yet; `aura serve` creates it", image.display());
                return Ok(vec![Diagnosis::ok(NAME, found).with(Fix::Genesis)]);
            }
            parts::blocking(move || SqliteStore::examine_file(&image)).await?
        }
    };
    Ok(checks.into_iter().map(diagnosis).collect())
}

fn diagnosis(Check { what, found }: Check) -> Diagnosis {
    match found {
        // Only what is missing altogether is said of these.
        Ok(found) if matches!(what.as_str(), "file" | "database") => {
            Diagnosis::ok(NAME, format!("{what}: {found}")).with(Fix::Genesis)
        }
        Ok(found) => Diagnosis::ok(NAME, format!("{what}: {found}")),
        Err(cure) => {
            Diagnosis::bad(State::Fail, NAME, format!("{what} is not as it should be")).cured_by(cure)
        }
    }
}

fn away(cure: String) -> Diagnosis {
    Diagnosis::bad(State::Unreachable, NAME, "it cannot be looked at").cured_by(cure)
}

/// Whether this user can write to it, and others cannot get at it.
pub fn permissions(config: &Config, folder: &DataFolder) -> Diagnosis {
    match &config.store {
        StoreConfig::Arango(_) => Diagnosis::skipped(PERMISSIONS, "the image is in ArangoDB"),
        StoreConfig::Sqlite => of_file(&config.data, &folder.image()),
    }
}

const PERMISSIONS: &str = "image-permissions";

fn of_file(folder: &Path, image: &Path) -> Diagnosis {
    let (Ok(around), Ok(seen)) = (fs::metadata(folder), fs::metadata(image)) else {
        return Diagnosis::skipped(PERMISSIONS, "there is no image yet");
    };
    let shown = folder.display();
    if access(image, Access::WRITE_OK).is_err() || access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err()
    {
        return Diagnosis::bad(
            State::Fail,
            PERMISSIONS,
            format!("this user cannot write to {}", image.display()),
        )
        .cured_by(format!("Run `sudo chown -R {} {shown}`.", rustix::process::geteuid().as_raw()));
    }
    let (around, mode) = (around.mode(), seen.mode());
    let is_open = around & 0o011 != 0;
    let found = if around & 0o022 != 0 || (is_open && mode & 0o022 != 0) {
        "others of this machine may change it"
    } else if is_open && mode & 0o044 != 0 {
        "others of this machine may read it"
    } else {
        return Diagnosis::ok(PERMISSIONS, "others of this machine cannot get at it");
    };
    Diagnosis::bad(State::Warn, PERMISSIONS, found).cured_by(format!("Run `chmod 700 {shown}`."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_image_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, image) = (folder.path(), folder.path().join("image.sqlite"));
        let told = || of_file(path, &image).told();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(told(), "skipped: there is no image yet");
        fs::write(&image, "").unwrap();
        mode(&image, 0o644);
        let cure = format!(" -> Run `chmod 700 {}`.", path.display());
        for (around, said) in [(0o755, "read"), (0o711, "read"), (0o775, "change"), (0o702, "change")] {
            mode(path, around);
            assert_eq!(told(), format!("warn: others of this machine may {said} it{cure}"));
        }
        mode(&image, 0o666);
        mode(path, 0o711);
        assert_eq!(told(), format!("warn: others of this machine may change it{cure}"));
        mode(path, 0o700);
        assert_eq!(told(), "ok: others of this machine cannot get at it");
    }
}
