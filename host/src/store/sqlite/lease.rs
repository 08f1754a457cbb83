//! Leases of servers, by the clock of this machine: a file has no servers elsewhere.

use std::time::Duration;

use rusqlite::{Connection, params};

use crate::object::Timestamp;
use crate::store::{Lease, LeaseId, Result, ServerName, StoreError};

pub(super) fn join(image: &Connection, server: &ServerName, time: Duration) -> Result<Lease> {
    let lease = Lease { server: server.clone(), id: LeaseId::fresh() };
    let (until, duration) = terms(time);
    image
        .prepare_cached(
            "INSERT INTO Servers (name, lease, expires_at, duration) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (name)
             DO UPDATE SET lease = excluded.lease, expires_at = excluded.expires_at, duration = excluded.duration",
        )?
        .execute(params![server, lease.id, until, duration])?;
    Ok(lease)
}

/// Whether other servers hold leases.
pub(super) fn renew(image: &Connection, lease: &Lease, time: Duration) -> Result<bool> {
    let (until, duration) = terms(time);
    let renewed = image
        .prepare_cached("UPDATE Servers SET expires_at = ?3, duration = ?4 WHERE name = ?1 AND lease = ?2")?
        .execute(params![lease.server, lease.id, until, duration])?;
    if renewed == 0 {
        return Err(StoreError::Fenced);
    }
    let others = image
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM Servers WHERE name <> ?1 AND lease IS NOT NULL)")?
        .query_row([&lease.server], |row| row.get(0))?;
    Ok(others)
}

pub(super) fn leave(image: &Connection, lease: &Lease) -> Result<()> {
    image
        .prepare_cached("UPDATE Servers SET lease = NULL WHERE name = ?1 AND lease = ?2")?
        .execute(params![lease.server, lease.id])?;
    Ok(())
}

pub(super) fn take_over(image: &Connection, lease: &Lease) -> Result<usize> {
    require(image, lease)?;
    image
        .prepare_cached(
            // One that has longer to go than it was given for was made before the clock was set back.
            "UPDATE Servers SET lease = NULL WHERE name <> ?1 AND lease IS NOT NULL
             AND (expires_at < ?2 OR expires_at - duration > ?2)",
        )?
        .execute(params![lease.server, Timestamp::now()])?;
    let taken = image
        .prepare_cached(
            "UPDATE Messages SET server = ?1 WHERE status IN ('accepted', 'running') AND
             NOT EXISTS (SELECT 1 FROM Servers WHERE name = server AND lease IS NOT NULL)",
        )?
        .execute(params![lease.server])?;
    Ok(taken)
}

/// The fence: fails unless this is still the server's lease.
pub(super) fn require(image: &Connection, lease: &Lease) -> Result<()> {
    let holds: bool = image
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM Servers WHERE name = ?1 AND lease = ?2)")?
        .query_row(params![lease.server, lease.id], |row| row.get(0))?;
    if holds { Ok(()) } else { Err(StoreError::Fenced) }
}

/// When a lease of that time ends, and the time in milliseconds.
fn terms(time: Duration) -> (Timestamp, i64) {
    let duration = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    (Timestamp(Timestamp::now().0.saturating_add(duration)), duration)
}
