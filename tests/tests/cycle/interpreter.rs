//! A sandbox for a language of one statement a line, so that a scenario shows what its methods do:
//!
//! | statement | does |
//! |---|---|
//! | `set NAME JSON` | sets an attribute |
//! | `add NAME NUMBER` | adds to an attribute |
//! | `append NAME` | appends the first argument to an attribute |
//! | `send TARGET NAME [ARGS]` | sends; a fault of the receiver is raised |
//! | `try TARGET NAME [ARGS]` | sends; a fault is caught and its kind kept in attribute `caught` |
//! | `return JSON`, `return .NAME`, `return seed` | ends with a value, an attribute, or the seed |
//! | `raise TEXT`, `overtime`, `panic` | fails |
//! | `gate` | waits until the scenario opens the gate |
//!
//! The audit refuses `import`; a line that begins with `!` is no syntax.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex};

use aura::object::{Digest, ExceptionDetail, Fault, Finding, Json, Kind, MethodName, ObjectId, Source};
use aura::sandbox::{Audit, Call, Outcome, Reply, Run, SYNTAX_RULE, Sandbox, Send, Sends, Verdict};
use serde_json::Value;

const FUEL_PER_LINE: u64 = 10;

/// Holds runs at `gate` statements until it is opened, and counts those that came to it.
#[derive(Default)]
pub struct Gate {
    state: Mutex<(bool, usize)>,
    moved: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        self.moved.notify_all();
        let _open = self.moved.wait_while(state, |(open, _)| !*open).unwrap();
    }

    pub fn open(&self) {
        self.state.lock().unwrap().0 = true;
        self.moved.notify_all();
    }

    /// Blocks until so many runs have come to the gate.
    pub fn reached(&self, count: usize) {
        let _state =
            self.moved.wait_while(self.state.lock().unwrap(), |(_, reached)| *reached < count).unwrap();
    }
}

pub struct Interpreter {
    pub gate: Arc<Gate>,
    digest: Digest,
}

impl Interpreter {
    pub fn new() -> Self {
        Self { gate: Arc::default(), digest: Digest::of(b"interpreter") }
    }
}

struct Machine<'a> {
    call: &'a Call,
    gate: &'a Gate,
    attributes: BTreeMap<String, Value>,
    changed: bool,
    fuel: u64,
    output: String,
}

/// How a body ends before its last line.
enum End {
    Returned(Value),
    Failed(Fault),
    Aborted,
}

impl Sandbox for Interpreter {
    fn run(&self, call: &Call, sends: &mut dyn Sends) -> Run {
        let attributes = serde_json::from_str(call.attributes.get()).unwrap();
        let mut machine =
            Machine { call, gate: &self.gate, attributes, changed: false, fuel: 0, output: String::new() };
        let end = call
            .source
            .as_str()
            .lines()
            .enumerate()
            .find_map(|(line, text)| machine.step(line + 1, text, sends));
        let outcome = match end.unwrap_or(End::Returned(Value::Null)) {
            End::Returned(result) => Outcome::Returned {
                result: Json::of(&result).unwrap(),
                attributes: machine.changed.then(|| Json::of(&machine.attributes).unwrap()),
            },
            End::Failed(fault) => Outcome::Failed(fault),
            End::Aborted => Outcome::Aborted,
        };
        Run { outcome, output: machine.output, fuel_used: machine.fuel, peak_memory_bytes: 0 }
    }

    fn audit(&self, source: &Source) -> Result<Audit, Fault> {
        let audit = |verdict| Audit { verdict, fuel_used: 0 };
        let refused = |rule: &str, message: String, line| {
            audit(Verdict::Rejected(vec![Finding { rule: rule.to_owned(), message, line, column: 1 }]))
        };
        for (line, text) in (1_u32..).zip(source.as_str().lines()) {
            if text.starts_with('!') {
                return Ok(refused(SYNTAX_RULE, format!("invalid syntax at line {line}."), line));
            }
            if let Some(module) = text.strip_prefix("import ") {
                let message = format!("Disallowed import of module '{module}' at line {line}.");
                return Ok(refused("import", message, line));
            }
        }
        Ok(audit(Verdict::Accepted))
    }

    fn guest_digest(&self) -> &Digest {
        &self.digest
    }

    fn config_digest(&self) -> &Digest {
        &self.digest
    }
}

impl Machine<'_> {
    fn step(&mut self, line: usize, text: &str, sends: &mut dyn Sends) -> Option<End> {
        self.fuel += FUEL_PER_LINE;
        if self.fuel > self.call.quota.fuel {
            return Some(End::Failed(Fault::new(Kind::FuelExhausted, "out of fuel")));
        }
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
        match verb {
            "set" => self.set(name, serde_json::from_str(value).unwrap()),
            "add" => {
                let sum = self.attributes[name].as_i64().unwrap() + value.parse::<i64>().unwrap();
                self.set(name, sum.into());
            }
            "append" => {
                let arguments: Vec<Value> = serde_json::from_str(self.call.args.get()).unwrap();
                let mut list = self.attributes[name].as_array().unwrap().clone();
                list.push(arguments[0].clone());
                self.set(name, list.into());
            }
            "print" => self.output.push_str(rest),
            "send" | "try" => return self.send(verb == "try", name, value, sends),
            "return" => return Some(End::Returned(self.value(rest))),
            "raise" => return Some(End::Failed(raised(rest, line))),
            "overtime" => return Some(End::Failed(Fault::new(Kind::TimeLimit, "out of time"))),
            "gate" => self.gate.pass(),
            "panic" => panic!("the sandbox breaks"),
            _ => return Some(End::Failed(raised(&format!("name '{verb}' is not defined"), line))),
        }
        None
    }

    fn set(&mut self, name: &str, value: Value) {
        self.attributes.insert(name.to_owned(), value);
        self.changed = true;
    }

    fn value(&self, text: &str) -> Value {
        match text.strip_prefix('.') {
            Some(name) => self.attributes.get(name).cloned().unwrap_or_default(),
            None if text == "seed" => self.call.seed.into(),
            None => serde_json::from_str(text).unwrap(),
        }
    }

    fn send(&mut self, catches: bool, target: &str, rest: &str, sends: &mut dyn Sends) -> Option<End> {
        let (name, args) = rest.split_once(' ').unwrap_or((rest, "[]"));
        let target = if target == "self" { self.call.receiver.as_str() } else { target };
        let changed = std::mem::take(&mut self.changed);
        let reply = sends.send(Send {
            attributes: changed.then(|| Json::of(&self.attributes).unwrap()),
            target: ObjectId::parse(target).unwrap(),
            method: MethodName::parse(name).unwrap(),
            args: Json::parse(args.to_owned()).unwrap(),
            kwargs: Json::empty_object(),
            fuel: self.call.quota.fuel - self.fuel,
            wall_ms: self.call.quota.wall_ms,
            memory_bytes: self.call.quota.memory_bytes,
        });
        let Some(Reply { result, attributes, fuel_used }) = reply else { return Some(End::Aborted) };
        self.fuel += fuel_used;
        if let Some(attributes) = attributes {
            self.attributes = serde_json::from_str(attributes.get()).unwrap();
        }
        match result {
            Ok(_) => None,
            Err(fault) if catches => {
                self.set("caught", format!("{:?}", fault.kind).into());
                None
            }
            Err(fault) => Some(End::Failed(fault)),
        }
    }
}

fn raised(text: &str, line: usize) -> Fault {
    let exception = ExceptionDetail {
        class: "RuntimeError".to_owned(),
        line: u32::try_from(line).ok(),
        traceback: format!("RuntimeError: {text}"),
    };
    Fault {
        exception: Some(Box::new(exception)),
        ..Fault::new(Kind::PythonException, format!("RuntimeError: {text}"))
    }
}
