//! What can go wrong on the way to the database and in it, and how that reads as the store's errors.

use thiserror::Error;

use crate::store::StoreError;

/// `ArangoDB`'s numbers of the errors that are told apart here.
pub(super) mod number {
    pub const FORBIDDEN: u32 = 11;
    pub const LOCK_TIMEOUT: u32 = 18;
    pub const LOCKED: u32 = 28;
    pub const DEADLOCK: u32 = 29;
    pub const SHUTTING_DOWN: u32 = 30;
    pub const RESOURCE_LIMIT: u32 = 32;
    pub const READ_ONLY: u32 = 1004;
    pub const CONFLICT: u32 = 1200;
    pub const COLLECTION_NOT_FOUND: u32 = 1203;
    pub const DUPLICATE_NAME: u32 = 1207;
    pub const UNIQUE: u32 = 1210;
    pub const DATABASE_NOT_FOUND: u32 = 1228;
    pub const TRY_AGAIN: u32 = 1302;
    pub const BUSY: u32 = 1303;
    pub const WRITE_CONCERN: u32 = 1429;
    pub const SUBSEQUENT_FAULT: u32 = 1430;
    pub const CLUSTER_TIMEOUT: u32 = 1457;
    pub const CONNECTION_LOST: u32 = 1465;
    pub const BACKEND_UNAVAILABLE: u32 = 1478;
    pub const FOLLOWER_REFUSED: u32 = 1490;
    pub const LEADER_RESIGNED: u32 = 1491;
    pub const LEADERSHIP_CHALLENGE: u32 = 1495;
    pub const NOT_LEADER: u32 = 1496;
    pub const TRANSACTION_ABORTED: u32 = 1654;
    pub const TRANSACTION_NOT_FOUND: u32 = 1655;
    pub const DUPLICATE_GRAPH: u32 = 1925;
}

/// Why one request came to nothing.
#[derive(Clone, Debug, Error)]
pub(super) enum Failure {
    /// The database answered with an error.
    #[error("{message} (HTTP {status}, error {number})")]
    Refused {
        status: u16,
        /// 0 where the database gave none.
        number: u32,
        message: String,
        /// Which of the documents sent together it is about.
        item: Option<usize>,
    },
    /// The request never left.
    #[error("{0}")]
    Unreachable(String),
    /// No answer, or not a whole one: it may have been done or not.
    #[error("{0}")]
    Lost(String),
    #[error("an answer of ArangoDB has more than {0} MiB, which is more than is read")]
    TooLarge(usize),
    /// An answer that makes no sense.
    #[error("ArangoDB answered something unexpected ({0}); is another program behind this address?")]
    Nonsense(String),
}

impl Failure {
    pub fn number(&self) -> u32 {
        if let Self::Refused { number, .. } = self { *number } else { 0 }
    }

    fn status(&self) -> u16 {
        if let Self::Refused { status, .. } = self { *status } else { 0 }
    }

    /// Another transaction wrote the same at the same time.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self.number(),
            number::CONFLICT
                | number::UNIQUE
                | number::LOCK_TIMEOUT
                | number::LOCKED
                | number::DEADLOCK
                | number::TRY_AGAIN
                | number::BUSY
        )
    }

    /// What passes: a connection broke, or another server became the leader.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) => true,
            Self::TooLarge(_) | Self::Nonsense(_) => false,
            Self::Refused { .. } => {
                matches!(self.status(), 410 | 421 | 502 | 503 | 504)
                    || matches!(
                        self.number(),
                        number::SHUTTING_DOWN
                            | number::SUBSEQUENT_FAULT
                            | number::CLUSTER_TIMEOUT
                            | number::CONNECTION_LOST
                            | number::BACKEND_UNAVAILABLE
                            | number::FOLLOWER_REFUSED
                            | number::LEADER_RESIGNED
                            | number::LEADERSHIP_CHALLENGE
                            | number::NOT_LEADER
                            | number::TRANSACTION_ABORTED
                            | number::TRANSACTION_NOT_FOUND
                    )
            }
        }
    }

    fn cure(&self) -> Option<&'static str> {
        if self.status() == 401 && self.number() == number::FORBIDDEN {
            // It does not tell a missing database from a forbidden one.
            return Some(
                "the user of ARANGO_USER may not use this database, or it is not there; let an administrator create it with sharding single, or grant administrate access",
            );
        }
        if self.status() == 401 {
            return Some("ArangoDB refuses the user or the password; check ARANGO_USER and ARANGO_PASS");
        }
        Some(match self.number() {
            number::WRITE_CONCERN => {
                "too few copies of the image are in sync to write; start the missing DB-Servers again"
            }
            number::FORBIDDEN => {
                "the user of ARANGO_USER may not do this; grant it administrate access to the database"
            }
            number::READ_ONLY => {
                "the database only reads; set its server mode to default, or renew its licence"
            }
            number::RESOURCE_LIMIT => "the database ran out of the memory it may use; give its servers more",
            number::DATABASE_NOT_FOUND | number::COLLECTION_NOT_FOUND => {
                "the database or a part of it is gone; start aura again to create it, or restore it"
            }
            number::CONFLICT | number::UNIQUE | number::LOCK_TIMEOUT | number::LOCKED | number::BUSY => {
                "too much is written to the same documents at once; try again"
            }
            _ => match self.status() {
                403 => {
                    "the user of ARANGO_USER may not do this; grant it administrate access to the database"
                }
                _ if self.is_transient() && self.status() != 0 => {
                    "the cluster is between two states, as while a server is replaced; try again"
                }
                _ => return None,
            },
        })
    }
}

/// The failure with its cure, in one line.
pub(super) fn explain(failure: &Failure) -> String {
    match failure.cure() {
        Some(cure) => format!("{cure} ({failure})"),
        None => failure.to_string(),
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        Self::Unavailable(explain(&failure))
    }
}

/// Why work inside a transaction ended: the store's own reasons, or the database's.
#[derive(Debug)]
pub(super) enum Trouble {
    Store(StoreError),
    Database(Failure),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Store(error) => error,
            Trouble::Database(failure) => failure.into(),
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Database(failure)
    }
}

/// What one request came to.
pub(super) type Answered<T> = Result<T, Failure>;

/// What work inside a transaction came to.
pub(super) type Attempt<T> = Result<T, Trouble>;

/// A document that cannot be read back.
pub(super) fn damaged(what: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!(
        "the image holds {what} that cannot be read; restore it from a copy ({error})"
    ))
}
