//! Images that a broken disk or another program has spoilt, and what is in them byte by byte.

use std::fs;
use std::path::{Path, PathBuf};

use aura_tests::Instance;
use rusqlite::Connection;

const PAGE: usize = 4_096;

pub fn image(instance: &Instance) -> PathBuf {
    instance.folder().join("data/image.sqlite")
}

/// Every file with its content, but for the index of the journal, which is memory that programs share.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    let mut files: Vec<_> = entries
        .filter(|entry| entry.file_name() != "image.sqlite-shm")
        .map(|entry| {
            (entry.file_name().into_string().expect("UTF-8"), fs::read(entry.path()).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

/// Overwrites the first page of the objects' table, of an image that nobody has open; what was in the file before,
/// with all of the journal moved into it.
pub fn spoil(image: &Path) -> Vec<u8> {
    let connection = Connection::open(image).expect("an image");
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'UvmObjects'";
    let page: u32 = connection.query_row(sql, [], |row| row.get(0)).expect("a table");
    drop(connection);
    let sound = fs::read(image).expect("the image");
    let mut bytes = sound.clone();
    let from = (page as usize - 1) * PAGE;
    bytes[from..from + PAGE].fill(0x5a);
    fs::write(image, bytes).expect("the image");
    sound
}
