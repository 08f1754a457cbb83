//! Both errors of the guard, measured on corpora (`tests/corpus`): attacks must be refused by the audit or prove
//! powerless in an isolate, and harmless methods must be accepted and do what they do in CPython.
//!
//! `cargo xtask guard` prints the table and writes it to `tests/corpus/TABLE.md`; the test demands that it is the one kept.

mod attacks;
mod harmless;
mod isolates;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use aura_tests::proc;
use libtest_mimic::{Arguments, Failed, Trial};

/// Set to write the table instead of comparing it with the one that is kept.
const WRITE: &str = "AURA_WRITE_TABLE";

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn main() -> ExitCode {
    let trials = vec![Trial::test("attacks_get_nowhere_and_harmless_methods_are_accepted", measure)];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn measure() -> Result<(), Failed> {
    let isolates = isolates::Isolates::load();
    let attacks = attacks::measure(&isolates);
    let harmless = harmless::measure(&isolates, "harmless");
    let beyond = harmless::measure(&isolates, "beyond");
    let table = table::render(&attacks, &harmless, &beyond);
    let kept = corpus().join("TABLE.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&kept, &table)?;
        println!("{table}");
        println!("The most memory that this process had: {} MiB.", proc::peak(std::process::id()) / 1024);
    }
    // Isolates are made ahead, from memory that others had before: enough of them that all of it comes round again.
    let is_untouched = (0..50).all(|_| isolates.is_untouched());
    let mut wrong: Vec<String> = attacks.iter().flat_map(|class| class.holes.clone()).collect();
    wrong.extend(harmless.iter().flat_map(|class| class.wrong.clone()));
    let (all, refused) = harmless::totals(&harmless);
    if refused * 100 > all {
        wrong.push(format!("{refused} of {all} harmless methods are refused"));
    }
    if !is_untouched {
        wrong.push("an isolate is not what it was before the attacks".to_owned());
    }
    let kept_table = std::fs::read_to_string(&kept).unwrap_or_default();
    if table::without_endings(&kept_table) != table::without_endings(&table) {
        wrong.push(format!("{} is not what was measured: `cargo xtask guard` writes it", kept.display()));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}
