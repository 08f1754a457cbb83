//! Where things are: the repository, and the programs of this machine.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The repository that is tested.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository")
}

/// Copies the files of a folder, without its folders and without settings.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().expect("it has a name");
        if path.is_file() && name != ".env" {
            fs::copy(&path, to.join(name)).expect("it can be copied");
        }
    }
}

/// A program by its name.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}
