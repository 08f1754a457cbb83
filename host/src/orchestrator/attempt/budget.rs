//! What the budgets of the objects that an attempt touches leave to its runs.

use std::collections::BTreeMap;

use crate::object::{Account, Budget, Fault, Kind, ObjectId, Timestamp};

/// The accounts an attempt has read, as its runs charge them. A run that is still going on is charged at its end;
/// until then the tank it shares with what it sends to keeps them within what it was given.
pub(super) struct Budgets {
    /// Of objects that have no budget of their own.
    fuel_per_hour: Option<u64>,
    now: Timestamp,
    read: BTreeMap<ObjectId, Account>,
    /// What the message used so far, in this attempt and in those before it.
    charged: BTreeMap<ObjectId, u64>,
}

impl Budgets {
    pub fn new(fuel_per_hour: Option<u64>, charged: Vec<(ObjectId, u64)>) -> Self {
        let charged = charged.into_iter().collect();
        Self { fuel_per_hour, now: Timestamp::now(), read: BTreeMap::new(), charged }
    }

    /// Notes an object's account, if it has a budget at all.
    pub fn read(&mut self, object: &ObjectId, account: Option<Account>) {
        let account = account.unwrap_or_else(|| Account::fresh(Budget::default(), self.now)).at(self.now);
        if self.limit(&account).is_some() && !self.read.contains_key(object) {
            self.read.insert(object.clone(), account);
        }
    }

    fn limit(&self, account: &Account) -> Option<u64> {
        account.budget.fuel_per_hour.or(self.fuel_per_hour)
    }

    /// The fuel that the object may still use.
    pub fn allowance(&self, object: &ObjectId) -> Result<u64, Fault> {
        let Some(account) = self.read.get(object) else { return Ok(u64::MAX) };
        let Some(limit) = self.limit(account) else { return Ok(u64::MAX) };
        let charged = self.charged.get(object).copied().unwrap_or(0);
        let left = limit.saturating_sub(account.used).saturating_sub(charged);
        if left > 0 {
            return Ok(left);
        }
        let minutes = account.until().0.saturating_sub(self.now.0).div_euclid(60_000) + 1;
        Err(Fault::new(
            Kind::FuelExhausted,
            format!("'{object}' has used up its {limit} fuel of this hour; it has more in {minutes} min"),
        ))
    }

    /// Charges a run of the object with the fuel it used itself.
    pub fn charge(&mut self, object: &ObjectId, fuel: u64) {
        if fuel > 0 && self.read.contains_key(object) {
            let charged = self.charged.entry(object.clone()).or_default();
            *charged = charged.saturating_add(fuel);
        }
    }

    /// Those that have a budget.
    pub fn objects(&self) -> Vec<ObjectId> {
        self.read.keys().cloned().collect()
    }

    pub fn charges(self) -> Vec<(ObjectId, u64)> {
        self.charged.into_iter().collect()
    }
}
