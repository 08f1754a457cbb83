//! Messages over HTTP to a server with its image on disk, against a sandbox service that starts a process for
//! each call and keeps nothing; the same client for both.

mod contestants;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use anyhow::Result;

use contestants::{Aura, Contestant, ProcessPerCall, Workload};
use support::load::{Load, drive};
use support::rivals;
use support::table::{Table, Unit};

const ROUNDS: usize = 3;
const TIME: Duration = Duration::from_secs(3);

const WORKLOADS: [(Workload, usize); 5] = [
    (Workload::Trivial, 1),
    (Workload::Trivial, 32),
    (Workload::Counters, 1),
    (Workload::Counters, 32),
    (Workload::OneCounter, 32),
];

fn main() -> Result<()> {
    let (cache, guest) = support::cache_and_guest()?;
    let python = rivals::python(&cache)?;
    let aura = Aura::start(&cache, &guest)?;
    println!("Messages over HTTP; best of {ROUNDS} rounds taken in turns.");
    println!("{}, {}", support::machine(), rivals::version(&python)?);
    println!("The image is {}; FastAPI keeps nothing.", aura.disk()?);
    let rival = ProcessPerCall::start(&python)?;
    let contestants: [&dyn Contestant; 2] = [&aura, &rival];
    let mut table = Table::new(contestants.iter().map(|contestant| contestant.name()).collect());
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for (workload, clients) in WORKLOADS {
            for (number, contestant) in contestants.iter().enumerate() {
                let load = Load { callers: clients, pause: Duration::ZERO, time: TIME };
                let measured = drive(load, |client| contestant.client(workload, client, clients))?;
                let row = format!("{workload}, {clients} client{}", if clients == 1 { "" } else { "s" });
                table.note(&format!("{row}: messages/s"), Unit::PerSecond, number, measured.per_second());
                table.note(&format!("{row}: p50, ms"), Unit::Milliseconds, number, measured.percentile(50));
                table.note(&format!("{row}: p99, ms"), Unit::Milliseconds, number, measured.percentile(99));
            }
        }
    }
    println!("\n{table}\n{}", support::machine());
    println!("Every counter counted every message: {} in all.", aura.verify()?);
    Ok(())
}
