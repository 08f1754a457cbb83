//! The cognitive cycle of one message: attempt, learn what is missing, attempt again, commit.
//!
//! While the mind thinks, nothing is held but the message's place in its object's inbox and the lessons this
//! cycle leads. Who wait for what:
//! - an inbox turn is waited for before the cycle begins, and given back while an earlier message is waited for,
//!   for which the cycle gives up its lessons and running alone as well;
//! - a lesson turn is waited for only by cycles that lead no lesson and hold no contended object;
//! - turns on contended objects are taken in the order of their ids, and who holds one waits for nothing else.
//!
//! So no circle of cycles can wait for each other.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::Orchestrator;
use super::attempt::{Attempt, Attempted, Candidates, Ending, Lesson, Root};
use super::fault::is_of_the_system;
use super::lanes::Turn;
use super::learning::Schooling;
use super::narration::Narrator;
use crate::object::{
    Contents, Fault, Invocation, InvocationOutcome, Json, Kind, Message, MessageId, MessageStatus, ObjectId,
    Provenance, Rev, Timestamp, Validation,
};
use crate::store::{Commit, Install, Lease, Resolution, StoreError};

/// Attempts that may be lost to another server although this one's cycles take turns, and the longest pause
/// between two.
const CONFLICTS: u32 = 32;
const CONFLICT_PAUSE: Duration = Duration::from_millis(64);

/// Attempts that may be lost to a store that was away for a moment.
const ABSENCES: u32 = 7;

/// Attempts that may be lost to a sandbox.
const BREAKDOWNS: u32 = 1;

/// The longest pause between two looks at a message of another server.
const LOOK: Duration = Duration::from_millis(500);

pub(super) struct Cycle {
    pub(super) orchestrator: Arc<Orchestrator>,
    lease: Lease,
    pub(super) message: Message,
    pub(super) candidates: Arc<Candidates>,
    pub(super) schooling: HashMap<Lesson, Schooling>,
    /// The lessons other cycles wait for until this one ends.
    pub(super) leading: Vec<Turn<Lesson>>,
    /// The turn to run while no other message does that ran when a server died.
    alone: Option<Turn<()>>,
    /// How often the mind was asked.
    pub(super) asked: u32,
    /// Objects this cycle came too late for; it now takes its turn on them.
    contended: BTreeSet<ObjectId>,
    late: u32,
    away: u32,
    broken: u32,
    said_resolved: bool,
    trace: Trace,
}

/// What the last attempt leaves for the commit, or for the record of a failure.
#[derive(Default)]
struct Trace {
    root: Option<Root>,
    output: String,
    fuel_used: u64,
    invocations: Vec<Invocation>,
    contents: Contents,
    charges: Vec<(ObjectId, u64)>,
    /// Objects of it that have a budget.
    budgeted: Vec<ObjectId>,
    preconditions: Vec<(ObjectId, Rev)>,
}

/// What an attempt came to, ready to be committed. A failure is committed under the same conditions as a
/// success: what a method read at two moments may never have stood side by side.
struct Outcome {
    end: Result<Json, Fault>,
    learnt: BTreeSet<Lesson>,
    changes: Vec<(ObjectId, Json)>,
}

/// What became of a commit.
enum Committed {
    Done(Box<Message>),
    /// It came too late, and another attempt is due.
    Again,
    /// This earlier message for the same object has to end first.
    After(MessageId),
    /// The lease is lost: the message is another server's.
    Left,
}

enum Judgement {
    Learn(Lesson),
    Commit(Box<Outcome>),
}

impl Cycle {
    pub fn new(orchestrator: Arc<Orchestrator>, message: Message, lease: Lease) -> Self {
        Self {
            alone: None,
            orchestrator,
            lease,
            message,
            candidates: Arc::default(),
            schooling: HashMap::new(),
            leading: Vec::new(),
            asked: 0,
            contended: BTreeSet::new(),
            late: 0,
            away: 0,
            broken: 0,
            said_resolved: false,
            trace: Trace::default(),
        }
    }

    pub fn alone(self, alone: Option<Turn<()>>) -> Self {
        Self { alone, ..self }
    }

    /// One attempt, on a worker thread. It changes nothing and says nothing.
    pub async fn attempt(&self, prefetched: Option<Resolution>) -> Attempted {
        let attempt = Attempt {
            parts: Arc::clone(&self.orchestrator.parts),
            runtime: Handle::current(),
            message: self.message.clone(),
            candidates: Arc::clone(&self.candidates),
            charged: self.trace.charges.clone(),
            prefetched,
        };
        let workers = &self.orchestrator.parts.workers;
        workers.run(move || attempt.run()).await.unwrap_or_else(Attempted::crashed)
    }

    /// Commits the first attempt if it needs nothing else. `None`: nothing has happened, and another is due.
    pub async fn commit_at_once(&mut self, first: Attempted) -> Option<Message> {
        let root = first.root.clone();
        let Ok(Judgement::Commit(outcome)) = self.judge(first) else { return None };
        let Ok(Committed::Done(message)) = self.commit(*outcome).await else { return None };
        self.narrator().accepted(&self.message);
        self.say_resolved(root.as_ref());
        Some(*message)
    }

    /// From the first attempt, if it was made, to the final record, as it stands in the store. `None`: the
    /// message stays unfinished there, or is another server's.
    pub async fn complete(mut self, first: Option<Attempted>, turn: &mut Turn<ObjectId>) -> Option<Message> {
        match self.go_on(first, turn).await {
            Ok(message) => message,
            // It is tried again when the store is back.
            Err(fault) if fault.kind == Kind::StoreUnavailable => None,
            Err(fault) => self.fail(fault).await,
        }
    }

    async fn go_on(
        &mut self,
        mut first: Option<Attempted>,
        turn: &mut Turn<ObjectId>,
    ) -> Result<Option<Message>, Fault> {
        loop {
            if !self.orchestrator.holds(&self.lease) {
                return Ok(None);
            }
            let (turns, attempted) = match first.take() {
                Some(attempted) => (Vec::new(), attempted),
                None => (self.take_turns().await, self.attempt(None).await),
            };
            self.say_resolved(attempted.root.as_ref());
            let judgement = match self.judge(attempted) {
                // As at a commit.
                Err(fault) if fault.kind == Kind::StoreUnavailable => {
                    self.lost(StoreError::Unavailable(fault.message)).await?;
                    continue;
                }
                // Nothing of it was committed, so it can be made again, in another sandbox if there is one.
                Err(fault) if fault.kind == Kind::SandboxUnavailable && self.broken < BREAKDOWNS => {
                    self.broken += 1;
                    tracing::warn!("an attempt was lost: {}", fault.message);
                    continue;
                }
                judgement => judgement?,
            };
            let (turns, outcome) = match judgement {
                Judgement::Commit(outcome) => (turns, *outcome),
                Judgement::Learn(lesson) => {
                    drop(turns);
                    match self.learn(lesson).await {
                        Ok(()) => continue,
                        Err(fault) => (Vec::new(), Self::unlearnt(fault)?),
                    }
                }
            };
            let committed = self.commit(outcome).await?;
            drop(turns);
            match committed {
                Committed::Done(message) => return Ok(Some(*message)),
                Committed::Again => {}
                Committed::After(earlier) => {
                    if !self.wait_for(earlier, turn).await {
                        return Ok(None);
                    }
                }
                Committed::Left => return Ok(None),
            }
        }
    }

    /// A message whose method the mind could not write fails in its turn, and only if it still has no method.
    fn unlearnt(fault: Fault) -> Result<Outcome, Fault> {
        if is_of_the_system(fault.kind) {
            return Err(fault);
        }
        Ok(Outcome { end: Err(fault), learnt: BTreeSet::new(), changes: Vec::new() })
    }

    /// What follows from an attempt; a fault ends the cycle.
    /// Charges an object, if it has a budget, for what is no run of its own.
    pub(super) fn charge(&mut self, object: &ObjectId, fuel: u64) {
        if !self.trace.budgeted.contains(object) {
            return;
        }
        match self.trace.charges.iter_mut().find(|(charged, _)| charged == object) {
            Some((_, charged)) => *charged = charged.saturating_add(fuel),
            None => self.trace.charges.push((object.clone(), fuel)),
        }
    }

    fn judge(&mut self, attempted: Attempted) -> Result<Judgement, Fault> {
        let Attempted { ending, working, ran, validated, failed, .. } = attempted;
        self.trace = Trace {
            root: attempted.root,
            output: attempted.output,
            fuel_used: attempted.fuel_used,
            invocations: attempted.invocations,
            contents: attempted.contents,
            // Of this attempt and those before it.
            charges: attempted.charges,
            budgeted: attempted.budgeted,
            preconditions: working.preconditions(),
        };
        let fault = match ending {
            Ending::NotUnderstood(missing) => {
                let lesson = missing.lesson.clone();
                self.narrator().not_understood(&lesson);
                self.note_missing(*missing);
                return Ok(Judgement::Learn(lesson));
            }
            Ending::Returned(result) if failed.is_empty() => {
                return Ok(Judgement::Commit(Box::new(Outcome {
                    end: Ok(result),
                    learnt: validated.into_iter().collect(),
                    changes: working.changes(),
                })));
            }
            Ending::Returned(_) => None,
            Ending::Failed(fault) if is_of_the_system(fault.kind) => return Err(fault),
            Ending::Failed(fault) => Some(fault),
        };
        // The first candidate that failed is to blame, whoever caught it; else the last one the failure came after.
        let blamed = failed.into_iter().next().or_else(|| ran.into_iter().last().zip(fault.clone()));
        match (blamed, fault) {
            (Some((lesson, fault)), _) => {
                self.refute(&lesson, &fault);
                Ok(Judgement::Learn(lesson))
            }
            (None, Some(fault)) => Ok(Judgement::Commit(Box::new(Outcome {
                end: Err(fault),
                learnt: BTreeSet::new(),
                changes: Vec::new(),
            }))),
            (None, None) => Err(Fault::new(Kind::Internal, "an attempt ended without a result")),
        }
    }

    async fn commit(&mut self, outcome: Outcome) -> Result<Committed, Fault> {
        let Outcome { end, learnt, changes } = outcome;
        let others_wait =
            |id: &&ObjectId| !self.contended.contains(*id) && self.orchestrator.contended.is_taken(id);
        if let Some(id) = self.trace.preconditions.iter().map(|(id, _)| id).find(others_wait) {
            // To overtake those who wait for this object could go on forever.
            self.contended.insert(id.clone());
            return Ok(Committed::Again);
        }
        for lesson in &learnt {
            self.narrator().validation_passed(lesson);
        }
        let message = Message {
            generated: !learnt.is_empty(),
            state_changed: !changes.is_empty(),
            ..self.final_record(end)
        };
        let commit = Commit {
            lease: self.lease.clone(),
            message: message.clone(),
            changes,
            installs: learnt.iter().filter_map(|lesson| self.install(lesson)).collect(),
            invocations: std::mem::take(&mut self.trace.invocations),
            contents: std::mem::take(&mut self.trace.contents),
            charges: self.trace.charges.clone(),
            preconditions: std::mem::take(&mut self.trace.preconditions),
        };
        match self.orchestrator.parts.store.commit(commit).await {
            Ok(()) => {
                for lesson in &learnt {
                    self.narrator().installed(lesson, 1);
                }
                Ok(Committed::Done(Box::new(message)))
            }
            Err(error) => self.lost(error).await,
        }
    }

    /// What a refused commit means: another attempt, or the end.
    async fn lost(&mut self, error: StoreError) -> Result<Committed, Fault> {
        let cause = match &error {
            StoreError::Conflict(_) => "conflict",
            StoreError::NotItsTurn(_) => "turn",
            StoreError::Fenced => "lease",
            _ => "store",
        };
        metrics::counter!("aura_commits_lost_total", "cause" => cause).increment(1);
        match error {
            StoreError::NotItsTurn(earlier) => Ok(Committed::After(earlier)),
            StoreError::Fenced => {
                self.orchestrator.lease_is_lost();
                Ok(Committed::Left)
            }
            // From now on it takes its turn on that object: nobody of this server is in its way there.
            StoreError::Conflict(id) if !self.contended.contains(&id) => {
                tracing::debug!(object = %id, "too late: trying again");
                self.contended.insert(id);
                Ok(Committed::Again)
            }
            error => self.lost_again(error).await,
        }
    }

    /// Turns did not help, or the store is away.
    async fn lost_again(&mut self, error: StoreError) -> Result<Committed, Fault> {
        match error {
            StoreError::Conflict(id) if self.late < CONFLICTS => {
                self.late += 1;
                tracing::debug!(object = %id, "too late in turn: trying again");
                let longest = CONFLICT_PAUSE.min(Duration::from_millis(1 << self.late.min(10)));
                tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
                Ok(Committed::Again)
            }
            StoreError::Unavailable(text) if self.away < ABSENCES => {
                self.away += 1;
                tracing::warn!("the store is away: {text}");
                tokio::time::sleep(Duration::from_millis(25 << self.away)).await;
                Ok(Committed::Again)
            }
            // An earlier commit of this cycle did happen; only its answer was lost.
            StoreError::AlreadyFinished(id) => {
                let message = self.orchestrator.parts.store.message(id).await?;
                Ok(message.map_or(Committed::Left, |message| Committed::Done(Box::new(message))))
            }
            error => Err(error.into()),
        }
    }

    /// Waits until a message of another server has ended, or of a server that is gone: then it comes into line
    /// here, and goes first. False: nothing starts any more.
    async fn wait_for(&mut self, earlier: MessageId, turn: &mut Turn<ObjectId>) -> bool {
        self.give_up_lessons();
        self.alone = None;
        let mut pause = Duration::from_millis(5);
        while !self.orchestrator.census.is_closed() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK);
            turn.give_way().await;
            match self.orchestrator.parts.store.message(earlier).await {
                Ok(Some(message)) if !message.status.is_final() => {}
                Ok(_) => return true,
                Err(error) => tracing::warn!("an earlier message cannot be looked at: {error}"),
            }
        }
        false
    }

    async fn take_turns(&self) -> Vec<Turn<ObjectId>> {
        let mut turns = Vec::with_capacity(self.contended.len());
        for id in &self.contended {
            let mut turn = self.orchestrator.contended.enter(id);
            turn.come().await;
            turns.push(turn);
        }
        turns
    }

    /// Writes down that the cycle could not come to an end. Nothing else of it is kept.
    async fn fail(&mut self, fault: Fault) -> Option<Message> {
        let mut message = self.final_record(Err(fault));
        let Trace { invocations, contents, charges, .. } = std::mem::take(&mut self.trace);
        if invocations.is_empty() {
            // They went with a commit that was refused.
            message.invocation_id = None;
        }
        for pause in [100, 400, 1_600, 6_400, 25_600, 0] {
            let commit = Commit {
                lease: self.lease.clone(),
                message: message.clone(),
                changes: Vec::new(),
                installs: Vec::new(),
                invocations: invocations.clone(),
                contents: contents.clone(),
                charges: charges.clone(),
                preconditions: Vec::new(),
            };
            match self.orchestrator.parts.store.commit(commit).await {
                Ok(()) => return Some(message),
                Err(StoreError::AlreadyFinished(id)) => {
                    return self.orchestrator.parts.store.message(id).await.ok().flatten();
                }
                Err(StoreError::Fenced) => return None,
                Err(error) => tracing::error!("a failure could not be written down: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        None
    }

    /// The message as it ends.
    fn final_record(&self, end: Result<Json, Fault>) -> Message {
        let mut message = self.message.clone();
        message.finished_at = Some(Timestamp::now());
        message.attempts = self.asked;
        message.output.clone_from(&self.trace.output);
        message.fuel_used = self.trace.fuel_used;
        if let Some(root) = &self.trace.root {
            message.invocation_id = Some(root.invocation_id);
            message.fuel_limit = Some(root.fuel_limit);
            // What was not installed has no version to speak of.
            if end.is_ok() || !root.is_candidate {
                message.source_object_id = Some(root.source_object_id.clone());
                message.method_version = Some(root.method_version);
            }
        }
        match end {
            Ok(result) => {
                message.status = MessageStatus::Completed;
                message.result = result;
            }
            Err(fault) => {
                message.status = MessageStatus::Failed;
                message.error = Some(fault);
            }
        }
        message
    }

    fn install(&self, lesson: &Lesson) -> Option<Install> {
        let candidate = self.candidates.get(lesson)?;
        Some(Install {
            object: lesson.0.clone(),
            name: lesson.1.clone(),
            source: candidate.source.clone(),
            quota: None,
            provenance: Provenance {
                message_id: Some(self.message.message_id),
                validation: self.validation(lesson),
                ..candidate.provenance.clone()
            },
        })
    }

    /// The run that proved what is to be installed.
    fn validation(&self, (object, name): &Lesson) -> Option<Validation> {
        let run = self.trace.invocations.iter().find(|run| {
            (&run.source_object_id, &run.method_name) == (object, name)
                && matches!(run.outcome, InvocationOutcome::Returned { .. })
        })?;
        Some(Validation {
            invocation_id: run.invocation_id,
            fuel_used: run.fuel_used,
            peak_memory_bytes: run.peak_memory_bytes,
        })
    }

    fn say_resolved(&mut self, root: Option<&Root>) {
        let installed = root.filter(|root| !root.is_candidate);
        if let Some(root) = installed.filter(|_| !self.said_resolved) {
            self.narrator().resolved(root);
            self.said_resolved = true;
        }
    }

    pub(super) fn narrator(&self) -> Narrator<'_> {
        self.orchestrator.narrator(self.message.message_id)
    }
}
