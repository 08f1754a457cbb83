//! Bodies of every form of Python in which a name can stand, some with one thing in them that must be refused. What
//! the audit says of them has to agree with what the compiler makes of them, and with what they do when they run.
//!
//! `AURA_PROGRAMS=20000` tries that many bodies instead of the usual number.

mod generator;
mod grammar;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use aura::config::Config;
use aura::object::{Finding, Json, Kind, MethodName, ObjectId, Quota, Source, Timestamp};
use aura::sandbox::wasm::{Silent, WasmSandbox, thread_stack_bytes};
use aura::sandbox::{Call, Nobody, Outcome, Run, SYNTAX_RULE, Sandbox, Verdict};
use libtest_mimic::{Arguments, Failed, Trial};

use self::generator::{Aim, Body};
use self::grammar::WITHHELD;

/// How many bodies are tried where nothing else is said.
const BODIES: u64 = 1_500;
/// Disagreements that are shown.
const SHOWN: usize = 5;

type Rules = BTreeSet<String>;

fn main() -> ExitCode {
    let trial = Trial::test("audit_compiler_and_runs_agree", || agree().map_err(Failed::from));
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn agree() -> Result<(), String> {
    let count = std::env::var("AURA_PROGRAMS").ok().and_then(|count| count.parse().ok()).unwrap_or(BODIES);
    let config = Config::load(&[]).expect("the settings are valid");
    let sandbox =
        WasmSandbox::load(&config.guest_path(), &config.cache, &Silent).expect("the guest is built");
    let mut ends = BTreeMap::<String, u64>::new();
    let mut wrong = Vec::new();
    for (number, end) in each(count, |number| attempt(&sandbox, number)) {
        match end {
            Ok(end) => *ends.entry(end).or_default() += 1,
            Err(what) => wrong.push((number, what)),
        }
    }
    println!("{count} bodies: {ends:?}");
    let told = |(number, what): &(u64, String)| format!("body {number}: {what}\n");
    if !wrong.is_empty() {
        let shown: String = wrong.iter().take(SHOWN).map(told).collect();
        return Err(format!("{} disagreements\n{shown}", wrong.len()));
    }
    // What is refused for its syntax, or ends before it begins, tries nothing.
    let at_least = |end: &str, share: u64| ends.get(end).is_some_and(|number| *number >= count / share);
    let tried = at_least("Harmless: Returned", 4)
        && at_least("Forbidden: refused", 4)
        && at_least("Shadowing: Returned", 100);
    if tried { Ok(()) } else { Err("too few bodies came as far as they should".to_owned()) }
}

/// How a body ended, or what does not agree.
fn attempt(sandbox: &WasmSandbox, number: u64) -> Result<String, String> {
    let body = Body::new(number, 2 * number);
    let other = Body::new(number, 2 * number + 1);
    let (rules, others) = (audit(sandbox, &body), audit(sandbox, &other));
    let end = agreement(sandbox, &body);
    if rules == others {
        return end.map_err(|what| smallest(sandbox, body, what));
    }
    Err(format!(
        "laid out otherwise it is {others:?} and not {rules:?}\n{}\n{}",
        body.source(),
        other.source()
    ))
}

fn agreement(sandbox: &WasmSandbox, body: &Body) -> Result<String, String> {
    let rules = audit(sandbox, body);
    let shown = |end: &str| format!("{:?}: {end}", body.aim);
    let is_no_python = rules.iter().eq([SYNTAX_RULE]);
    if rules.contains("compiled") {
        return Err(format!("the compiler sees a name that the rules do not: {:?}", findings(sandbox, body)));
    }
    match body.aim {
        Aim::Forbidden if rules.is_empty() => Err(format!("accepted with {:?}", body.planted)),
        Aim::Harmless if !rules.is_empty() && !is_no_python => Err(format!("refused for {rules:?}")),
        _ if is_no_python => Ok(shown("no Python")),
        _ if !rules.is_empty() => Ok(shown("refused")),
        _ => {
            let run = run(sandbox, body);
            let seen = format!("{:?} {}", run.outcome, run.output);
            match leak(&seen) {
                Some(leak) => Err(format!("it gets {leak}: {seen}")),
                None => ending(&run).map(|end| shown(&end)),
            }
        }
    }
}

/// The body with the fewest statements that disagrees in the same way, as text.
fn smallest(sandbox: &WasmSandbox, mut body: Body, mut what: String) -> String {
    let rule = |what: &str| what.split([':', '"']).next().map(str::to_owned);
    loop {
        let fails = |smaller: Body| Some((agreement(sandbox, &smaller).err()?, smaller));
        let found = body.smaller().filter_map(fails).find(|(as_well, _)| rule(as_well) == rule(&what));
        let Some((as_well, smaller)) = found else { break };
        (what, body) = (as_well, smaller);
    }
    format!("{what}\n{}", body.source())
}

/// The rules that refuse it.
fn audit(sandbox: &WasmSandbox, body: &Body) -> Rules {
    findings(sandbox, body).into_iter().map(|finding| finding.rule).collect()
}

fn findings(sandbox: &WasmSandbox, body: &Body) -> Vec<Finding> {
    let source = Source::parse(&body.source()).expect("a body");
    match sandbox.audit(&source).expect("the audit works").verdict {
        Verdict::Accepted => Vec::new(),
        Verdict::Rejected(findings) => findings,
    }
}

fn run(sandbox: &WasmSandbox, body: &Body) -> Run {
    let call = Call {
        receiver: ObjectId::parse("system").expect("an id"),
        method: MethodName::parse("generated").expect("a name"),
        source: Source::parse(&body.source()).expect("a body"),
        attributes: Json::empty_object(),
        inherited: Json::empty_object(),
        args: Json::parse("[1, [2]]".to_owned()).expect("JSON"),
        kwargs: Json::empty_object(),
        seed: 7,
        time: Timestamp(1_700_000_000_000),
        quota: Quota { fuel: 50_000_000, wall_ms: 20_000, ..Quota::default() },
    };
    sandbox.run(&call, &mut Nobody)
}

fn ending(run: &Run) -> Result<String, String> {
    match &run.outcome {
        Outcome::Returned { .. } => Ok("Returned".to_owned()),
        Outcome::Failed(fault) if matches!(fault.kind, Kind::Internal | Kind::SandboxUnavailable) => {
            Err(format!("the sandbox fails: {fault}"))
        }
        Outcome::Failed(fault) => Ok(format!("{:?}", fault.kind)),
        Outcome::Aborted => Ok("Aborted".to_owned()),
    }
}

/// What a run shows that no method may have. A builtin that is not there when the body runs has been asked for all
/// the same: the audit let its name through.
fn leak(seen: &str) -> Option<String> {
    let of_names = WITHHELD
        .iter()
        .flat_map(|name| [format!("name '{name}' is not defined"), format!("<built-in function {name}>")]);
    let others = [
        "<module 'sys'",
        "<module 'os'",
        "<module 'builtins'",
        "<code object",
        "<frame object",
        "the real type",
        "<built-in function getattr>",
    ];
    of_names.chain(others.map(str::to_owned)).find(|leak| seen.contains(leak.as_str()))
}

/// Does `work` for each number below `count`, on as many threads as there are cores.
fn each<R: Send>(count: u64, work: impl Fn(u64) -> R + Sync) -> Vec<(u64, R)> {
    let threads = thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get);
    let next = AtomicU64::new(0);
    let share = || {
        let numbers = std::iter::from_fn(|| {
            Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < count)
        });
        numbers.map(|number| (number, work(number))).collect::<Vec<_>>()
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        let start = |_| thread::Builder::new().stack_size(thread_stack_bytes()).spawn_scoped(scope, share);
        let started: Vec<_> = (0..threads).map(start).collect();
        started.into_iter().flat_map(|thread| thread.expect("a thread").join().expect("no panic")).collect()
    });
    done.sort_by_key(|(number, _)| *number);
    done
}
