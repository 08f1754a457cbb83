//! Files that commands write for their user: whole under their name, or not there at all.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};
use uuid::Uuid;

use super::failure::Failure;

/// A file under a temporary name beside its final one. Removed when it is dropped, if it was not kept.
pub struct Draft {
    /// The final name, as the user gave it.
    shown: PathBuf,
    folder: Dir,
    name: OsString,
    draft: String,
    replace: bool,
    kept: bool,
}

impl Draft {
    /// Prepares to write `path`. Only with `replace` may there be such a file already.
    pub fn of(path: &Path, replace: bool) -> Result<Self, Failure> {
        let shown = path.to_owned();
        let cannot = |error: io::Error| Failure::Failed(format!("{}: {error}", shown.display()));
        let name =
            path.file_name().ok_or_else(|| Failure::Usage(format!("{} names no file.", shown.display())))?;
        let folder = Dir::open_ambient_dir(folder(path), ambient_authority()).map_err(cannot)?;
        let draft = format!(".{}.{}.draft", name.to_string_lossy(), Uuid::now_v7().simple());
        let there = match folder.symlink_metadata(name) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(cannot(error)),
        };
        match there {
            Some(there) if there.is_dir() => {
                return Err(Failure::Failed(format!("{} is a folder; name a file.", shown.display())));
            }
            Some(_) if !replace => return Err(exists(&shown)),
            _ => {}
        }
        Ok(Self { folder, name: name.to_owned(), draft, replace, kept: false, shown })
    }

    /// Where it is until it is kept.
    pub fn path(&self) -> PathBuf {
        folder(&self.shown).join(&self.draft)
    }

    /// Creates the draft, readable by its owner alone.
    pub fn create(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        self.folder.open_with(&self.draft, options.write(true).create_new(true).mode(0o600))
    }

    /// Gives the file its final name, when all of it is on disk.
    pub fn keep(mut self) -> Result<(), Failure> {
        let kept = self.rename();
        self.kept = kept.is_ok();
        kept.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&self.shown),
            _ => self.cannot(&error),
        })
    }

    pub fn cannot(&self, error: &io::Error) -> Failure {
        Failure::Failed(format!("{} cannot be written: {error}", self.shown.display()))
    }

    fn rename(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        self.folder.open_with(&self.draft, options.write(true))?.sync_all()?;
        // A link, unlike a rename, never replaces what has come to be there meanwhile.
        let linked = if self.replace {
            None
        } else {
            Some(self.folder.hard_link(&self.draft, &self.folder, &self.name))
        };
        match linked {
            Some(Ok(())) => self.folder.remove_file(&self.draft)?,
            Some(Err(error)) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // Not every file system has links.
            _ => self.folder.rename(&self.draft, &self.folder, &self.name)?,
        }
        self.folder.open(".")?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            // It may not have been created.
            let _ = self.folder.remove_file(&self.draft);
        }
    }
}

/// The file at `path`, for reading.
pub fn open(path: &Path) -> io::Result<File> {
    let path = path.canonicalize()?;
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let file = Dir::open_ambient_dir(folder(&path), ambient_authority())?.open(name)?;
    if file.metadata()?.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(file) }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::Failed(format!(
        "{} exists already. Choose another name, or replace it with --force.",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    fn write(path: &Path, replace: bool, text: &str) -> Result<(), String> {
        let draft = Draft::of(path, replace).map_err(|failure| failure.to_string())?;
        draft.create().and_then(|mut file| file.write_all(text.as_bytes())).unwrap();
        assert!(draft.path().is_file());
        draft.keep().map_err(|failure| failure.to_string())
    }

    fn names(folder: &Path) -> Vec<OsString> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_is_whole_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let draft = Draft::of(&path, false).unwrap();
        draft.create().and_then(|mut file| file.write_all(b"half")).unwrap();
        drop(draft);
        assert_eq!(names(folder.path()), Vec::<OsString>::new());
        write(&path, false, "whole").unwrap();
        assert_eq!(
            (names(folder.path()), fs::read_to_string(&path).unwrap()),
            (vec!["file".into()], "whole".into())
        );
    }

    #[test]
    fn what_is_there_is_replaced_only_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let late = Draft::of(&path, false).unwrap();
        late.create().unwrap();
        write(&path, false, "one").unwrap();
        let refused =
            format!("{} exists already. Choose another name, or replace it with --force.", path.display());
        assert_eq!(late.keep().unwrap_err().to_string(), refused);
        assert_eq!(write(&path, false, "two").unwrap_err(), refused);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        write(&path, true, "two").unwrap();
        assert_eq!(
            (names(folder.path()), fs::read_to_string(&path).unwrap()),
            (vec!["file".into()], "two".into())
        );
        let refused = format!("{} is a folder; name a file.", folder.path().display());
        assert_eq!(write(folder.path(), true, "two").unwrap_err(), refused);
    }
}
