//! What objects may use within an hour, and have used. An account is kept as the text of its record, apart from its
//! object, whose revision it leaves alone.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::database::Database;
use super::error::{Attempt, damaged};
use super::transaction::{Transaction, transact};
use super::{aql, methods, objects};
use crate::object::{Account, Budget, ObjectId, Timestamp};
use crate::store::{Result, StoreError};

#[derive(Serialize)]
pub(super) struct New<'a> {
    #[serde(rename = "_key")]
    key: &'a str,
    order: String,
    record: String,
}

/// An object that is there, with its account if it has one.
#[derive(Deserialize)]
struct Holder {
    key: String,
    record: Option<String>,
}

pub(super) fn document<'a>(id: &'a ObjectId, account: &Account) -> Result<New<'a>> {
    Ok(New { key: id.key(), order: objects::order(id), record: methods::record(account)? })
}

pub(super) fn from_record(record: &str) -> Result<Account> {
    serde_json::from_str(record).map_err(|error| damaged("an account", error))
}

pub(super) async fn read(database: &Database, id: &ObjectId) -> Result<Option<Account>> {
    let holders: Vec<Holder> = database.read(aql::ACCOUNTS, json!({ "keys": [id.key()] })).await?;
    let holder = holders.first().ok_or_else(|| StoreError::ObjectNotFound(id.clone()))?;
    holder.record.as_deref().map(from_record).transpose()
}

pub(super) async fn set_budget(database: &Database, id: &ObjectId, budget: Budget) -> Result<Account> {
    transact!(database, Some(id), &["Accounts"], &["UvmObjects"], |transaction| set_budget_in(
        &transaction,
        id,
        budget
    ))
}

async fn set_budget_in(transaction: &Transaction, id: &ObjectId, budget: Budget) -> Attempt<Account> {
    let mut held = held(transaction, &[id]).await?;
    let account = Account { budget, ..take(&mut held, id)? };
    transaction.replace("Accounts", &[document(id, &account)?]).await?;
    Ok(account)
}

/// Adds the fuel to what the objects have used. It needs no guards: who charges the same object meets in its
/// account's document.
pub(super) async fn charge(transaction: &Transaction, charges: &[(ObjectId, u64)]) -> Attempt<()> {
    if charges.is_empty() {
        return Ok(());
    }
    // In an order that is the same for everybody, so that nobody waits for each other in a circle.
    let mut used: BTreeMap<&ObjectId, u64> = BTreeMap::new();
    for (object, fuel) in charges {
        let sum = used.entry(object).or_default();
        *sum = sum.saturating_add(*fuel);
    }
    let mut held = held(transaction, &used.keys().copied().collect::<Vec<_>>()).await?;
    let now = Timestamp::now();
    let accounts = used.into_iter().map(|(id, fuel)| document(id, &take(&mut held, id)?.charged(fuel, now)));
    Ok(transaction.replace("Accounts", &accounts.collect::<Result<Vec<_>>>()?).await?)
}

/// The accounts of those objects that there are, by their keys.
async fn held(transaction: &Transaction, ids: &[&ObjectId]) -> Attempt<HashMap<String, Account>> {
    let keys: Vec<_> = ids.iter().map(|id| id.key()).collect();
    let holders: Vec<Holder> = transaction.query(aql::ACCOUNTS, json!({ "keys": keys })).await?;
    let fresh = || Ok(Account::fresh(Budget::default(), Timestamp::now()));
    let account =
        |holder: Holder| Ok((holder.key, holder.record.map_or_else(fresh, |record| from_record(&record))?));
    Ok(holders.into_iter().map(account).collect::<Result<_>>()?)
}

fn take(held: &mut HashMap<String, Account>, id: &ObjectId) -> Result<Account> {
    held.remove(id.key()).ok_or_else(|| StoreError::ObjectNotFound(id.clone()))
}
