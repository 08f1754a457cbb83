//! The sandbox as a process of its own: that runs come out the same, what its death costs, and that nothing it answers
//! is believed.

mod cli;
mod liar;
mod lies;
mod lost;
mod outcomes;
mod process;
#[allow(dead_code, reason = "the tests of determinism use all of it")]
#[path = "../determinism/program.rs"]
mod program;
#[path = "../determinism/written.rs"]
mod written;

use std::time::Duration;

use aura::sandbox::remote::{Address, RemoteSandbox};

/// A client of these sandboxes.
fn client(urls: &str) -> Result<RemoteSandbox, String> {
    let addresses = Address::parse_all(urls).expect("addresses");
    RemoteSandbox::connect(addresses, Duration::from_secs(1), |_| ()).map_err(|error| error.to_string())
}
