//! Replay: a recorded run made once more, and what comes out differently.
//!
//! A [`Case`] is a recorded run with everything it depended on. Its method runs in a fresh isolate of its own; what it
//! sends is not delivered but compared with what it sent then, and answered as it was answered then. Nothing is
//! written anywhere. Each invocation of a message is a case of its own.
//!
//! Knows the sandbox and the store by their traits only.
//!
//! In a test of your own:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use aura::replay::{self, Scope, Verdict};
//! use aura::sandbox::wasm::{Silent, WasmSandbox};
//!
//! let sandbox = WasmSandbox::load("python.wasm".as_ref(), "cache".as_ref(), &Silent)?;
//! let case = replay::read_fixture(std::fs::File::open("greet.replay.json")?)?;
//! assert_eq!(replay::replay_apart(&sandbox, &case, Scope::Exact), Verdict::Identical);
//! # Ok(())
//! # }
//! ```

mod answers;
mod case;
mod compare;
mod fixture;
mod history;
mod regression;
mod verdict;

pub use case::Case;
pub use fixture::{FORMAT, FixtureError, MAX_FIXTURE_BYTES, read_fixture, write_fixture};
pub use history::load;
pub use regression::{MAX_COMPARED, Regressing};
pub use verdict::{Reason, Report, Scope, Verdict, Word};

use std::thread::{self, ScopedJoinHandle};

use answers::Answers;

use crate::object::{CEILING, Difference, Digest, Fault, InvocationOutcome, Kind, Quota, Source};
use crate::sandbox::{Call, Outcome, Run, Sandbox};

/// How much longer than its limit a run may take the second time, beside whatever else runs then.
const PATIENCE: u64 = 4;

/// Runs the case again, on this thread, which needs the stack of an isolate.
pub fn replay(sandbox: &dyn Sandbox, case: &Case, scope: Scope) -> Verdict {
    if let Err(reason) = can_be_replayed(sandbox, case, scope) {
        return Verdict::NotReplayable(reason);
    }
    let quota = case.invocation.quota;
    let patient = Quota { wall_ms: quota.wall_ms.saturating_mul(PATIENCE).min(CEILING.wall_ms), ..quota };
    let Repeated { run, mut differences } = repeat(sandbox, case, &case.source, patient, scope);
    if let Outcome::Failed(fault) = &run.outcome
        && let Some(reason) = interrupted(fault)
    {
        return Verdict::NotReplayable(reason);
    }
    // A run that went another way was stopped there.
    if differences.is_empty() || !matches!(run.outcome, Outcome::Aborted) {
        compare::runs(case, &run, scope, &mut differences);
    }
    if differences.is_empty() { Verdict::Identical } else { Verdict::Diverged(differences) }
}

/// As [`replay`], on a thread of its own: a test's thread has too small a stack.
pub fn replay_apart(sandbox: &dyn Sandbox, case: &Case, scope: Scope) -> Verdict {
    let apart = thread::Builder::new().stack_size(sandbox.stack_bytes());
    thread::scope(|threads| {
        let verdict =
            apart.spawn_scoped(threads, || replay(sandbox, case, scope)).map(ScopedJoinHandle::join);
        match verdict {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(_)) => Verdict::NotReplayable(Reason::Failed("the replay panicked".to_owned())),
            Err(error) => Verdict::NotReplayable(Reason::Failed(error.to_string())),
        }
    })
}

/// A run made again with what a case holds.
struct Repeated {
    run: Run,
    /// What it sent differently.
    differences: Vec<Difference>,
}

/// Runs a body, the recorded one or another, on what the case was given.
fn repeat(sandbox: &dyn Sandbox, case: &Case, source: &Source, quota: Quota, scope: Scope) -> Repeated {
    let mut answers = Answers::new(case, scope);
    let run = match call(case, source, quota) {
        Some(call) => sandbox.run(&call, &mut answers),
        None => Run {
            outcome: Outcome::Failed(Fault::new(Kind::Internal, "the case is not complete")),
            output: String::new(),
            fuel_used: 0,
            peak_memory_bytes: 0,
        },
    };
    Repeated { differences: answers.end(&run), run }
}

fn call(case: &Case, source: &Source, quota: Quota) -> Option<Call> {
    let record = &case.invocation;
    Some(Call {
        receiver: record.receiver.clone(),
        method: record.method_name.clone(),
        source: source.clone(),
        attributes: case.json(&record.attributes_before)?,
        inherited: case.json(record.inherited.as_ref()?)?,
        args: record.args.clone(),
        kwargs: record.kwargs.clone(),
        seed: record.seed,
        time: record.time,
        quota,
    })
}

fn can_be_replayed(sandbox: &dyn Sandbox, case: &Case, scope: Scope) -> Result<(), Reason> {
    let record = &case.invocation;
    if let InvocationOutcome::Failed(fault) = &record.outcome
        && !case.was_stopped()
    {
        match fault.kind {
            Kind::TimeLimit => return Err(Reason::WallClock),
            kind if is_of_the_machine(kind) => return Err(Reason::System(kind)),
            _ => {}
        }
    }
    let here = |recorded: &Digest, digest: &Digest| recorded == digest || scope == Scope::Behaviour;
    if !here(&record.guest_digest, sandbox.guest_digest()) {
        return Err(Reason::OtherGuest(record.guest_digest.clone()));
    }
    if !here(&record.config_digest, sandbox.config_digest()) {
        return Err(Reason::OtherEngine(record.config_digest.clone()));
    }
    case.require_complete()
}

/// Why a repeated run says nothing.
fn interrupted(fault: &Fault) -> Option<Reason> {
    match fault.kind {
        Kind::TimeLimit => Some(Reason::Slow),
        kind if is_of_the_machine(kind) => Some(Reason::Failed(fault.message.clone())),
        _ => None,
    }
}

/// Whether the machine failed and not the method: what happens only once is no part of a run.
fn is_of_the_machine(kind: Kind) -> bool {
    matches!(kind, Kind::Internal | Kind::Busy | Kind::SandboxUnavailable | Kind::StoreUnavailable)
}
