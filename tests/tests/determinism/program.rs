//! One program, its run in the sandbox, and all that can be seen of it.

use std::fmt::Write as _;

use aura::object::{Fault, Json, Kind, MethodName, ObjectId, Quota, Source, Timestamp};
use aura::sandbox::{Call, MAX_DEPTH, Outcome, Reply, Run, Sandbox, Send, Sends};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A body and all it starts from.
#[derive(Clone)]
pub struct Program {
    pub name: String,
    pub call: Call,
}

/// All that must be the same in every run of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// `Returned`, `Aborted` or the kind of the fault.
    pub ending: String,
    pub fuel: u64,
    pub peak: u64,
    pub printed: String,
    /// Result or fault with its traceback, attributes, and every send with what its sender had burnt by then.
    pub outcome: String,
}

impl Program {
    pub fn run(&self, sandbox: &dyn Sandbox) -> Seen {
        let mut answers = Answers { sandbox, senders: Vec::new(), log: String::new(), sent: 0 };
        let Run { outcome, output, fuel_used, peak_memory_bytes } = answers.run(&self.call);
        let ending = match &outcome {
            Outcome::Returned { .. } => "Returned".to_owned(),
            Outcome::Failed(fault) => format!("{:?}", fault.kind),
            Outcome::Aborted => "Aborted".to_owned(),
        };
        let outcome = format!("{outcome:#?}\n{}", answers.log);
        Seen { ending, fuel: fuel_used, peak: peak_memory_bytes, printed: output, outcome }
    }

    pub fn under(&self, quota: Quota) -> Self {
        let mut program = self.clone();
        program.call.quota = quota;
        program
    }
}

/// Answers what programs send, by fixed rules:
///
/// | method | answer |
/// |---|---|
/// | `echo` | the arguments |
/// | `touch` | null; sets the sender's attribute `touched` to the number of the send |
/// | `run` | runs its first argument as a body, with the others as arguments, in an isolate of its own |
/// | `stop` | none: the cycle ends |
/// | any other | a refusal |
struct Answers<'a> {
    sandbox: &'a dyn Sandbox,
    /// The runs in progress: their attributes, as last seen, and their fuel.
    senders: Vec<(Json, u64)>,
    log: String,
    sent: u64,
}

impl Answers<'_> {
    fn run(&mut self, call: &Call) -> Run {
        self.senders.push((call.attributes.clone(), call.quota.fuel));
        let sandbox = self.sandbox;
        let run = sandbox.run(call, self);
        self.senders.pop();
        run
    }

    fn nested(&mut self, send: Send) -> Option<Reply> {
        if self.senders.len() > MAX_DEPTH as usize {
            return Some(refused(Kind::DepthLimit));
        }
        let mut args: Vec<Value> = serde_json::from_str(send.args.get()).expect("arguments are an array");
        let source = args.remove(0);
        let call = Call {
            receiver: send.target,
            method: MethodName::parse("nested").expect("a name"),
            source: Source::parse(source.as_str().expect("a body")).expect("a body"),
            attributes: Json::empty_object(),
            inherited: Json::empty_object(),
            args: Json::of(&args).expect("JSON"),
            kwargs: send.kwargs,
            seed: self.sent,
            time: Timestamp(0),
            quota: Quota { fuel: send.fuel, wall_ms: 600_000, ..Quota::default() },
        };
        let Run { outcome, output, fuel_used, peak_memory_bytes } = self.run(&call);
        let _ = writeln!(self.log, "nested: {outcome:?} {output:?} {fuel_used} {peak_memory_bytes}");
        let result = match outcome {
            Outcome::Returned { result, .. } => Ok(result),
            Outcome::Failed(fault) => Err(fault),
            Outcome::Aborted => return None,
        };
        Some(Reply { result, attributes: None, fuel_used })
    }
}

impl Sends for Answers<'_> {
    fn send(&mut self, send: Send) -> Option<Reply> {
        // What is left of the wall-clock time may differ, and what is left of the memory differs with the quota.
        let Send { attributes, target, method, args, kwargs, fuel, wall_ms: _, memory_bytes: _ } = &send;
        self.sent += 1;
        let (sender, quota) = self.senders.last_mut()?;
        let burnt = quota.checked_sub(*fuel);
        let _ = writeln!(self.log, "send: {attributes:?} {target} {method} {args} {kwargs} {burnt:?}");
        if let Some(attributes) = attributes {
            sender.clone_from(attributes);
        }
        let answer = |result| Reply { result: Ok(result), attributes: None, fuel_used: 0 };
        match method.as_str() {
            "echo" => Some(Reply { fuel_used: 1_000.min(*fuel), ..answer(args.clone()) }),
            "touch" => {
                let mut now: Map<String, Value> = serde_json::from_str(sender.get()).expect("an object");
                now.insert("touched".to_owned(), self.sent.into());
                *sender = Json::of(&now).expect("JSON");
                Some(Reply { attributes: Some(sender.clone()), ..answer(Json::null()) })
            }
            "run" => self.nested(send),
            "stop" => None,
            _ => Some(refused(Kind::MethodNotFound)),
        }
    }
}

fn refused(kind: Kind) -> Reply {
    Reply { result: Err(Fault::new(kind, "not here")), attributes: None, fuel_used: 0 }
}

/// A program for a test of its own.
pub fn program(name: &str, source: &str, quota: Quota) -> Program {
    let call = Call {
        receiver: ObjectId::parse("UvmObjects/written").expect("an id"),
        method: MethodName::parse("program").expect("a name"),
        source: Source::parse(source).unwrap_or_else(|error| panic!("{name}: {error}")),
        attributes: Json::parse(r#"{"total": 1, "items": [1, 2]}"#.to_owned()).expect("JSON"),
        inherited: Json::parse(r#"{"shared": [1]}"#.to_owned()).expect("JSON"),
        args: Json::parse("[7, 0.5, \"text\"]".to_owned()).expect("JSON"),
        kwargs: Json::parse(r#"{"n": 3}"#.to_owned()).expect("JSON"),
        seed: 42,
        time: Timestamp(1_700_000_000_123),
        quota,
    };
    Program { name: name.to_owned(), call }
}
