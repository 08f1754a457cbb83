//! Opening an image: its folder, its file, its schema.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::explain;
use crate::store::{Result, StoreError};

/// In order; each takes the schema from its index to the next version.
const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001_living_image.sql"),
    include_str!("migrations/0002_messages_by_id.sql"),
    include_str!("migrations/0003_servers.sql"),
    include_str!("migrations/0004_replay.sql"),
];

/// The version of the schema that this program makes.
pub(super) const NEWEST: usize = MIGRATIONS.len();

/// "AURA": tells an image from the databases of other programs.
const APPLICATION_ID: i64 = 0x4155_5241;

/// How often a call looks whether another program still holds a lock, a millisecond apart: for some five seconds.
const LOCK_LOOKS: i32 = 5_000;
const LOOK: Duration = Duration::from_millis(1);

/// What is kept of the journal after it was moved into the image.
const JOURNAL_BYTES: i64 = 64 << 20;

/// Pages in the journal before they are moved into the image.
const CHECKPOINT_PAGES: i64 = 4_000;

const STATEMENTS: usize = 64;

/// The connection that writes, with the schema brought up to date.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let at = |cause: String| StoreError::Unavailable(format!("{}: {cause}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| {
            at(format!("its folder cannot be created ({error}); choose another with AURA_DATA"))
        })?;
    }
    let mut connection = Connection::open(path).map_err(|error| at(explain(&error)))?;
    prepare(&mut connection).map_err(|error| match error {
        Refusal::Said(cause) => at(cause),
        Refusal::Sqlite(error) => at(explain(&error)),
    })?;
    Ok(connection)
}

/// A connection that only reads the image at `path`, which must be there, and the version of its schema: 0 for an
/// empty file, at most [`NEWEST`].
pub(super) fn open_existing(path: &Path) -> Result<(Connection, usize)> {
    let at = |cause: String| StoreError::Unavailable(format!("{}: {cause}", path.display()));
    // A connection that may not write leaves an empty journal behind; one that may takes it away, and would take
    // away one with something in it too, having moved that into the image.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let keep_journal = journal(path).exists();
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| at(explain(&error)))?;
    let version = configure(&mut connection)
        .and_then(|()| connection.pragma_update(None, "query_only", true))
        .and_then(|()| {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep_journal).map(drop)
        })
        .map_err(Refusal::from)
        .and_then(|()| check_schema(&connection));
    match version {
        Ok(version) => Ok((connection, version)),
        Err(Refusal::Said(cause)) => Err(at(cause)),
        Err(Refusal::Sqlite(error)) => Err(at(explain(&error))),
    }
}

/// The write-ahead log of the image at `path`.
fn journal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// A connection that only reads.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    configure(&mut connection)?;
    Ok(connection)
}

fn configure(connection: &mut Connection) -> rusqlite::Result<()> {
    // Evenly: the pauses of SQLite's own handler grow, and who writes much would seldom be met between two writes.
    connection.busy_handler(Some(|looks| {
        thread::sleep(LOOK);
        looks < LOCK_LOOKS
    }))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Plans do not depend on the values bound; else a bound LIMIT has its statement prepared again every time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")
}

enum Refusal {
    Said(String),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(connection: &mut Connection) -> std::result::Result<(), Refusal> {
    configure(connection)?;
    if connection.is_readonly("main")? {
        return Err(Refusal::Said("the file is read-only; let this user write to it".to_owned()));
    }
    check_schema(connection)?;
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if journal != "wal" {
        return Err(Refusal::Said(
            "its file system does not support a write-ahead log; put the image on a local disk".to_owned(),
        ));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES)?;
    migrate(connection)
}

/// Applies the migrations this image lacks: all of them or none.
fn migrate(connection: &mut Connection) -> std::result::Result<(), Refusal> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Again, now that no other program can change it.
    let version = check_schema(&transaction)?;
    for (next, migration) in (1_u32..).zip(MIGRATIONS).skip(version) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", next)?;
    }
    Ok(transaction.commit()?)
}

/// The image's schema version: 0 for an empty file, at most the number of migrations.
fn check_schema(connection: &Connection) -> std::result::Result<usize, Refusal> {
    let application: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let empty: bool =
        connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if application != APPLICATION_ID && !(empty && application == 0 && version == 0) {
        return Err(Refusal::Said(
            "the file is the database of another program; move it away or name another one".to_owned(),
        ));
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(Refusal::Said(format!(
            "the image has schema version {version} and this aura knows {}; use a newer aura",
            MIGRATIONS.len()
        ))),
    }
}
