//! What a doctor looks at in an image.

use std::path::Path;

use rusqlite::Connection;

use super::{SqliteStore, open};
use crate::object::Timestamp;
use crate::store::{Check, Result, StoreError};

impl SqliteStore {
    /// Looks at the image at `path`, which must be there, without changing it. Blocks.
    pub fn examine_file(path: &Path) -> Vec<Check> {
        let check = |what: &str, found| vec![Check { what: what.to_owned(), found }];
        match open::open_existing(path) {
            Err(error) => check("file", Err(error.to_string())),
            Ok((_, 0)) => check("file", Ok("empty; the next start makes an image of it".to_owned())),
            Ok((image, open::NEWEST)) => all(&image),
            Ok((image, version)) => {
                let newest = open::NEWEST;
                let found = Ok(format!("version {version}; the next start brings it to version {newest}"));
                let mut checks = check("schema", found);
                checks.extend(check("content", content(&image).map_err(|error| error.to_string())));
                checks
            }
        }
    }
}

pub(super) fn all(image: &Connection) -> Vec<Check> {
    [("schema", schema as fn(&Connection) -> Result<String>), ("content", content), ("servers", servers)]
        .into_iter()
        .map(|(what, look)| Check {
            what: what.to_owned(),
            found: look(image).map_err(|error| error.to_string()),
        })
        .collect()
}

fn schema(image: &Connection) -> Result<String> {
    let version: i64 = image.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(format!("version {version}"))
}

/// Reads every page.
fn content(image: &Connection) -> Result<String> {
    let damage: String = image.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    let dangling = image.prepare("PRAGMA foreign_key_check")?.exists([])?;
    if damage != "ok" || dangling {
        let damage = if damage == "ok" { "a reference leads nowhere" } else { &damage };
        return Err(StoreError::Unavailable(format!(
            "the image is damaged; restore it from a copy ({damage})"
        )));
    }
    let count = |table: &str| {
        image.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
    };
    let (objects, versions, messages) = (count("UvmObjects")?, count("MethodVersions")?, count("Messages")?);
    Ok(format!("sound: {objects} objects, {versions} versions of methods, {messages} messages"))
}

fn servers(image: &Connection) -> Result<String> {
    let live: i64 = image.query_row(
        "SELECT count(*) FROM Servers WHERE lease IS NOT NULL AND expires_at >= ?1",
        [Timestamp::now()],
        |row| row.get(0),
    )?;
    let unfinished: i64 = image.query_row(
        "SELECT count(*) FROM Messages WHERE status IN ('accepted', 'running')",
        [],
        |row| row.get(0),
    )?;
    Ok(format!("{live} at work, {unfinished} messages unfinished"))
}
