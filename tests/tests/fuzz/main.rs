//! What reads bytes from outside, over the seeds of the fuzzer and a few thousand mutations of them: what `cargo xtask
//! fuzz` has once found does not come back unseen.

mod mutator;
#[path = "../../../fuzz/src/lib.rs"]
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use self::mutator::Mutator;

/// How many mutations each target is given.
const MUTATIONS: u64 = 10_000;

fn tests() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect()
}

fn feed(target: &str) {
    let (_, read) = targets::ALL.iter().find(|(name, _)| *name == target).expect("there is such a target");
    let mut seeds = files(&tests().join("../fuzz/seeds").join(target));
    if target == "fixture" {
        seeds.extend(files(&tests().join("replay/1")));
    }
    let understood = seeds.iter().filter(|seed| read(seed)).count();
    assert!(understood * 2 > seeds.len(), "of {} seeds {understood} can be read", seeds.len());
    let mut understood = 0;
    for number in 0..MUTATIONS {
        let bytes = Mutator::new(number).mutate(&seeds);
        let is_understood = catch_unwind(AssertUnwindSafe(|| read(&bytes)));
        let found = || format!("mutation {number} of the seeds for {target}:\n{}", bytes.escape_ascii());
        understood += u64::from(is_understood.unwrap_or_else(|_| panic!("{}", found())));
    }
    assert!(understood > MUTATIONS / 200, "of {MUTATIONS} mutations {understood} can be read");
}

#[test]
fn bodies_of_answers() {
    feed("body");
}

#[test]
fn fixtures() {
    feed("fixture");
}

#[test]
fn lines_of_exports() {
    feed("import");
}

#[test]
fn outcomes_of_sandboxes() {
    feed("outcome");
}

#[test]
fn policies() {
    feed("policy");
}
