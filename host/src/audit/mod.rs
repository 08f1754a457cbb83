//! What the audit goes by, and how its findings are told. The reading itself is done in the guest (`guest-python/src/audit`),
//! with the parser and the compiler that run bodies.
//!
//! | file | what it owns |
//! |---|---|
//! | `policy` | what bodies may use, as data |
//! | `rules` | what each rule means |
//! | `frame` | a finding with its lines of code, for the terminal |
//! | `sarif` | findings for other tools |

#[cfg(feature = "full")]
pub mod frame;
mod policy;
pub mod rules;
pub mod sarif;

pub use policy::{BUILT_IN, Name, Policy, PolicyError};
