//! The way of a message through the orchestrator: let in, put in its object's line, written down, worked on.
//!
//! The first attempt may run while the acceptance is still being written: it changes nothing, and is dropped if
//! the message turns out not to be accepted. Everything after it waits for the acceptance, but for one case: who
//! waits for the end is promised nothing before, so a message that ends at once is written down once, as it ended.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::maybe_done;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::Orchestrator;
use super::attempt::Attempted;
use super::census::Place;
use super::cycle::Cycle;
use super::fault::{crashed, given_up, set_aside};
use super::lanes::Turn;
use super::records::{Found, Record};
use crate::object::{Fault, Kind, Message, MessageId, MessageStatus, NewMessage, ObjectId};
use crate::store::{Accepted, Lease, MessageFilter, Page, Resolution, StoreError};

/// A message is set aside that ran when a server died so many times after it was first taken up again.
const MAX_RESTARTS: u32 = 4;

/// A message is given up that the store failed on so many times, while it was fit to note that it runs.
const MAX_ROUNDS: u32 = 5;

/// The pauses between looks at a message that another server may be working on.
const LOOK_FIRST: Duration = Duration::from_millis(5);
const LOOK_LAST: Duration = Duration::from_millis(250);

/// A message that is let in, with what it holds until it ends.
struct Admitted {
    message: Message,
    lease: Lease,
    turn: Turn<ObjectId>,
    place: Place,
    record: Record,
}

/// The acceptance still to be written, and who waits for it.
struct Acceptance {
    idempotency_key: Option<String>,
    /// Whether it may be left out if the message ends at once.
    may_wait: bool,
    answer: oneshot::Sender<Result<Message, Fault>>,
}

/// What is known of a message that is taken up again.
struct Begin {
    /// Whether it ran when a server died.
    suspect: bool,
    /// How often it was put aside because the store failed.
    rounds: u32,
}

/// What a cycle begins with.
struct First {
    attempted: Option<Attempted>,
    /// There if the attempt was made before the message was written down.
    unwritten: Option<Acceptance>,
}

impl Orchestrator {
    /// Takes a message in. When this returns it is on disk and in line, or being worked on already. The same
    /// idempotency key returns the earlier message.
    pub async fn accept(self: &Arc<Self>, new: NewMessage) -> Result<Message, Fault> {
        self.admit(new, false).await
    }

    /// The same for a sender who waits for the end: when this returns the message is on disk, accepted or ended.
    pub async fn deliver(self: &Arc<Self>, new: NewMessage) -> Result<Message, Fault> {
        // A key has to be looked up before anything is run.
        let may_wait = new.idempotency_key.is_none();
        self.admit(new, may_wait).await
    }

    async fn admit(self: &Arc<Self>, new: NewMessage, may_wait: bool) -> Result<Message, Fault> {
        let place = self.census.admit(new.args.get().len() + new.kwargs.get().len())?;
        let resolution = self.parts.store.resolve(&new.target, &new.method).await?;
        // Ids sort by creation, so the order of ids is the order of turns, also after a restart.
        let (turn, message) = self.inboxes.enter_with(&new.target, || {
            let message = Message::accepted(&new);
            (message.message_id.order(), message)
        });
        let Some(record) = self.records.open(&message) else {
            return Err(Fault::new(Kind::Internal, "a new message's id is taken"));
        };
        let prefetched = turn.has_come().then_some(resolution);
        let (answer, answered) = oneshot::channel();
        let acceptance = Acceptance { idempotency_key: new.idempotency_key, may_wait, answer };
        // A task of its own: the sender may go away, the message stays.
        let admitted = Admitted { message, lease: self.lease(), turn, place, record };
        let span = span_of(&admitted.message);
        tokio::spawn(Arc::clone(self).work(admitted, acceptance, prefetched).instrument(span));
        answered.await.unwrap_or_else(|_| Err(crashed("the acceptance of a message")))
    }

    /// Puts the messages that this server has to finish, and that no task works on, into their objects' lines;
    /// how many those were.
    pub(super) async fn take_up(self: &Arc<Self>) -> Result<usize, Fault> {
        let lease = self.lease();
        let mut taken = 0;
        let mut opened = Vec::new();
        for mut message in self.parts.store.unfinished(&lease.server).await? {
            let noted = message.status == MessageStatus::Running;
            // It does not run before its turn has come again.
            message.status = MessageStatus::Accepted;
            let Some(record) = self.records.open(&message) else { continue };
            opened.push((message, noted, record));
        }
        // Some may have ended since they were listed; from here on nobody else works on them.
        let unfinished = self.parts.store.unfinished(&lease.server).await?;
        let unfinished: HashSet<_> = unfinished.into_iter().map(|message| message.message_id).collect();
        opened.retain(|(message, ..)| unfinished.contains(&message.message_id));
        for (mut message, noted, record) in opened {
            record.written();
            if !self.census.has_room() {
                // It waits in the store until there is.
                continue;
            }
            let spared = self.records.take_spared(message.message_id).filter(|_| noted);
            if let Some(rounds) = spared {
                message.restarts = message.restarts.saturating_sub(1);
                record.spare(rounds);
            }
            let begin = Begin { suspect: noted && spared.is_none(), rounds: spared.unwrap_or_default() };
            let order = message.message_id.order();
            let (turn, ()) = self.inboxes.enter_with(&message.target_object_id, || (order, ()));
            let place = self.census.readmit(message.args.get().len() + message.kwargs.get().len());
            self.narrator(message.message_id).accepted(&message);
            let span = span_of(&message);
            let lease = lease.clone();
            let admitted = Admitted { message, lease, turn, place, record };
            let work = Arc::clone(self).work_again(admitted, begin);
            tokio::spawn(work.instrument(span));
            taken += 1;
        }
        Ok(taken)
    }

    /// The record of a message, final if it becomes so within `patience`, else as it stands.
    pub async fn wait(&self, id: MessageId, patience: Duration) -> Result<Option<Message>, Fault> {
        let until = tokio::time::Instant::now() + patience;
        match self.records.find(id) {
            Some(Found::Ended(message)) => return Ok(Some(*message)),
            Some(Found::InWork(mut record)) => {
                let end = record.wait_for(|message| message.status.is_final());
                let ended = tokio::time::timeout_at(until, end).await.map(|end| end.map(|end| end.clone()));
                match ended {
                    Ok(Ok(message)) => return Ok(Some(message)),
                    Err(_) => return Ok(Some(record.borrow().clone())),
                    // The work stopped before an end: the store knows how things stand.
                    Ok(Err(_)) => {}
                }
            }
            None => {}
        }
        self.wait_elsewhere(id, until).await
    }

    /// As [`Self::wait`], for a message that another server may be working on.
    async fn wait_elsewhere(
        &self,
        id: MessageId,
        until: tokio::time::Instant,
    ) -> Result<Option<Message>, Fault> {
        let mut pause = LOOK_FIRST;
        loop {
            let message = self.parts.store.message(id).await?;
            let now = tokio::time::Instant::now();
            let ended = message.as_ref().is_none_or(|message| message.status.is_final());
            if ended || now >= until || self.census.is_closed() {
                return Ok(message);
            }
            tokio::time::sleep_until(until.min(now + pause)).await;
            pause = (pause * 2).min(LOOK_LAST);
        }
    }

    /// Whether the message is in work here.
    pub fn works_on(&self, id: MessageId) -> bool {
        matches!(self.records.find(id), Some(Found::InWork(_)))
    }

    /// Messages as they stand, newest first. Which of the unfinished ones run is known here, not in the store.
    pub async fn messages(&self, mut filter: MessageFilter) -> Result<Page<Message>, Fault> {
        let (wanted, limit) = (filter.status, filter.limit as usize);
        filter.status = wanted.map(|status| if status.is_final() { status } else { MessageStatus::Accepted });
        let mut items = Vec::new();
        loop {
            let page = self.parts.store.messages(&filter).await?;
            filter.after = page.items.last().map(|message| message.message_id);
            items.extend(
                page.items
                    .into_iter()
                    .map(|message| self.as_it_stands(message))
                    .filter(|message| wanted.is_none_or(|wanted| wanted == message.status)),
            );
            let full = items.len() >= limit || wanted.is_none_or(MessageStatus::is_final);
            if full || !page.more {
                let more = page.more || items.len() > limit;
                items.truncate(limit);
                return Ok(Page { items, more });
            }
        }
    }

    fn as_it_stands(&self, mut message: Message) -> Message {
        if !message.status.is_final()
            && let Some(Found::InWork(record)) = self.records.find(message.message_id)
        {
            message.status = record.borrow().status;
        }
        message
    }

    /// No new messages, and none starts; waits for those that run; returns how many stay queued on disk.
    pub async fn shutdown(&self) -> Result<usize, Fault> {
        self.census.close().await;
        let queued = self.parts.store.unfinished(&self.lease().server).await;
        self.leave().await?;
        Ok(queued?.len())
    }

    async fn work(
        self: Arc<Self>,
        mut admitted: Admitted,
        acceptance: Acceptance,
        prefetched: Option<Resolution>,
    ) {
        let begun = Instant::now();
        let Admitted { message, lease, turn, place, record } = &mut admitted;
        let mut acceptance = Some(acceptance);
        // Of a message sent again nothing is run, not even to be dropped.
        if let Some(acceptance) = acceptance.take_if(|acceptance| acceptance.idempotency_key.is_some())
            && self.write_down(message, lease, record, acceptance).await.is_err()
        {
            return;
        }
        let cycle = Cycle::new(Arc::clone(&self), message.clone(), lease.clone());
        let attempted = {
            let mut first = pin!(maybe_done(async {
                turn.come().await;
                if !place.start() || !self.holds(lease) {
                    return None;
                }
                record.running();
                Some(cycle.attempt(prefetched).await)
            }));
            if acceptance.as_ref().is_some_and(|acceptance| acceptance.may_wait) {
                // If it takes longer, nothing is lost but this moment.
                let _ = tokio::time::timeout(self.parts.at_once, first.as_mut()).await;
            }
            let ends =
                |first: &mut Option<Attempted>| first.as_ref().is_some_and(Attempted::ends_the_message);
            if !first.as_mut().output_mut().is_some_and(ends) {
                let accepted = async {
                    match acceptance.take() {
                        Some(acceptance) => self.write_down(message, lease, record, acceptance).await,
                        None => Ok(()),
                    }
                };
                // An `Err` drops the attempt: a message that is not accepted leaves without a trace.
                let Ok(_) = futures::try_join!(accepted, first.as_mut().map(Ok)) else { return };
            }
            first.take_output().flatten()
        };
        if attempted.is_none() {
            return;
        }
        let first = First { attempted, unwritten: acceptance };
        let ended = self.complete(cycle, first, &mut admitted).await;
        self.end(ended, begun, admitted);
    }

    /// Works on a message that a server left unfinished. From now on it is written down that the message runs:
    /// one that ran when a server died runs alone the next time, and not again and again.
    async fn work_again(self: Arc<Self>, mut admitted: Admitted, Begin { suspect, rounds }: Begin) {
        let begun = Instant::now();
        let Admitted { message, lease, turn, place, record } = &mut admitted;
        turn.come().await;
        let mut alone = suspect.then(|| self.suspects.enter(&()));
        if let Some(alone) = &mut alone {
            alone.come().await;
        }
        if !place.start() || !self.holds(lease) {
            return;
        }
        let attempted = if suspect && message.restarts >= MAX_RESTARTS {
            Some(Attempted::failed(set_aside(message.restarts)))
        } else if rounds >= MAX_ROUNDS {
            Some(Attempted::failed(given_up(rounds)))
        } else {
            message.restarts = message.restarts.saturating_add(1);
            message.status = MessageStatus::Running;
            match self.parts.store.note(message, lease).await {
                Ok(()) => record.noted(message),
                // It was done by an earlier server after all.
                Err(StoreError::AlreadyFinished(_)) => {}
                Err(error) => {
                    tracing::warn!("a message cannot be taken up: {error}");
                    // It may be noted all the same.
                    record.spare(rounds);
                    return;
                }
            }
            None
        };
        let cycle = Cycle::new(Arc::clone(&self), message.clone(), lease.clone()).alone(alone);
        let ended = self.complete(cycle, First { attempted, unwritten: None }, &mut admitted).await;
        self.end(ended, begun, admitted);
    }

    /// Hands the final record over and lets go. Without one the message stays where it is.
    fn end(&self, ended: Option<Message>, begun: Instant, admitted: Admitted) {
        let Some(ended) = ended else { return };
        report(&ended, begun);
        self.narrator(ended.message_id).ended(&ended);
        let Admitted { turn, place, record, .. } = admitted;
        // Whoever gets the answer finds the place free.
        drop(place);
        drop(turn);
        if record.end(ended) {
            self.wanted.notify_one();
        }
    }

    /// Makes the acceptance durable and answers it. `Err`: there is nothing to work on.
    async fn write_down(
        &self,
        message: &Message,
        lease: &Lease,
        record: &Record,
        acceptance: Acceptance,
    ) -> Result<(), ()> {
        let key = acceptance.idempotency_key.as_deref();
        let (answer, go_on) = match self.parts.store.accept(message, key, lease).await {
            Ok(Accepted::New) => (Ok(message.clone()), Ok(())),
            Ok(Accepted::Before(earlier)) => (Ok(earlier), Err(())),
            Err(error) => {
                if matches!(error, StoreError::Unavailable(_)) {
                    // It may be in the store all the same.
                    record.written();
                }
                (Err(error.into()), Err(()))
            }
        };
        if go_on.is_ok() {
            record.written();
            self.narrator(message.message_id).accepted(message);
        }
        // The sender may have gone away.
        let _ = acceptance.answer.send(answer);
        go_on
    }

    /// Runs the cycle to its end. A panic in it fails this message and no other.
    async fn complete(
        self: &Arc<Self>,
        cycle: Cycle,
        first: First,
        admitted: &mut Admitted,
    ) -> Option<Message> {
        let work = async {
            match first {
                First { attempted: Some(attempted), unwritten: Some(acceptance) } => {
                    self.end_at_once(cycle, attempted, acceptance, admitted).await
                }
                First { attempted, .. } => cycle.complete(attempted, &mut admitted.turn).await,
            }
        };
        if let Ok(ended) = AssertUnwindSafe(work).catch_unwind().await {
            return ended;
        }
        let cycle = Cycle::new(Arc::clone(self), admitted.message.clone(), admitted.lease.clone());
        cycle.complete(Some(Attempted::crashed()), &mut admitted.turn).await
    }

    /// Commits the first attempt of a message that is not written down. If that cannot be, the message goes the
    /// usual way.
    async fn end_at_once(
        &self,
        mut cycle: Cycle,
        first: Attempted,
        acceptance: Acceptance,
        admitted: &mut Admitted,
    ) -> Option<Message> {
        let Admitted { message, lease, turn, record, .. } = admitted;
        let Some(ended) = cycle.commit_at_once(first).await else {
            self.write_down(message, lease, record, acceptance).await.ok()?;
            return cycle.complete(None, turn).await;
        };
        // The sender may have gone away.
        let _ = acceptance.answer.send(Ok(message.clone()));
        Some(ended)
    }
}

fn span_of(message: &Message) -> tracing::Span {
    tracing::info_span!(
        "message",
        id = %message.message_id,
        target = %message.target_object_id,
        method = %message.method_name
    )
}

fn report(message: &Message, begun: Instant) {
    let kind = message.error.as_ref().map_or_else(String::new, |fault| format!("{:?}", fault.kind));
    let labels = [("status", message.status.as_str().to_owned()), ("kind", kind)];
    metrics::counter!("aura_messages_total", &labels).increment(1);
    metrics::histogram!("aura_cycle_duration_seconds").record(begun.elapsed());
    metrics::counter!("aura_fuel_used_total").increment(message.fuel_used);
    tracing::info!(
        status = message.status.as_str(),
        fuel = message.fuel_used,
        generated = message.generated,
        error = message.error.as_ref().map(ToString::to_string),
        "ended"
    );
}
