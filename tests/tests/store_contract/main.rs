//! What every store promises, run against each of them.
//!
//! [`cases`], [`history`] and [`sharing`] hold the contract as scenarios, [`random`] as one property: any sequence of operations leaves the
//! store in the state of a small [`model`]. [`opening`] is about `SQLite` files alone. [`contract`] lists the
//! scenarios; another store joins by implementing [`Image`], as the one on `ArangoDB` does in the tests of its own.

mod cases;
#[macro_use]
mod contract;
mod history;
mod model;
mod opening;
mod random;
mod sharing;
mod values;

use std::path::PathBuf;

use aura::store::Store;
use aura::store::sqlite::SqliteStore;
use tempfile::TempDir;

use self::contract::Image;

struct SqliteImage(TempDir);

impl SqliteImage {
    fn path(&self) -> PathBuf {
        self.0.path().join("image.db")
    }
}

impl Image for SqliteImage {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> impl Store {
        SqliteStore::open(&self.path()).unwrap()
    }
}

macro_rules! contract {
    ($store:ident: $image:ty) => {
        mod $store {
            use super::*;

            contract_cases!(tests!($image));

            #[test]
            fn any_operations_leave_the_state_of_the_model() {
                random::any_operations_leave_the_state_of_the_model::<$image>();
            }
        }
    };
}

macro_rules! tests {
    ($image:ty; $($topic:ident: [$($case:ident)*])*) => {$($(
        #[tokio::test]
        async fn $case() {
            let image = <$image>::empty();
            $topic::$case(&image).await;
        }
    )*)*};
}

contract!(sqlite: SqliteImage);
