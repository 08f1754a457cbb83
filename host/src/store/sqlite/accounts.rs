//! What objects may use within an hour, and have used.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::objects;
use crate::object::{Account, Budget, ObjectId, Timestamp};
use crate::store::Result;

/// The columns of `Accounts` that [`from_row`] reads.
pub(super) const COLUMNS: &str = "fuel_per_hour, used, since";

/// The account whose [`COLUMNS`] begin in this row at `first`.
pub(super) fn from_row(row: &Row<'_>, first: usize) -> rusqlite::Result<Account> {
    let budget = Budget { fuel_per_hour: row.get(first)? };
    Ok(Account { budget, used: row.get(first + 1)?, since: row.get(first + 2)? })
}

pub(super) fn read(image: &Connection, id: &ObjectId) -> Result<Option<Account>> {
    find(image, objects::number(image, id)?)
}

fn find(image: &Connection, object: i64) -> Result<Option<Account>> {
    Ok(image
        .prepare_cached(&format!("SELECT {COLUMNS} FROM Accounts WHERE object = ?1"))?
        .query_row([object], |row| from_row(row, 0))
        .optional()?)
}

pub(super) fn set_budget(image: &Connection, id: &ObjectId, budget: Budget) -> Result<Account> {
    change(image, id, |account| Account { budget, ..account })
}

pub(super) fn charge(image: &Connection, id: &ObjectId, fuel: u64) -> Result<()> {
    change(image, id, |account| account.charged(fuel, Timestamp::now())).map(drop)
}

fn change(image: &Connection, id: &ObjectId, change: impl FnOnce(Account) -> Account) -> Result<Account> {
    let object = objects::number(image, id)?;
    let account = find(image, object)?;
    let fresh = || Account::fresh(Budget::default(), Timestamp::now());
    let account = change(account.unwrap_or_else(fresh));
    put(image, object, account)?;
    Ok(account)
}

/// Takes an account in as it is.
pub(super) fn take(image: &Connection, id: &ObjectId, account: Account) -> Result<()> {
    put(image, objects::number(image, id)?, account)
}

fn put(image: &Connection, object: i64, account: Account) -> Result<()> {
    image
        .prepare_cached("REPLACE INTO Accounts (object, fuel_per_hour, used, since) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![object, account.budget.fuel_per_hour, account.used, account.since])?;
    Ok(())
}
