//! Leases of servers, by the clocks of the coordinators: those of the servers may differ.

use std::time::Duration;

use serde_json::{Value, json};

use super::database::Database;
use super::error::{Attempt, Trouble};
use super::guards::Guards;
use super::transaction::{Transaction, Tries, transact};
use super::{aql, messages};
use crate::store::{Lease, LeaseId, Result, ServerName, StoreError};

pub(super) async fn join(database: &Database, server: &ServerName, time: Duration) -> Result<Lease> {
    let lease = Lease { server: server.clone(), id: LeaseId::fresh() };
    transact!(database, None, &["Guards", "Servers"], &[], |transaction| join_in(&transaction, &lease, time))
        .map(|()| lease)
}

async fn join_in(transaction: &Transaction, lease: &Lease, time: Duration) -> Attempt<()> {
    transaction.replace("Guards", Guards::default().changes_server(&lease.server).documents()).await?;
    let values = json!({ "server": lease.server, "lease": lease.id, "time": milliseconds(time) });
    let _: Vec<Value> = transaction.query(aql::JOIN, values).await?;
    Ok(())
}

/// One query is a transaction by itself, and twice the same does no harm.
pub(super) async fn renew(database: &Database, lease: &Lease, time: Duration) -> Result<()> {
    let values = json!({ "server": lease.server, "lease": lease.id, "time": milliseconds(time) });
    let mut tries = Tries::new(None);
    loop {
        let renewed = database.query::<LeaseId>(None, aql::RENEW, values.clone()).await;
        if let Some(renewed) = tries.judge(renewed.map_err(Trouble::from)).await? {
            return if renewed.is_empty() { Err(StoreError::Fenced) } else { Ok(()) };
        }
    }
}

pub(super) async fn leave(database: &Database, lease: &Lease) -> Result<()> {
    transact!(database, None, &["Guards", "Servers"], &[], |transaction| leave_in(&transaction, lease))
}

async fn leave_in(transaction: &Transaction, lease: &Lease) -> Attempt<()> {
    transaction.replace("Guards", Guards::default().changes_server(&lease.server).documents()).await?;
    let values = json!({ "server": lease.server, "lease": lease.id });
    let _: Vec<Value> = transaction.query(aql::LEAVE, values).await?;
    Ok(())
}

pub(super) async fn take_over(database: &Database, lease: &Lease) -> Result<usize> {
    transact!(database, None, &["Guards", "Servers", "Messages"], &[], |transaction| take_over_in(
        database,
        &transaction,
        lease
    ))
}

async fn take_over_in(database: &Database, transaction: &Transaction, lease: &Lease) -> Attempt<usize> {
    // Asked outside, since the guards come before everything that is read inside.
    let gone: Vec<Vec<ServerName>> = database.read(aql::GONE, json!({})).await?;
    let mut gone = messages::sole(gone)?;
    gone.retain(|server| *server != lease.server);
    let mut guards = Guards::default();
    guards.reads_server(&lease.server);
    for server in &gone {
        guards.changes_server(server);
    }
    transaction.replace("Guards", guards.documents()).await?;
    let held: Vec<LeaseId> = transaction.query(aql::LEASE, json!({ "server": lease.server })).await?;
    messages::require(held.first().copied(), lease)?;
    let _: Vec<Value> = transaction.query(aql::END_LEASES, json!({ "gone": gone })).await?;
    let taken: Vec<u8> =
        transaction.query(aql::TAKE_OVER, json!({ "gone": gone, "server": lease.server })).await?;
    Ok(taken.len())
}

/// Bounded by what the database's numbers can add to a time.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(1 << 50)
}
