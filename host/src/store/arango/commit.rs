//! The commit of one cognitive cycle.

use indexmap::IndexMap;

use super::database::Database;
use super::error::Attempt;
use super::guards::Guards;
use super::transaction::{Transaction, transact};
use super::{accounts, invocations, messages, methods, objects};
use crate::object::{Json, ObjectId, Rev};
use crate::store::{Commit, Result, StoreError};

pub(super) async fn commit(database: &Database, commit: &Commit) -> Result<()> {
    transact!(
        database,
        commit.preconditions.first().map(|(object, _)| object),
        &["Guards", "UvmObjects", "MethodVersions", "Messages", "Invocations", "Contents", "Accounts"],
        &["Servers"],
        |transaction| commit_in(&transaction, commit)
    )
}

async fn commit_in(transaction: &Transaction, commit: &Commit) -> Attempt<()> {
    let changed = changed(commit);
    let mut guards = Guards::default();
    guards.reads_server(&commit.lease.server);
    for (object, _) in &commit.preconditions {
        if !changed.contains_key(object) {
            guards.reads_object(object);
        }
    }
    for object in changed.keys() {
        guards.changes_object(object);
    }
    transaction.replace("Guards", guards.documents()).await?;

    let keys = commit.preconditions.iter().map(|(object, _)| object).chain(changed.keys().copied());
    let keys: Vec<_> = keys.map(ObjectId::key).collect();
    let standing = messages::standing(transaction, &commit.message, &commit.lease, &keys).await?;
    // First, so that a cycle sent again after it was applied is not mistaken for one that lost a race.
    if standing.open == Some(false) {
        return Err(StoreError::AlreadyFinished(commit.message.message_id).into());
    }
    messages::require(standing.lease, &commit.lease)?;
    if let Some(earlier) = standing.earlier
        && !commit.preconditions.is_empty()
    {
        return Err(StoreError::NotItsTurn(earlier).into());
    }
    let rev = |object: &ObjectId| -> Option<&Rev> {
        standing.revs.iter().find(|known| known.key == object.key()).map(|known| &known.rev)
    };
    for (object, expected) in &commit.preconditions {
        objects::require_rev(object, rev(object), Some(expected))?;
    }
    for object in changed.keys() {
        objects::require_rev(object, rev(object), None)?;
    }

    transaction.merge("Messages", &[messages::change(&commit.message)?]).await?;
    for (object, attributes) in changed {
        objects::change(transaction, object, attributes).await?;
    }
    for install in &commit.installs {
        methods::install_in(transaction, install).await?;
    }
    let invocations = commit.invocations.iter().map(invocations::document).collect::<Result<Vec<_>>>()?;
    transaction.insert("Invocations", &invocations).await?;
    // Last, since others may be waiting for the same ones.
    invocations::keep(transaction, &commit.contents).await?;
    accounts::charge(transaction, &commit.charges).await
}

/// What becomes of each object: its new attributes, or none if only a method is installed.
fn changed(commit: &Commit) -> IndexMap<&ObjectId, Option<&Json>> {
    let mut changed: IndexMap<_, _> =
        commit.changes.iter().map(|(object, attributes)| (object, Some(attributes))).collect();
    for install in &commit.installs {
        changed.entry(&install.object).or_insert(None);
    }
    changed
}
