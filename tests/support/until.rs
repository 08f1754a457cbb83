//! Waiting for what becomes so at a time that no test can know.

use std::thread;
use std::time::{Duration, Instant};

/// Far beyond what anything here takes: reaching it is a hang.
const PATIENCE: Duration = Duration::from_mins(3);

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "not so: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
