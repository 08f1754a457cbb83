//! What a message costs as the image grows, and as chains of prototypes grow: messages over HTTP to servers with
//! their images on disk, and beside them a sandbox service that starts a process for each call and keeps nothing.
//!
//! Writes `docs/benchmarks/image.md` and `docs/benchmarks/image.svg`. With `AURA_BENCH_QUICK` set it tries
//! everything with smaller images for shorter times, and writes into the build folder instead.

#[path = "../http/contestants.rs"]
mod contestants;
mod images;
mod picture;
mod report;
mod series;
#[path = "../support/served.rs"]
mod served;
#[path = "../support/mod.rs"]
mod support;

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use contestants::{Aura, Contestant, ProcessPerCall, Workload};
use report::Report;
use series::Series;
use support::load::{Load, drive};
use support::rivals;
use support::table::{Table, Unit};

/// Clients at once, where it is not one.
const CLIENTS: usize = 32;

/// What is measured and how long.
struct Plan {
    /// Objects in the image.
    sizes: &'static [u32],
    /// Prototypes between the receiver and what it inherits, that one included.
    chains: &'static [u32],
    rounds: usize,
    time: Duration,
    /// Where the results are written.
    folder: PathBuf,
}

impl Plan {
    fn chosen() -> Self {
        if env::var_os("AURA_BENCH_QUICK").is_some_and(|value| !value.is_empty()) {
            return Self {
                sizes: &[1_000, 10_000],
                chains: &[1, 10, 100],
                rounds: 1,
                time: Duration::from_millis(500),
                folder: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            };
        }
        Self {
            sizes: &[1_000, 10_000, 100_000, 1_000_000],
            chains: &[1, 2, 5, 10, 20, 50, 100],
            rounds: 3,
            time: Duration::from_secs(2),
            folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks"),
        }
    }
}

fn main() -> Result<()> {
    let (cache, guest) = support::cache_and_guest()?;
    let python = rivals::python(&cache)?;
    let plan = Plan::chosen();
    let machine = format!("{}, {}", support::machine(), rivals::version(&python)?);
    println!("{machine}");
    let (throughput, disk) = throughput(&plan, &cache, &guest, &python)?;
    println!("{throughput}");
    let sizes = grow(&plan, images::of_sizes(&cache, &guest, plan.sizes)?)?;
    println!("{sizes}");
    let chains = grow(&plan, images::of_chains(&cache, &guest, plan.chains)?)?;
    println!("{chains}");
    let report = Report { machine, disk, plan: &plan, throughput, sizes, chains };
    report.write()
}

/// 100 counters, beside the rival. Also says what the disk is like.
fn throughput(plan: &Plan, cache: &Path, guest: &Path, python: &Path) -> Result<(Table, String)> {
    let aura = Aura::start(cache, guest)?;
    let disk = aura.disk()?;
    let rival = ProcessPerCall::start(python)?;
    let contestants: [&dyn Contestant; 2] = [&aura, &rival];
    let mut table = Table::new(contestants.iter().map(|contestant| contestant.name()).collect());
    for round in 1..=plan.rounds {
        eprintln!("throughput, round {round} of {}", plan.rounds);
        for (number, contestant) in contestants.iter().enumerate() {
            let load = Load { callers: CLIENTS, pause: Duration::ZERO, time: plan.time };
            let measured = drive(load, |client| contestant.client(Workload::Counters, client, CLIENTS))?;
            table.note("messages/s", Unit::PerSecond, number, measured.per_second());
            table.note("p50, ms", Unit::Milliseconds, number, measured.percentile(50));
            table.note("p99, ms", Unit::Milliseconds, number, measured.percentile(99));
        }
    }
    println!("Every counter counted every message: {} in all.", aura.verify()?);
    Ok((table, disk))
}

/// Measures all of a series in turns.
fn grow(plan: &Plan, mut series: Series) -> Result<Series> {
    for round in 1..=plan.rounds {
        eprintln!("{}, round {round} of {}", series.name, plan.rounds);
        series.take_turns(plan.time)?;
    }
    println!("Every counter counted every message: {} in all.", series.verify()?);
    Ok(series)
}
