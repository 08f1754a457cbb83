//! What objects have used: while many commits charge the same ones, and in imports.

use aura::object::{Account, Budget, ObjectId, Timestamp};
use aura::store::{Commit, Entry, Imported, Result, Store, StoreError};
use libtest_mimic::Trial;

use crate::contract::Image;
use crate::image::Emulated;
use crate::sharing::import;
use crate::trial;
use crate::values::{cycle, id, join, message, object};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("accounts::no_charge_is_lost", async || no_charge_is_lost(&Emulated::empty()).await),
        trial("accounts::an_imported_account_needs_its_object", an_imported_account_needs_its_object),
        trial("accounts::an_account_keeps_imports_out", an_account_keeps_imports_out),
    ]
}

/// Several commits at once, and a budget that changes meanwhile.
pub async fn no_charge_is_lost(image: &impl Image) {
    let store = image.open();
    for key in ["a", "b"] {
        store.create_object(object(key, "{}", &[])).await.unwrap();
    }
    let lease = join(&store, "one").await;
    let charge = async |charges: [(ObjectId, u64); 2]| {
        for _ in 0..3 {
            let commit = Commit { charges: charges.to_vec(), ..cycle(&lease, &message("a")) };
            done(async || store.commit(commit.clone()).await).await;
        }
    };
    let (a, budget) = (id("a"), Budget { fuel_per_hour: Some(9) });
    let (.., set) = tokio::join!(
        charge([(id("a"), 1), (id("b"), 10)]),
        charge([(id("b"), 100), (id("a"), 1_000)]),
        charge([(id("a"), 10_000), (id("a"), 20_000)]),
        done(async || store.set_budget(&a, budget).await),
    );
    assert_eq!(set.budget, budget);
    let account = async |key| store.account(&id(key)).await.unwrap().unwrap();
    let (a, b) = (account("a").await, account("b").await);
    assert_eq!((a.used, a.budget), (93_003, budget));
    assert_eq!((b.used, b.budget), (330, Budget::default()));
}

/// Does what only fails while much goes wrong at once: it says then that nothing of it was done.
async fn done<T>(attempt: impl AsyncFn() -> Result<T>) -> T {
    for _ in 0..9 {
        match attempt().await {
            Err(StoreError::Unavailable(_)) => {}
            outcome => return outcome.unwrap(),
        }
    }
    panic!("it is never done")
}

const ACCOUNT: Account =
    Account { budget: Budget { fuel_per_hour: Some(9) }, used: i64::MAX.unsigned_abs(), since: Timestamp(5) };

fn one_account(key: &str) -> Vec<Entry> {
    let end = Imported { accounts: 1, ..Imported::default() };
    vec![Entry::Account { object: id(key), account: ACCOUNT }, Entry::End(end)]
}

async fn an_imported_account_needs_its_object() {
    let image = Emulated::empty();
    let store = image.open();
    store.genesis().await.unwrap();
    let refused = import(&store, one_account("none")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the import broke off and nothing of it is kept: object 'UvmObjects/none' does not exist"
    );
    import(&store, one_account("system")).await.unwrap();
    assert_eq!(store.account(&id("system")).await.unwrap(), Some(ACCOUNT));
}

/// It would be gone if the import broke off.
async fn an_account_keeps_imports_out() {
    let image = Emulated::empty();
    let store = image.open();
    store.genesis().await.unwrap();
    store.set_budget(&id("system"), ACCOUNT.budget).await.unwrap();
    assert!(matches!(import(&store, one_account("nil")).await, Err(StoreError::NotEmpty)));
}
