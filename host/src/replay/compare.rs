//! What differs between a recorded run and one that was made again.

use super::{Case, Scope};
use crate::object::{self, Content, Difference, Fault, InvocationOutcome, Json};
use crate::sandbox::{Outcome, Run};

/// Characters that are shown of each side.
const EXCERPT: usize = 200;

/// Adds what differs in how the run ended, in its output, and, if it has to be exact, in what it used.
pub(super) fn runs(case: &Case, run: &Run, scope: Scope, differences: &mut Vec<Difference>) {
    let record = &case.invocation;
    let mut compare = |what: &str, recorded: String, replayed: String| {
        if recorded != replayed {
            let (recorded, replayed) = apart(&recorded, &replayed);
            differences.push(Difference { what: what.to_owned(), recorded, replayed });
        }
    };
    match (&record.outcome, &run.outcome) {
        // Why it was stopped is not its own.
        (InvocationOutcome::Failed(_), Outcome::Aborted) if case.was_stopped() => {}
        (
            InvocationOutcome::Returned { result, attributes_after },
            Outcome::Returned { result: now, attributes },
        ) => {
            compare("result", result.to_string(), now.to_string());
            let after = attributes_after.as_ref().and_then(|content| match content {
                // What is named by the same digest is the same.
                Content::Kept(digest) if attributes.as_ref().is_some_and(|now| now.digest() == *digest) => {
                    attributes.clone()
                }
                content => case.json(content),
            });
            compare("attributes", text(after.as_ref()), text(attributes.as_ref()));
        }
        (InvocationOutcome::Failed(fault), Outcome::Failed(now)) => {
            compare("failure", failure(fault, scope), failure(now, scope));
            if scope == Scope::Exact {
                let traceback = |fault: &Fault| fault.exception.as_ref().map(|it| it.traceback.clone());
                compare(
                    "traceback",
                    traceback(fault).unwrap_or_default(),
                    traceback(now).unwrap_or_default(),
                );
            }
        }
        (recorded, now) => compare("outcome", outcome_of_record(recorded, scope), outcome(now, scope)),
    }
    compare("output", record.output.clone(), run.output.clone());
    if scope == Scope::Exact {
        compare("fuel_used", record.fuel_used.to_string(), run.fuel_used.to_string());
        compare("peak_memory_bytes", record.peak_memory_bytes.to_string(), run.peak_memory_bytes.to_string());
    }
}

fn outcome_of_record(outcome: &InvocationOutcome, scope: Scope) -> String {
    match outcome {
        InvocationOutcome::Returned { result, .. } => format!("returned {result}"),
        InvocationOutcome::Failed(fault) => failure(fault, scope),
    }
}

fn outcome(outcome: &Outcome, scope: Scope) -> String {
    match outcome {
        Outcome::Returned { result, .. } => format!("returned {result}"),
        Outcome::Failed(fault) => failure(fault, scope),
        Outcome::Aborted => "stopped in a message it sent".to_owned(),
    }
}

/// As others see it, a failure is its kind and the class of the exception; exactly, also its text.
fn failure(fault: &Fault, scope: Scope) -> String {
    let class = fault.exception.as_ref().map(|exception| exception.class.as_str()).unwrap_or_default();
    match scope {
        Scope::Exact => fault.to_string(),
        Scope::Behaviour => format!("{:?} {class}", fault.kind).trim_end().to_owned(),
    }
}

pub(super) fn text(json: Option<&Json>) -> String {
    json.map_or_else(|| "unchanged".to_owned(), ToString::to_string)
}

/// Two texts from a little before the place where they part.
fn apart(recorded: &str, replayed: &str) -> (String, String) {
    let same = recorded.chars().zip(replayed.chars()).take_while(|(one, other)| one == other).count();
    let skipped = if same > EXCERPT / 2 { same - EXCERPT / 4 } else { 0 };
    let from = |text: &str| {
        let rest: String = text.chars().skip(skipped).collect();
        let rest = excerpt(&rest);
        if skipped > 0 { format!("…{rest}") } else { rest }
    };
    (from(recorded), from(replayed))
}

pub(super) fn excerpt(text: &str) -> String {
    object::excerpt(text, EXCERPT)
}
