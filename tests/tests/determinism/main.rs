//! The same program from the same state does the same, burns the same fuel and takes the same memory: in any process,
//! order, environment and company. And limits are exact to the last unit.
//!
//! `AURA_PROGRAMS=20000` runs that many generated programs instead of the usual number.

mod compare;
mod generator;
mod grammar;
mod limits;
mod program;
mod worker;
mod written;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aura::config::Config;
use aura::sandbox::wasm::{Silent, WasmSandbox};
use aura_tests::trial;
use libtest_mimic::Arguments;

use self::program::Program;

fn guest_and_cache() -> (PathBuf, PathBuf) {
    let config = Config::load(&[]).expect("the settings are valid");
    let absolute = |path: PathBuf| std::path::absolute(path).expect("a path");
    (absolute(config.guest_path()), absolute(config.cache))
}

fn sandbox(guest: &Path, cache: &Path) -> WasmSandbox {
    WasmSandbox::load(guest, cache, &Silent).expect("the guest is built")
}

/// All programs: those written by hand, and so many generated ones.
fn programs(generated: u64) -> Vec<Program> {
    written::programs().into_iter().chain((0..generated).map(generator::program)).collect()
}

fn main() -> ExitCode {
    if let Ok(work) = std::env::var(worker::VARIABLE) {
        worker::work(&work);
        return ExitCode::SUCCESS;
    }
    let trials = vec![
        trial("one_outcome_one_fuel_figure_and_one_peak_each", compare::one_outcome_each),
        trial("fuel_is_enough_to_the_last_unit", limits::fuel),
        trial("memory_is_enough_to_the_last_byte", limits::memory),
        trial("output_is_enough_to_the_last_byte", limits::output),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
