//! The key under which a guest is cached: a digest of everything it is built from.
//!
//! The host's build script includes this file too, so a host always asks for exactly the guest of its own
//! checkout, whatever else lies in the cache.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What the guest is made of, relative to the root of the checkout.
pub const INPUTS: [&str; 8] = [
    "guest-python/.cargo",
    "guest-python/Cargo.toml",
    "guest-python/Cargo.lock",
    "guest-python/build.rs",
    "guest-python/library.txt",
    "guest-python/src",
    "wit",
    "xtask/src/remap.rs",
];

/// The first 16 hexadecimal digits of the SHA-256 over the paths and contents of all [`INPUTS`].
pub fn guest_key(root: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for input in INPUTS {
        collect(&root.join(input), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let content = fs::read(&file)?;
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name.as_bytes());
        hash.update((content.len() as u64).to_le_bytes());
        hash.update(&content);
    }
    Ok(format!("{:x}", hash.finalize())[..16].to_owned())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}
