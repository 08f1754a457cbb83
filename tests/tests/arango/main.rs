//! The store on `ArangoDB`: the contract of every store, run against an emulated coordinator and, where
//! `ARANGO_URL` says there is one, against a real cluster; what goes over the wire; and what happens when it breaks.
//!
//! Against a real cluster: `ARANGO_URL=http://localhost:8529 ARANGO_PASS=… cargo nextest run -p aura-tests
//! --test arango`. Without `ARANGO_URL` those tests are reported as skipped.

#![expect(clippy::needless_pass_by_value, reason = "scripts read better without references")]

mod accounts;
mod doctor;
mod emulator;
mod faults;
mod http;
mod image;
mod migration;
mod pages;
mod script;
mod wire;

#[path = "../store_contract/cases.rs"]
mod cases;
#[macro_use]
#[path = "../store_contract/contract.rs"]
mod contract;
#[path = "../store_contract/history.rs"]
mod history;
#[path = "../store_contract/model.rs"]
mod model;
#[path = "../store_contract/random.rs"]
mod random;
#[path = "../store_contract/sharing.rs"]
mod sharing;
#[path = "../store_contract/values.rs"]
mod values;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use self::contract::Image;
use self::image::{Emulated, Live};

/// A test that needs a runtime.
fn trial(name: impl Into<String>, test: impl AsyncFnOnce() + Send + 'static) -> Trial {
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(test());
        Ok(())
    };
    Trial::test(name, run)
}

macro_rules! trials {
    ($image:ty, $store:literal; $($topic:ident: [$($case:ident)*])*) => {
        vec![
            $($(trial(concat!($store, "::", stringify!($case)), async || {
                let image = <$image as Image>::empty();
                $topic::$case(&image).await;
            }),)*)*
            Trial::test(concat!($store, "::any_operations_leave_the_state_of_the_model"), || {
                random::any_operations_leave_the_state_of_the_model::<$image>();
                Ok(())
            }),
        ]
    };
}

fn main() -> ExitCode {
    let live = contract_cases!(trials!(Live, "arango"));
    let live = live.into_iter().map(|trial| trial.with_ignored_flag(image::live_url().is_none()));
    let mut trials: Vec<_> = live.collect();
    trials.extend(contract_cases!(trials!(Emulated, "arango_emulated")));
    trials.extend(accounts::trials());
    trials.extend(doctor::trials());
    trials.extend(faults::trials());
    trials.extend(migration::trials());
    trials.extend(pages::trials());
    trials.extend(wire::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
