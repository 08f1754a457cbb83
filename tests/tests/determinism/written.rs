//! The programs written by hand.

use aura::object::{CEILING, Quota};

use super::program::{Program, program};

const BODIES: &str = include_str!("written.py");

/// The bodies of `written.py`, each behind a line `# ---` with its name and the limits that are not the usual ones.
pub fn programs() -> Vec<Program> {
    BODIES.split("# --- ").skip(1).map(one).collect()
}

fn one(text: &str) -> Program {
    let (head, source) = text.split_once('\n').expect("a body has a name");
    let mut words = head.split(' ');
    let name = words.next().unwrap_or_default();
    let mut quota = Quota { wall_ms: CEILING.wall_ms, fuel: 10_000_000_000, ..Quota::default() };
    for (limit, value) in words.filter_map(|word| word.split_once('=')) {
        let value = value.parse().expect("a limit is a number");
        match limit {
            "fuel" => quota.fuel = value,
            "memory" => quota.memory_bytes = value,
            "output" => quota.output_bytes = value,
            other => panic!("{name}: there is no limit {other}"),
        }
    }
    program(name, source, quota)
}
