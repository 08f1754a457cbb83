//! The commit of one cognitive cycle.

use rusqlite::Connection;

use super::{accounts, invocations, lease, messages, methods, objects};
use crate::store::{Commit, Result, StoreError};

/// Applies the cycle. The caller undoes everything when this fails.
pub(super) fn apply(image: &Connection, commit: Commit) -> Result<()> {
    // First, so that a cycle sent again after it was applied is not mistaken for one that lost a race.
    if messages::is_finished(image, commit.message.message_id)? {
        return Err(StoreError::AlreadyFinished(commit.message.message_id));
    }
    lease::require(image, &commit.lease)?;
    if !commit.preconditions.is_empty() {
        messages::require_turn(image, &commit.message)?;
    }
    for (object, rev) in &commit.preconditions {
        objects::require_rev(image, object, rev)?;
    }
    messages::write(image, &commit.message)?;
    for (object, attributes) in &commit.changes {
        objects::replace_attributes(image, object, attributes)?;
    }
    for install in commit.installs {
        methods::install(image, install)?;
    }
    for (object, fuel) in &commit.charges {
        accounts::charge(image, object, *fuel)?;
    }
    invocations::keep(image, &commit.contents)?;
    commit.invocations.iter().try_for_each(|invocation| invocations::record(image, invocation))
}
