//! A run that needs so much of something is given exactly that, and once a unit less.

use aura::object::{CEILING, Quota};
use aura::sandbox::wasm::WasmSandbox;

use super::program::{Program, Seen};
use super::worker::on_deep_stack;
use super::{generator, guest_and_cache, sandbox, written};

/// Generated programs beside those written by hand.
const GENERATED: u64 = 150;
const PLENTY: Quota =
    Quota { fuel: 2_000_000_000, wall_ms: CEILING.wall_ms, memory_bytes: 256 << 20, output_bytes: 1 << 20 };
/// WebAssembly's.
const PAGE: u64 = 65_536;

/// What a run burnt in the function in which it broke off, for lack of memory or stack, is not counted.
const UNCOUNTED: u64 = 10_000;

/// Calls `check` with every program that does not run into the limit when it has plenty, and with what is seen of it
/// then.
fn each(limit: &'static str, check: impl Fn(&WasmSandbox, &Program, &Seen) + Sync) {
    let (guest, cache) = guest_and_cache();
    on_deep_stack(&sandbox(&guest, &cache), |sandbox| {
        for program in written::programs().into_iter().chain((0..GENERATED).map(generator::program)) {
            let program = program.under(PLENTY);
            let seen = program.run(sandbox);
            if seen.ending != limit && seen.ending != "FuelExhausted" {
                check(sandbox, &program, &seen);
            }
        }
    });
}

/// The run ended with this limit's fault, and so without a result or a state.
fn is_ended_by(limit: &str, cut: &Seen, name: &str) {
    assert_eq!(cut.ending, limit, "{name}: {}", cut.outcome);
}

pub fn fuel() {
    each("FuelExhausted", |sandbox, program, seen| {
        let breaks_off = seen.ending == "MemoryLimit" || seen.outcome.contains("stopped in the middle");
        let uncounted = if breaks_off { UNCOUNTED } else { 0 };
        let exact = program.under(Quota { fuel: seen.fuel + uncounted, ..PLENTY });
        assert_eq!(exact.run(sandbox), *seen, "{}", program.name);
        for less in [1, 2, 10, seen.fuel / 2] {
            let fuel = seen.fuel - less;
            let cut = program.under(Quota { fuel, ..PLENTY }).run(sandbox);
            is_ended_by("FuelExhausted", &cut, &program.name);
            assert_eq!(cut.fuel, fuel, "{}", program.name);
        }
    });
}

pub fn memory() {
    each("MemoryLimit", |sandbox, program, seen| {
        assert_eq!(seen.peak % PAGE, 0, "{}", program.name);
        let exact = program.under(Quota { memory_bytes: seen.peak, ..PLENTY });
        assert_eq!(exact.run(sandbox), *seen, "{}", program.name);
        let cut = program.under(Quota { memory_bytes: seen.peak - 1, ..PLENTY }).run(sandbox);
        is_ended_by("MemoryLimit", &cut, &program.name);
    });
}

pub fn output() {
    each("OutputLimit", |sandbox, program, seen| {
        let printed = seen.printed.len() as u64;
        let exact = program.under(Quota { output_bytes: printed, ..PLENTY });
        assert_eq!(exact.run(sandbox), *seen, "{}", program.name);
        if printed == 0 {
            return;
        }
        let cut = program.under(Quota { output_bytes: printed - 1, ..PLENTY }).run(sandbox);
        is_ended_by("OutputLimit", &cut, &program.name);
        assert!(seen.printed.starts_with(&cut.printed), "{}", program.name);
    });
}
