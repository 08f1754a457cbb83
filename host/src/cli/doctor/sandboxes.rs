//! The sandboxes that EXECUTION_SANDBOX_URL names.

use super::{Diagnosis, State};
use crate::sandbox::remote::{Address, greet};

const SANDBOX: &str = "sandbox";

/// Blocks.
pub fn check(sandboxes: &[Address]) -> Vec<Diagnosis> {
    let mut first = None;
    let mut found = Vec::new();
    for address in sandboxes.iter().flat_map(Address::expected) {
        let greeted = match greet(&address) {
            Ok(greeted) => greeted,
            Err(why) => {
                let cure = "Start it with `aura sandbox serve`, or take it out of EXECUTION_SANDBOX_URL.";
                found.push(Diagnosis::bad(
                    State::Unreachable,
                    SANDBOX,
                    format!("{address} is away: {why}"),
                    cure,
                ));
                continue;
            }
        };
        let (_, digests) = first.get_or_insert_with(|| (address.clone(), greeted.digests.clone()));
        if *digests == greeted.digests {
            found.push(Diagnosis::ok(SANDBOX, format!("{address} is ready, {}", greeted.confinement)));
        } else {
            found.push(Diagnosis::bad(
                State::Fail,
                SANDBOX,
                format!("{address} has another guest or configuration than the first, and is not used"),
                "Let all sandboxes be of one version of AURA.",
            ));
        }
    }
    found
}
