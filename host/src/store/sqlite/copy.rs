//! A copy of an image while others write to it.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::SqliteStore;
use super::error::explain;
use super::open;
use crate::store::{Result, StoreError};

/// Pages between two words of progress.
const PAGES: i32 = 4_096;

impl SqliteStore {
    /// Copies the image at `from` to `to`, a new file, as it stands at one moment: who writes to the image
    /// meanwhile neither waits nor is waited for. The copy is sound, and no server's. Blocks.
    ///
    /// `progress` is told how many bytes of how many are done.
    pub fn copy(from: &Path, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let (source, _) = open::open_existing(from)?;
        let at = |error: &rusqlite::Error| {
            StoreError::Unavailable(format!("{}: {}", to.display(), explain(error)))
        };
        let mut target = Connection::open_with_flags(
            to,
            OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(|error| at(&error))?;
        copy_pages(&source, &mut target, progress).map_err(|error| at(&error))?;
        drop(source);
        let verdict = finish(&target).map_err(|error| at(&error))?;
        if verdict != "ok" {
            return Err(StoreError::Unavailable(format!(
                "{}: the image is damaged; restore it from an earlier copy ({verdict})",
                from.display()
            )));
        }
        target.close().map_err(|(_, error)| at(&error))
    }
}

fn copy_pages(
    source: &Connection,
    target: &mut Connection,
    progress: &mut dyn FnMut(u64, u64),
) -> rusqlite::Result<()> {
    // The file is brought to disk as a whole.
    target.pragma_update(None, "synchronous", "OFF")?;
    target.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
    // One view for all steps; without it, each write to the image would start the copy anew.
    let view = source.unchecked_transaction()?;
    let page: u32 =
        view.query_row("SELECT page_size FROM pragma_page_size, sqlite_schema LIMIT 1", [], |row| {
            row.get(0)
        })?;
    let backup = Backup::new(&view, target)?;
    loop {
        match backup.step(PAGES)? {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            // Nobody else knows the target, and the source is not locked for readers.
            _ => {
                return Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
                    None,
                ));
            }
        }
        let pages = backup.progress();
        let bytes = |pages: i32| u64::from(page) * u64::try_from(pages).unwrap_or(0);
        progress(bytes(pages.pagecount - pages.remaining), bytes(pages.pagecount));
    }
}

/// Ends the leases of the servers that work on the original, and reads the copy through.
fn finish(copy: &Connection) -> rusqlite::Result<String> {
    if copy.table_exists(None, "Servers")? {
        copy.execute("UPDATE Servers SET lease = NULL", [])?;
    }
    copy.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
}
