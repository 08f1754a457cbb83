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
            StoreError::TooManyPrototypes { .. } => Kind::Malformed,
            StoreError::AlreadyFinished(_) => Kind::Internal,
            StoreError::Unavailable(_) => Kind::StoreUnavailable,
        };
        Self::new(kind, error.to_string())
    }
}

/// A job that panicked.
pub(super) fn crashed(what: &str) -> Fault {
    Fault::new(Kind::Internal, format!("{what} ended unexpectedly; the server's log says why"))
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
