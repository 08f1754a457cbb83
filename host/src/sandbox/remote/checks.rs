//! What a sandbox answers, as the types of the domain: no byte of it is believed. `Err` says what it answered with.

use std::time::Duration;

use super::protocol::{self, MAX_CUT};
use crate::object::{
    CEILING, Digest, ExceptionDetail, Fault, Finding, Json, Kind, MethodName, ObjectId, Quota, excerpt,
};
use crate::sandbox::{AUDIT, Audit, MAX_FINDINGS, MAX_JSON, Outcome, Reply, Run, Send, Verdict};

type Checked<T> = Result<T, String>;

/// What a sandbox says of itself.
#[derive(Clone, Debug)]
pub struct Greeting {
    pub guest_digest: Digest,
    pub config_digest: Digest,
    pub confinement: String,
}

pub fn greeting(welcome: protocol::Welcome) -> Checked<Greeting> {
    let protocol::Welcome { guest_digest, config_digest, confinement } = welcome;
    let digest = |text: &str| Digest::parse(text).ok_or("a digest that is none");
    if confinement.len() > 500 || confinement.chars().any(char::is_control) {
        return Err("a confinement that cannot be shown".to_owned());
    }
    Ok(Greeting { guest_digest: digest(&guest_digest)?, config_digest: digest(&config_digest)?, confinement })
}

/// What a run may still do, as far as the host can tell.
pub struct Ledger {
    quota: Quota,
    /// Fuel that can be left.
    fuel: u64,
    /// The kinds with which its sends were refused.
    refusals: Vec<Kind>,
    stopped: bool,
}

impl Ledger {
    pub fn new(quota: Quota) -> Self {
        Self { quota, fuel: quota.fuel, refusals: Vec::new(), stopped: false }
    }

    /// `time` is what the run has left by the host's clock.
    pub fn send(&mut self, sent: protocol::Sent, time: Duration) -> Checked<Send> {
        let protocol::Sent { attributes, target, method, args, kwargs, fuel, wall_ms, memory_bytes } = sent;
        if self.stopped {
            return Err("a send of a run that was stopped".to_owned());
        }
        if fuel > self.fuel {
            return Err(format!("a send with {fuel} fuel left of {}", self.fuel));
        }
        self.fuel = fuel;
        Ok(Send {
            attributes: attributes.map(object).transpose()?,
            target: ObjectId::parse(&target).map_err(|_| "a send to what is no object")?,
            method: MethodName::parse(&method).map_err(|_| "a send of what is no method's name")?,
            args: json(args)?.into_array().map_err(|_| "arguments that are no array")?,
            kwargs: object(kwargs)?,
            fuel,
            wall_ms: wall_ms.min(self.quota.wall_ms).min(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
            memory_bytes: memory_bytes.min(self.quota.memory_bytes),
        })
    }

    pub fn replied(&mut self, reply: Option<&Reply>) {
        let Some(reply) = reply else {
            self.stopped = true;
            return;
        };
        self.fuel = self.fuel.saturating_sub(reply.fuel_used);
        if let Err(fault) = &reply.result
            && !self.refusals.contains(&fault.kind)
        {
            self.refusals.push(fault.kind);
        }
    }

    pub fn end(&self, ended: protocol::Ended) -> Checked<Run> {
        let protocol::Ended { outcome, output, fuel_used, peak_memory_bytes } = ended;
        let Quota { fuel, memory_bytes, output_bytes, .. } = self.quota;
        let outcome = match outcome {
            protocol::Outcome::Aborted if self.stopped => Outcome::Aborted,
            protocol::Outcome::Aborted => return Err("the end of a run that nobody stopped".to_owned()),
            _ if self.stopped => return Err("a result of a run that was stopped".to_owned()),
            protocol::Outcome::Returned { result, attributes } => {
                Outcome::Returned { result: json(result)?, attributes: attributes.map(object).transpose()? }
            }
            protocol::Outcome::Failed(failure) => Outcome::Failed(self.failure(failure)?),
        };
        if output.len() as u64 > output_bytes {
            return Err(format!("{} bytes of output of {output_bytes}", output.len()));
        }
        if fuel_used > fuel {
            return Err(format!("{fuel_used} fuel used of {fuel}"));
        }
        if fuel_used < fuel - self.fuel {
            return Err(format!("{fuel_used} fuel used where {} were gone already", fuel - self.fuel));
        }
        // Where the limit is less than an isolate begins with, it is the limit that was passed.
        let is_over = matches!(&outcome, Outcome::Failed(fault) if fault.kind == Kind::MemoryLimit);
        let memory_bytes = if is_over { CEILING.memory_bytes } else { memory_bytes };
        if peak_memory_bytes > memory_bytes {
            return Err(format!("{peak_memory_bytes} bytes of memory of {memory_bytes}"));
        }
        Ok(Run { outcome, output, fuel_used, peak_memory_bytes })
    }

    fn failure(&self, failure: protocol::Failure) -> Checked<Fault> {
        let kind = failure.kind;
        let is_possible = self.refusals.contains(&kind)
            || matches!(
                kind,
                Kind::CovenantViolation
                    | Kind::DepthLimit
                    | Kind::FuelExhausted
                    | Kind::Internal
                    | Kind::Malformed
                    | Kind::MemoryLimit
                    | Kind::OutputLimit
                    | Kind::PythonException
                    | Kind::SandboxUnavailable
                    | Kind::TimeLimit
            );
        if is_possible { Ok(fault(failure)) } else { Err(format!("a failure that no run has: {kind:?}")) }
    }
}

pub fn audit(audited: protocol::Audited) -> Checked<Result<Audit, Fault>> {
    let protocol::Audit { findings, fuel_used } = match audited {
        Ok(audit) => audit,
        Err(failure) if matches!(failure.kind, Kind::Internal | Kind::SandboxUnavailable) => {
            return Ok(Err(fault(failure)));
        }
        Err(failure) => return Err(format!("a failure that no audit has: {:?}", failure.kind)),
    };
    if findings.len() > MAX_FINDINGS {
        return Err(format!("{} findings where there may be {MAX_FINDINGS}", findings.len()));
    }
    if fuel_used > AUDIT.fuel {
        return Err(format!("{fuel_used} fuel for an audit where it may use {}", AUDIT.fuel));
    }
    let finding = |finding: protocol::Finding| Finding {
        rule: excerpt(&finding.rule, MAX_CUT),
        message: excerpt(&finding.message, MAX_CUT),
        line: finding.line,
        column: finding.column,
    };
    let findings: Vec<Finding> = findings.into_iter().map(finding).collect();
    let verdict = if findings.is_empty() { Verdict::Accepted } else { Verdict::Rejected(findings) };
    Ok(Ok(Audit { verdict, fuel_used }))
}

fn fault(failure: protocol::Failure) -> Fault {
    let exception = failure.exception.map(|exception| {
        Box::new(ExceptionDetail {
            class: excerpt(&exception.class, MAX_CUT),
            line: exception.line,
            traceback: excerpt(&exception.traceback, MAX_CUT),
        })
    });
    // The class of an exception and its text.
    Fault { exception, ..Fault::new(failure.kind, excerpt(&failure.message, 2 * MAX_CUT)) }
}

fn json(text: String) -> Checked<Json> {
    if text.len() > MAX_JSON {
        return Err(format!("JSON of {} bytes where it may have {MAX_JSON}", text.len()));
    }
    Json::parse(text).map_err(|_| "text that is no JSON".to_owned())
}

fn object(text: String) -> Checked<Json> {
    json(text)?.into_object().map_err(|_| "JSON that is no object".to_owned())
}
