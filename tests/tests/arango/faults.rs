//! The contract while things go wrong: nothing of it changes but how often something has to be tried.

use std::sync::OnceLock;

use aura::store::Store;
use libtest_mimic::Trial;

use crate::contract::Image;
use crate::emulator::{Emulator, Faults};
use crate::image::Emulated;
use crate::{accounts, cases, random, sharing, trial};

macro_rules! faulty {
    ($($image:ident: $faults:expr;)*) => {$(
        struct $image(Emulated);

        impl Image for $image {
            fn empty() -> Self {
                static EMULATOR: OnceLock<Emulator> = OnceLock::new();
                Self(Emulated::on(EMULATOR.get_or_init(|| Emulator::start($faults))))
            }

            fn open(&self) -> impl Store {
                self.0.open()
            }
        }
    )*};
}

faulty! {
    LostCommits: Faults { lost_commits: 3, ..Faults::default() };
    Conflicts: Faults { conflicts: 11, ..Faults::default() };
    LeaderChanges: Faults { leader_changes: 40, ..Faults::default() };
    Expiries: Faults { expiries: 29, ..Faults::default() };
    EverythingAtOnce: Faults { lost_commits: 5, conflicts: 13, leader_changes: 101, expiries: 53 };
}

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    macro_rules! through {
        ($($name:literal: $image:ty),*) => {$(
            trials.push(Trial::test(concat!("faults::the_model_is_kept_through_", $name), || {
                random::any_operations_leave_the_state_of_the_model::<$image>();
                Ok(())
            }));
            trials.push(trial(concat!("faults::no_update_is_lost_through_", $name), async || {
                cases::concurrent_cycles_lose_no_update(&<$image>::empty()).await;
            }));
            trials.push(trial(concat!("faults::no_charge_is_lost_through_", $name), async || {
                accounts::no_charge_is_lost(&<$image>::empty()).await;
            }));
            trials.push(trial(concat!("faults::write_skew_is_prevented_through_", $name), async || {
                sharing::write_skew_is_prevented(&<$image>::empty()).await;
            }));
        )*};
    }
    through!(
        "lost_commits": LostCommits,
        "conflicts": Conflicts,
        "leader_changes": LeaderChanges,
        "expired_tokens": Expiries,
        "everything_at_once": EverythingAtOnce
    );
    trials
}
