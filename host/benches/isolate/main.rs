//! One call in a fresh isolate, against the other ways to run untrusted Python, in turns on the same machine.

mod contestants;
mod programs;
#[path = "../support/mod.rs"]
mod support;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};

use contestants::{Aura, Contestant, Fuel, Interpreter, Monty, ProcessPerCall};
use support::load::Load;
use support::rivals;
use support::table::{Table, Unit};

const ROUNDS: usize = 3;
const TIME: Duration = Duration::from_secs(1);
/// Between two calls of a single user: long enough for anything that is made ready in advance.
const PAUSE: Duration = Duration::from_millis(5);

fn main() -> Result<()> {
    let (cache, guest) = support::cache_and_guest()?;
    let python = rivals::python(&cache)?;
    let fuel = Fuel::default();
    let mut contestants: Vec<Box<dyn Contestant>> = vec![
        Box::new(Aura::load(&guest, &cache, Arc::clone(&fuel))?),
        Box::new(Monty::start(&python)?),
        Box::new(ProcessPerCall::start(&python)?),
        Box::new(Interpreter { python: python.clone() }),
    ];
    println!("One call in a fresh isolate; best of {ROUNDS} rounds taken in turns.");
    println!("{}, {}", support::machine(), rivals::version(&python)?);
    let mut table = Table::new(contestants.iter().map(|contestant| contestant.name()).collect());
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        take_turns(&mut contestants, &mut table)?;
    }
    println!("\n{table}\n{}", support::machine());
    report(&fuel)
}

fn take_turns(contestants: &mut [Box<dyn Contestant>], table: &mut Table) -> Result<()> {
    for program in &programs::all() {
        for (number, contestant) in contestants.iter_mut().enumerate() {
            let name = program.name;
            let user = contestant.measure(program, Load { callers: 1, pause: PAUSE, time: TIME })?;
            table.note(&format!("{name}: p50, ms"), Unit::Milliseconds, number, user.percentile(50));
            table.note(&format!("{name}: p99, ms"), Unit::Milliseconds, number, user.percentile(99));
            for callers in [1, 2] {
                let rate =
                    contestant.measure(program, Load { callers, pause: Duration::ZERO, time: TIME })?;
                let row = format!("{name}: calls/s, {callers} at once");
                table.note(&row, Unit::PerSecond, number, rate.per_second());
            }
        }
    }
    Ok(())
}

/// The same call uses the same fuel, always.
fn report(fuel: &Fuel) -> Result<()> {
    for (program, used) in fuel.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        ensure!(used.len() == 1, "{program} used different amounts of fuel: {used:?}");
        println!("fuel of {program}: {}, in every call", used.iter().sum::<u64>());
    }
    Ok(())
}
