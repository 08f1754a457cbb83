//! One attempt at a message: its method and every method that one sends to, run on a copy of the image.
//!
//! An attempt lives on a worker thread and changes nothing outside itself. It ends with a result, a fault, or
//! the discovery that nobody understands a message. Inherited attributes and methods are those the store had
//! when they were resolved; the revisions that guard the commit are those of the receivers and their prototypes.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::Parts;
use super::fault::{crashed, is_of_the_system, not_understood};
use super::working_set::WorkingSet;
use crate::object::{
    Contents, Fault, Invocation, InvocationId, Json, Kind, Message, MethodName, ObjectId, Provenance, Quota,
    QuotaOverride, SentMessage, Source,
};
use crate::sandbox::{Call, MAX_DEPTH, Outcome, Reply, Run, Send, Sends};
use crate::store::{Resolution, StoreError};

mod budget;
mod record;

use budget::Budgets;
use record::{Facts, Spent};

/// Sends one message may cause.
const MAX_SENDS: u64 = 10_000;
/// Bytes that the runs of one message may leave behind: arguments, results, output and changed attributes.
const MAX_TRACE_BYTES: usize = 128 << 20;

/// What an object learns: a method's name on the object that did not understand it.
pub(super) type Lesson = (ObjectId, MethodName);

/// A method the mind wrote for this cycle: audited, not yet validated by a run.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub source: Source,
    pub provenance: Provenance,
}

pub(super) type Candidates = HashMap<Lesson, Candidate>;

/// A message nobody understood, and what the mind should know of its receiver.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    pub lesson: Lesson,
    pub args: Json,
    pub kwargs: Json,
    pub attributes: Json,
    pub inherited: Json,
}

#[derive(Debug)]
pub(super) enum Ending {
    Returned(Json),
    Failed(Fault),
    NotUnderstood(Box<Missing>),
}

/// The run that answers the message itself.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub invocation_id: InvocationId,
    pub source_object_id: ObjectId,
    pub method_name: MethodName,
    pub method_version: u32,
    pub fuel_limit: u64,
    pub is_candidate: bool,
}

/// What came of an attempt.
pub(super) struct Attempted {
    pub ending: Ending,
    pub working: WorkingSet,
    pub root: Option<Root>,
    pub output: String,
    pub fuel_used: u64,
    /// In the order in which the runs began.
    pub invocations: Vec<Invocation>,
    pub contents: Contents,
    /// Fuel to be charged to objects with a budget, for this attempt and those before it.
    pub charges: Vec<(ObjectId, u64)>,
    /// Objects of this attempt that have a budget.
    pub budgeted: Vec<ObjectId>,
    /// Candidates that ran, in the order in which they ended.
    pub ran: Vec<Lesson>,
    /// Those of them that returned, in a part of the attempt that still stands.
    pub validated: Vec<Lesson>,
    /// Candidates that failed, whoever caught it.
    pub failed: Vec<(Lesson, Fault)>,
}

impl Attempted {
    /// An attempt that a panic took with it.
    pub fn crashed() -> Self {
        Self::failed(crashed("the run"))
    }

    /// An attempt that was not made.
    pub fn failed(fault: Fault) -> Self {
        Self {
            ending: Ending::Failed(fault),
            working: WorkingSet::default(),
            root: None,
            output: String::new(),
            fuel_used: 0,
            invocations: Vec::new(),
            contents: Contents::new(),
            charges: Vec::new(),
            budgeted: Vec::new(),
            ran: Vec::new(),
            validated: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Whether it answers the message with what is installed already.
    pub fn ends_the_message(&self) -> bool {
        let learnt = !(self.ran.is_empty() && self.failed.is_empty());
        match &self.ending {
            Ending::NotUnderstood(_) => false,
            Ending::Failed(fault) => !learnt && !is_of_the_system(fault.kind),
            Ending::Returned(_) => !learnt,
        }
    }
}

/// Why the whole attempt stops.
enum Halt {
    Fault(Fault),
    NotUnderstood(Box<Missing>),
}

/// What the store has for a receiver and a name.
struct Resolved {
    inherited: Json,
    method: Option<Runnable>,
}

#[derive(Clone)]
struct Runnable {
    holder: ObjectId,
    name: MethodName,
    version: u32,
    source: Source,
    quota: QuotaOverride,
    is_candidate: bool,
}

/// A send, from outside or from a method.
struct Delivery {
    target: ObjectId,
    method: MethodName,
    args: Json,
    kwargs: Json,
    seed: u64,
    fuel: u64,
    wall_ms: u64,
    memory_bytes: u64,
}

/// A delivered send.
struct Delivered {
    result: Result<Json, Fault>,
    output: String,
    fuel_used: u64,
}

impl Delivered {
    fn refused(fault: Fault) -> Self {
        Self { result: Err(fault), output: String::new(), fuel_used: 0 }
    }

    /// Of a run that was given the rest of its object's budget: if that was too little, it says whose it was.
    fn of_a_rest(mut self) -> Self {
        if let Err(fault) = &mut self.result
            && fault.kind == Kind::FuelExhausted
        {
            fault.message += ", all that was left of its object's budget for this hour";
        }
        self
    }
}

/// A run in progress.
struct Frame {
    invocation_id: InvocationId,
    receiver: ObjectId,
    sends: Vec<SentMessage>,
    /// Fuel that answering these used.
    fuel_of_others: u64,
}

pub(super) struct Attempt {
    pub parts: Arc<Parts>,
    pub runtime: Handle,
    pub message: Message,
    pub candidates: Arc<Candidates>,
    /// What earlier attempts at the message used of objects' budgets.
    pub charged: Vec<(ObjectId, u64)>,
    /// What the store had for the message's target and method a moment ago.
    pub prefetched: Option<Resolution>,
}

impl Attempt {
    /// Blocks; belongs on a worker thread.
    pub fn run(self) -> Attempted {
        let Self { parts, runtime, message, candidates, charged, prefetched } = self;
        let delivery = Delivery {
            target: message.target_object_id.clone(),
            method: message.method_name.clone(),
            args: message.args.clone(),
            kwargs: message.kwargs.clone(),
            seed: message.seed,
            fuel: message.fuel.unwrap_or(u64::MAX),
            wall_ms: u64::MAX,
            memory_bytes: u64::MAX,
        };
        let budgets = Budgets::new(parts.fuel_per_hour, charged);
        let mut stage = Stage {
            parts,
            runtime,
            message,
            candidates,
            working: WorkingSet::default(),
            resolved: HashMap::new(),
            frames: Vec::new(),
            invocations: Vec::new(),
            contents: Contents::new(),
            budgets,
            root: None,
            ran: Vec::new(),
            validated: Vec::new(),
            failed: Vec::new(),
            sends: 0,
            trace_bytes: 0,
            halt: None,
        };
        if let Some(resolution) = prefetched {
            stage.remember(delivery.method.clone(), resolution);
        }
        let delivered = stage.deliver(delivery);
        stage.end(delivered)
    }
}

/// An attempt in progress.
struct Stage {
    parts: Arc<Parts>,
    runtime: Handle,
    message: Message,
    candidates: Arc<Candidates>,
    working: WorkingSet,
    resolved: HashMap<Lesson, Arc<Resolved>>,
    /// The runs in progress, outermost first.
    frames: Vec<Frame>,
    invocations: Vec<Invocation>,
    contents: Contents,
    budgets: Budgets,
    root: Option<Root>,
    ran: Vec<Lesson>,
    validated: Vec<Lesson>,
    failed: Vec<(Lesson, Fault)>,
    sends: u64,
    trace_bytes: usize,
    halt: Option<Halt>,
}

impl Stage {
    fn end(mut self, delivered: Delivered) -> Attempted {
        let ending = match (self.halt.take(), delivered.result) {
            (Some(Halt::Fault(fault)), _) | (None, Err(fault)) => Ending::Failed(fault),
            (Some(Halt::NotUnderstood(missing)), _) => Ending::NotUnderstood(missing),
            (None, Ok(result)) => Ending::Returned(result),
        };
        self.invocations.sort_by_key(|invocation| invocation.invocation_id);
        Attempted {
            ending,
            working: self.working,
            root: self.root,
            output: delivered.output,
            fuel_used: delivered.fuel_used,
            invocations: self.invocations,
            contents: self.contents,
            budgeted: self.budgets.objects(),
            charges: self.budgets.charges(),
            ran: self.ran,
            validated: self.validated,
            failed: self.failed,
        }
    }

    /// Resolves and runs. What a failed run did is taken back here. The result counts only while nothing
    /// halted the attempt.
    fn deliver(&mut self, delivery: Delivery) -> Delivered {
        let (method, inherited) = match self.find(&delivery) {
            Ok(found) => found,
            Err(fault) => return Delivered::refused(fault),
        };
        let Some((rev, attributes)) = self.working.get(&delivery.target) else {
            return Delivered::refused(Fault::new(Kind::Internal, "the receiver was not read"));
        };
        let facts = Facts {
            invocation_id: InvocationId::fresh(),
            parent: self.frames.last().map(|frame| frame.invocation_id),
            receiver_rev: rev.clone(),
            source_object_id: method.holder.clone(),
            method_version: method.version,
            source: method.is_candidate.then(|| method.source.clone()),
        };
        let limits = method.quota.over(self.parts.quota);
        let allowance = match self.budgets.allowance(&delivery.target) {
            Ok(allowance) => allowance,
            Err(fault) => return Delivered::refused(fault),
        };
        let call = Call {
            receiver: delivery.target,
            method: method.name.clone(),
            source: method.source.clone(),
            attributes: attributes.clone(),
            inherited,
            args: delivery.args,
            kwargs: delivery.kwargs,
            seed: delivery.seed,
            time: self.message.accepted_at,
            quota: Quota {
                fuel: limits.fuel.min(delivery.fuel).min(allowance),
                wall_ms: limits.wall_ms.min(delivery.wall_ms),
                memory_bytes: limits.memory_bytes.min(delivery.memory_bytes),
                ..limits
            },
        };
        if self.frames.is_empty() {
            self.root = Some(Root {
                invocation_id: facts.invocation_id,
                source_object_id: method.holder,
                method_name: method.name,
                method_version: method.version,
                fuel_limit: call.quota.fuel,
                is_candidate: method.is_candidate,
            });
        }
        // What a body could not finish with the rest of a budget says nothing of the body.
        let is_cut = allowance < limits.fuel.min(delivery.fuel);
        let delivered = self.run(call, facts, method.is_candidate, is_cut);
        if is_cut { delivered.of_a_rest() } else { delivered }
    }

    /// `is_cut`: whether a budget left it less fuel than its method and its sender would.
    fn run(&mut self, call: Call, facts: Facts, is_candidate: bool, is_cut: bool) -> Delivered {
        let (savepoint, validated) = (self.working.savepoint(), self.validated.len());
        self.frames.push(Frame {
            invocation_id: facts.invocation_id,
            receiver: call.receiver.clone(),
            sends: Vec::new(),
            fuel_of_others: 0,
        });
        let sandbox = Arc::clone(&self.parts.sandbox);
        let run = sandbox.run(&call, self);
        let (sends, fuel_of_others) =
            self.frames.pop().map(|frame| (frame.sends, frame.fuel_of_others)).unwrap_or_default();

        let Run { outcome, output, fuel_used, peak_memory_bytes } = run;
        let (result, after) = match self.verdict(outcome) {
            Ok((result, attributes)) => (Ok(result), attributes),
            Err(fault) => (Err(fault), None),
        };
        if let Some(attributes) = &after {
            self.working.change(&call.receiver, attributes.clone());
        }
        if result.is_err() {
            self.working.roll_back(savepoint);
            self.validated.truncate(validated);
        }
        let starved = matches!(&result, Err(fault) if fault.kind == Kind::FuelExhausted);
        if is_candidate && !(is_cut && starved) {
            self.judge((call.receiver.clone(), call.method.clone()), result.as_ref().err());
        }
        self.budgets.charge(&call.receiver, fuel_used.saturating_sub(fuel_of_others));
        let spent = Spent { sends, output: output.clone(), fuel_used, peak_memory_bytes };
        self.keep(facts, call, &result, after.as_ref(), spent);
        Delivered { result, output, fuel_used }
    }

    /// Notes how a candidate's run ended. One that was stopped because something else must be learnt first has
    /// not shown anything yet.
    fn judge(&mut self, lesson: Lesson, fault: Option<&Fault>) {
        if matches!(self.halt, Some(Halt::NotUnderstood(_))) {
            return;
        }
        self.ran.push(lesson.clone());
        match fault {
            None => self.validated.push(lesson),
            Some(fault) => self.failed.push((lesson, fault.clone())),
        }
    }

    /// The result and changed attributes of a run, or its fault. Faults that no sender may catch halt the
    /// attempt; what halted it already is the fault of every run it went through.
    fn verdict(&mut self, outcome: Outcome) -> Result<(Json, Option<Json>), Fault> {
        let fault = match (&self.halt, outcome) {
            (Some(Halt::Fault(fault)), _) => fault.clone(),
            (Some(Halt::NotUnderstood(missing)), _) => not_understood(&missing.lesson.0, &missing.lesson.1),
            (None, Outcome::Returned { result, attributes }) => return Ok((result, attributes)),
            (None, Outcome::Failed(fault)) => fault,
            (None, Outcome::Aborted) => Fault::new(Kind::Internal, "the sandbox stopped a run unasked"),
        };
        if self.halt.is_none() && (fault.kind == Kind::TimeLimit || is_of_the_system(fault.kind)) {
            self.halt = Some(Halt::Fault(fault.clone()));
        }
        Err(fault)
    }

    /// The method that answers a send, and the attributes its receiver inherits: a method of that name, or of
    /// the lesson the name asks for, or what the mind wrote for this cycle. What the store has comes first.
    fn find(&mut self, delivery: &Delivery) -> Result<(Runnable, Json), Fault> {
        let named = self.resolve(&delivery.target, &delivery.method)?;
        if let Some(method) = &named.method {
            return Ok((method.clone(), named.inherited.clone()));
        }
        let lesson = delivery.method.lesson();
        let taught = if lesson == delivery.method { named } else { self.resolve(&delivery.target, &lesson)? };
        if let Some(method) = &taught.method {
            return Ok((method.clone(), taught.inherited.clone()));
        }
        // Nobody learns for an object that could not run what was learnt.
        self.budgets.allowance(&delivery.target)?;
        let lesson = (delivery.target.clone(), lesson);
        if let Some(candidate) = self.candidates.get(&lesson) {
            return Ok((candidate.runnable(&lesson), taught.inherited.clone()));
        }
        let fault = not_understood(&lesson.0, &lesson.1);
        let attributes = self.working.get(&lesson.0).map_or_else(Json::empty_object, |(_, now)| now.clone());
        self.halt = Some(Halt::NotUnderstood(Box::new(Missing {
            lesson,
            args: delivery.args.clone(),
            kwargs: delivery.kwargs.clone(),
            attributes,
            inherited: taught.inherited.clone(),
        })));
        Err(fault)
    }

    /// Asks the store once for each receiver and name. An unknown object is the sender's fault; anything else
    /// that goes wrong halts the attempt.
    fn resolve(&mut self, object: &ObjectId, name: &MethodName) -> Result<Arc<Resolved>, Fault> {
        if let Some(resolved) = self.resolved.get(&(object.clone(), name.clone())) {
            return Ok(Arc::clone(resolved));
        }
        match self.runtime.block_on(self.parts.store.resolve(object, name)) {
            Ok(resolution) => Ok(self.remember(name.clone(), resolution)),
            Err(error @ StoreError::ObjectNotFound(_)) => Err(error.into()),
            Err(error) => {
                let fault = Fault::from(error);
                self.halt = Some(Halt::Fault(fault.clone()));
                Err(fault)
            }
        }
    }

    fn remember(&mut self, name: MethodName, resolution: Resolution) -> Arc<Resolved> {
        let Resolution { receiver, lineage, inherited, method, account } = resolution;
        self.budgets.read(&receiver.id, account);
        let method = method.map(|method| Runnable {
            holder: method.object,
            name: method.name,
            version: method.version,
            source: method.source,
            quota: method.quota,
            is_candidate: false,
        });
        let resolved = Arc::new(Resolved { inherited, method });
        self.resolved.insert((receiver.id.clone(), name), Arc::clone(&resolved));
        self.working.read(receiver, lineage);
        resolved
    }
}

impl Candidate {
    /// Nobody understood the name, so the receiver has no version of it: this will be the first.
    fn runnable(&self, (object, name): &Lesson) -> Runnable {
        Runnable {
            holder: object.clone(),
            name: name.clone(),
            version: 1,
            source: self.source.clone(),
            quota: QuotaOverride::default(),
            is_candidate: true,
        }
    }
}

impl Sends for Stage {
    fn send(&mut self, send: Send) -> Option<Reply> {
        self.note_send(&send);
        let reply = self.answer(send)?;
        self.note_answer(&reply);
        // What is too much to be kept ends the cycle.
        self.halt.is_none().then_some(reply)
    }
}

impl Stage {
    fn answer(&mut self, send: Send) -> Option<Reply> {
        // The innermost frame is the sender, whatever the guest says.
        let sender = self.frames.last()?.receiver.clone();
        self.sends += 1;
        if self.sends > MAX_SENDS {
            let text = format!("one message may cause at most {MAX_SENDS} sends");
            self.halt = Some(Halt::Fault(Fault::new(Kind::DepthLimit, text)));
        }
        if self.halt.is_some() {
            return None;
        }
        if let Some(attributes) = send.attributes {
            self.working.change(&sender, attributes);
        }
        let before = self.working.stamp(&sender);
        let delivered = if self.frames.len() > MAX_DEPTH as usize {
            let text = format!("sends may be nested at most {MAX_DEPTH} deep");
            Delivered::refused(Fault::new(Kind::DepthLimit, text))
        } else {
            self.deliver(Delivery {
                target: send.target,
                method: send.method,
                args: send.args,
                kwargs: send.kwargs,
                seed: nested_seed(self.message.seed, self.sends),
                fuel: send.fuel,
                wall_ms: send.wall_ms,
                memory_bytes: send.memory_bytes,
            })
        };
        if self.halt.is_some() {
            return None;
        }
        let changed = self.working.stamp(&sender) != before;
        let attributes = self.working.get(&sender).filter(|_| changed).map(|(_, now)| now.clone());
        Some(Reply { result: delivered.result, attributes, fuel_used: delivered.fuel_used })
    }
}

/// The seed of the `number`th send of a message, counted from 1 over all its runs in order: `SplitMix64` from the
/// message's seed.
fn nested_seed(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
