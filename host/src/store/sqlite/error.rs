//! `SQLite`'s errors as the store's: what is wrong and what to do about it.

use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// What every call answers once the writing thread is gone.
pub(super) const STOPPED: &str = "its writing thread has stopped; start aura again";

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        Self::Unavailable(explain(&error))
    }
}

/// The error with its cure, in one line. Senders of messages are shown it.
pub(super) fn explain(error: &Error) -> String {
    let cure = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program holds the image locked; stop it and try again"
        }
        Some(ErrorCode::DiskFull) => "the disk is full; free some space and try again",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "the image cannot be opened for writing; let this user write to the file and its folder"
        }
        Some(ErrorCode::NotADatabase) => "the file is not an image; move it away or name another one",
        Some(ErrorCode::DatabaseCorrupt) => "the image is damaged; restore it from a copy",
        Some(ErrorCode::SystemIoFailure) => {
            "the disk could not be read or written; check it, then start aura again"
        }
        _ => return unexpected(error),
    };
    // SQLite's own words, which name neither files nor statements.
    format!("{cure} ({error})")
}

/// What names statements, columns or types is for the log alone.
fn unexpected(error: &Error) -> String {
    tracing::error!("the image cannot be used: {error}");
    if is_damage(error) {
        return "the image holds a value that cannot be read; restore it from a copy".to_owned();
    }
    "the image and this version do not fit; the log says why".to_owned()
}

fn is_damage(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    )
}
