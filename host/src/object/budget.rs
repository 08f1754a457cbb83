//! What an object may use within an hour.

use serde::{Deserialize, Serialize};

use super::Timestamp;

const HOUR_MS: i64 = 3_600_000;

/// The fuel that the runs of one object may use within an hour; what is absent comes from the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub fuel_per_hour: Option<u64>,
}

/// The most an object may be given.
const MOST: u64 = 1_000_000_000_000_000;

impl Budget {
    /// What is wrong with it, in words.
    pub fn check(&self) -> Result<(), String> {
        match self.fuel_per_hour {
            Some(fuel) if !(1..=MOST).contains(&fuel) => {
                Err(format!("fuel_per_hour must be between 1 and {MOST}"))
            }
            _ => Ok(()),
        }
    }
}

/// An object's budget, and what it has used in the hour that began at `since`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub budget: Budget,
    pub used: u64,
    pub since: Timestamp,
}

impl Account {
    /// Of an object that has used nothing.
    #[must_use]
    pub fn fresh(budget: Budget, now: Timestamp) -> Self {
        Self { budget, used: 0, since: now }
    }

    /// What is wrong with one that comes from outside, in words.
    pub fn check(&self) -> Result<(), String> {
        self.budget.check()?;
        if i64::try_from(self.used).is_ok() { Ok(()) } else { Err("used is too large".to_owned()) }
    }

    /// As it stands at `now`: a new hour begins with the first use after the last one has ended. A clock that was
    /// set back by more than that ends it too.
    #[must_use]
    pub fn at(self, now: Timestamp) -> Self {
        let age = now.0.saturating_sub(self.since.0);
        if (-HOUR_MS..HOUR_MS).contains(&age) { self } else { Self::fresh(self.budget, now) }
    }

    /// The same with `fuel` more used at `now`.
    #[must_use]
    pub fn charged(self, fuel: u64, now: Timestamp) -> Self {
        let account = self.at(now);
        Self { used: account.used.saturating_add(fuel).min(i64::MAX.unsigned_abs()), ..account }
    }

    /// When the hour ends.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        Timestamp(self.since.0.saturating_add(HOUR_MS))
    }
}
