//! What reads bytes from outside, one function each: it takes any bytes, and panics where what it feeds with them panics
//! or breaks its promise, and says whether it could read them.
//!
//! `fuzz_targets` gives them to libFuzzer; `tests/tests/fuzz` runs them over the seeds and mutations of those.

pub mod body;
pub mod fixture;
pub mod import;
pub mod outcome;
pub mod policy;

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]) -> bool);

pub const ALL: [Target; 5] = [
    ("body", body::read),
    ("fixture", fixture::read),
    ("import", import::read),
    ("outcome", outcome::read),
    ("policy", policy::read),
];
