//! What the orchestrator makes of errors.

use crate::object::{Fault, Kind, MethodName, ObjectId};
use crate::store::StoreError;

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::ObjectNotFound(_) => Kind::ObjectNotFound,
            StoreError::ObjectExists(_) => Kind::ObjectExists,
            StoreError::MethodNotFound { .. } | StoreError::VersionNotFound { .. } => Kind::MethodNotFound,
            StoreError::Conflict(_) => Kind::RevisionConflict,
            StoreError::TooManyPrototypes { .. } | StoreError::NotEmpty | StoreError::ImportFailed(_) => {
                Kind::Malformed
            }
            StoreError::LineageTooLong(_) => Kind::DepthLimit,
            StoreError::AttributesTooLarge { .. } | StoreError::LineageTooLarge(_) => Kind::MemoryLimit,
            StoreError::AlreadyFinished(_) | StoreError::NotItsTurn(_) => Kind::Internal,
            StoreError::Fenced | StoreError::Unavailable(_) => Kind::StoreUnavailable,
        };
        Self::new(kind, error.to_string())
    }
}

/// A job that panicked.
pub(super) fn crashed(what: &str) -> Fault {
    Fault::new(Kind::Internal, format!("{what} ended unexpectedly; the server's log says why"))
}

/// A message that ran whenever a server died.
pub(super) fn set_aside(restarts: u32) -> Fault {
    Fault::new(
        Kind::Internal,
        format!(
            "set aside: the server died {} times while this message ran; send it again if something else was the \
             cause",
            restarts.saturating_add(1)
        ),
    )
}

/// A message that the store failed on again and again.
pub(super) fn given_up(rounds: u32) -> Fault {
    let text =
        format!("given up: the store failed {rounds} times on this message; the server's log says why");
    Fault::new(Kind::Internal, text)
}

pub(super) fn not_understood(object: &ObjectId, name: &MethodName) -> Fault {
    Fault::new(Kind::MethodNotFound, format!("'{name}' is not understood by {object}"))
}

/// Whether the system failed, not the method: no method can be blamed for it, and none may catch it.
pub(super) fn is_of_the_system(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Internal
            | Kind::Busy
            | Kind::SandboxUnavailable
            | Kind::StoreUnavailable
            | Kind::MindUnavailable
    )
}
