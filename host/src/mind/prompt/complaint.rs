//! What was wrong with an attempt, as a person would point at it.

use super::clip;
use crate::object::{FailedAttempt, Fault, Kind};

const UNKNOWN_NAME: &str = "\nOnly self, args, kwargs and what the body itself defines or imports have names; the method itself has none.";

pub fn of(attempt: &FailedAttempt) -> String {
    let fault = &attempt.fault;
    if let Some(exception) = &fault.exception {
        let place = exception.line.map_or(String::new(), |line| at_line(&attempt.source, line));
        let reason = reason(&fault.message, &exception.class);
        let hint = if exception.class == "NameError" { UNKNOWN_NAME } else { "" };
        return format!("That raised {}{place}: {reason}{hint}", exception.class);
    }
    if !fault.findings.is_empty() {
        return findings(attempt);
    }
    let (kind, message) = innermost(fault);
    match kind {
        Kind::CovenantViolation => format!(
            "That broke the covenant: {message}\nAfter every change of self.attributes put self._p_changed = True, and keep only JSON values there."
        ),
        Kind::FuelExhausted | Kind::TimeLimit | Kind::MemoryLimit | Kind::OutputLimit | Kind::DepthLimit => {
            format!("That used too much and was stopped: {message}\nEvery loop must end; use a cheaper way.")
        }
        _ => format!("That could not be used: {message}"),
    }
}

/// What a run failed with, where the fault says only that a run failed.
fn innermost(fault: &Fault) -> (Kind, &str) {
    let inner = fault.message.split_once(": ").filter(|_| fault.kind == Kind::ValidationFailed);
    let known = inner.and_then(|(kind, message)| Some((serde_json::from_value(kind.into()).ok()?, message)));
    known.unwrap_or((fault.kind, &fault.message))
}

fn findings(attempt: &FailedAttempt) -> String {
    let findings = &attempt.fault.findings;
    let is_python = findings.iter().all(|finding| finding.rule != "syntax");
    let mut text =
        if is_python { "That was refused by the audit:" } else { "That is not valid Python:" }.to_owned();
    for finding in findings {
        text.push_str("\n- ");
        text.push_str(&finding.message);
        text.push_str(&at_line(&attempt.source, finding.line));
    }
    text
}

/// ` at line 3, which is: x = 1/0`, as far as the source has that line.
fn at_line(source: &str, line: u32) -> String {
    let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
    match source.lines().nth(index) {
        Some(text) if !text.trim().is_empty() => {
            format!(" at line {line}, which is: {}", clip(text.trim(), 120))
        }
        _ => format!(" at line {line}"),
    }
}

/// What a message says after it named the exception's class.
fn reason<'a>(message: &'a str, class: &str) -> &'a str {
    message.split_once(&format!("{class}: ")).map_or(message, |(_, reason)| reason)
}
