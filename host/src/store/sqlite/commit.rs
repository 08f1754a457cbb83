//! The commit of one cognitive cycle, and the invocations it records.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::columns::Document;
use super::{lease, messages, methods, objects};
use crate::object::{Invocation, InvocationId};
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
    commit.invocations.iter().try_for_each(|invocation| record(image, invocation))
}

pub(super) fn record(image: &Connection, invocation: &Invocation) -> Result<()> {
    image
        .prepare_cached("INSERT INTO Invocations (id, record) VALUES (?1, ?2)")?
        .execute(params![invocation.invocation_id, Document(invocation)])?;
    Ok(())
}

pub(super) fn invocation(image: &Connection, id: InvocationId) -> Result<Option<Invocation>> {
    let found = image
        .prepare_cached("SELECT record FROM Invocations WHERE id = ?1")?
        .query_row([id], |row| row.get::<_, Document<_>>(0))
        .optional()?;
    Ok(found.map(|record| record.0))
}
