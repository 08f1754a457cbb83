//! What a doctor looks at in an image.

use rusqlite::Connection;

use crate::object::Timestamp;
use crate::store::{Check, Result, StoreError};

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
