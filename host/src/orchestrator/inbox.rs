//! The way of a message through the orchestrator: let in, put in its object's line, written down, worked on.
//!
//! The first attempt may run while the acceptance is still being written: it changes nothing, and is dropped if
//! the message turns out not to be accepted. Everything after it waits for the acceptance, but for one case: who
//! waits for the end is promised nothing before, so a message that ends at once is written down once, as it ended.

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
use super::fault::crashed;
use super::lanes::Turn;
use super::records::{Found, Record};
use crate::object::{Fault, Kind, Message, MessageId, MessageStatus, NewMessage, ObjectId};
use crate::store::{Accepted, MessageFilter, Page, Resolution};

/// A message that is let in, with what it holds until it ends.
struct Admitted {
    message: Message,
    turn: Turn<ObjectId>,
    place: Place,
    record: Record,
    prefetched: Option<Resolution>,
}

/// The acceptance still to be written, and who waits for it.
struct Acceptance {
    idempotency_key: Option<String>,
    /// Whether it may be left out if the message ends at once.
    may_wait: bool,
    answer: oneshot::Sender<Result<Message, Fault>>,
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
        let (turn, message) = self.inboxes.enter_with(&new.target, || Message::accepted(&new));
        let Some(record) = self.records.open(&message) else {
            return Err(Fault::new(Kind::Internal, "a new message's id is taken"));
        };
        let prefetched = turn.has_come().then_some(resolution);
        let (answer, answered) = oneshot::channel();
        let acceptance = Acceptance { idempotency_key: new.idempotency_key, may_wait, answer };
        // A task of its own: the sender may go away, the message stays.
        self.spawn(Admitted { message, turn, place, record, prefetched }, Some(acceptance));
        answered.await.unwrap_or_else(|_| Err(crashed("the acceptance of a message")))
    }

    /// Takes up again what an earlier process accepted and did not finish; how many messages those were.
    pub async fn recover(self: &Arc<Self>) -> Result<usize, Fault> {
        let mut recovered = 0;
        for message in self.parts.store.unfinished().await? {
            let Some(record) = self.records.open(&message) else { continue };
            let turn = self.inboxes.enter(&message.target_object_id);
            let place = self.census.readmit();
            self.narrator(message.message_id).accepted(&message);
            self.spawn(Admitted { message, turn, place, record, prefetched: None }, None);
            recovered += 1;
        }
        Ok(recovered)
    }

    /// The record of a message, final if it becomes so within `patience`, else as it stands.
    pub async fn wait(&self, id: MessageId, patience: Duration) -> Result<Option<Message>, Fault> {
        match self.records.find(id) {
            Some(Found::Ended(message)) => return Ok(Some(*message)),
            Some(Found::InWork(mut record)) => {
                let end = record.wait_for(|message| message.status.is_final());
                let ended = tokio::time::timeout(patience, end).await.map(|end| end.map(|end| end.clone()));
                match ended {
                    Ok(Ok(message)) => return Ok(Some(message)),
                    Err(_) => return Ok(Some(record.borrow().clone())),
                    // The work stopped before an end: the store knows how things stand.
                    Ok(Err(_)) => {}
                }
            }
            None => {}
        }
        Ok(self.parts.store.message(id).await?)
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
        Ok(self.parts.store.unfinished().await?.len())
    }

    fn spawn(self: &Arc<Self>, admitted: Admitted, acceptance: Option<Acceptance>) {
        let message = &admitted.message;
        let span = tracing::info_span!(
            "message",
            id = %message.message_id,
            target = %message.target_object_id,
            method = %message.method_name
        );
        tokio::spawn(Arc::clone(self).work(admitted, acceptance).instrument(span));
    }

    async fn work(self: Arc<Self>, admitted: Admitted, mut acceptance: Option<Acceptance>) {
        let Admitted { message, mut turn, mut place, record, prefetched } = admitted;
        let begun = Instant::now();
        // Of a message sent again nothing is run, not even to be dropped.
        if let Some(acceptance) = acceptance.take_if(|acceptance| acceptance.idempotency_key.is_some())
            && self.write_down(&message, acceptance).await.is_err()
        {
            return;
        }
        let cycle = Cycle::new(Arc::clone(&self), message.clone());
        let first = {
            let mut first = pin!(maybe_done(async {
                turn.come().await;
                if !place.start() {
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
                        Some(acceptance) => self.write_down(&message, acceptance).await,
                        None => Ok(()),
                    }
                };
                // An `Err` drops the attempt: a message that is not accepted leaves without a trace.
                let Ok(_) = futures::try_join!(accepted, first.as_mut().map(Ok)) else { return };
            }
            first.take_output().flatten()
        };
        let Some(first) = first else { return };
        let Some(ended) = self.complete(cycle, first, acceptance, &message).await else { return };
        report(&ended, begun);
        self.narrator(ended.message_id).ended(&ended);
        // Whoever gets the answer finds the place free.
        drop(place);
        drop(turn);
        record.end(ended);
    }

    /// Makes the acceptance durable and answers it. `Err`: there is nothing to work on.
    async fn write_down(&self, message: &Message, acceptance: Acceptance) -> Result<(), ()> {
        let key = acceptance.idempotency_key.as_deref();
        let (answer, go_on) = match self.parts.store.accept(message, key).await {
            Ok(Accepted::New) => (Ok(message.clone()), Ok(())),
            Ok(Accepted::Before(earlier)) => (Ok(earlier), Err(())),
            Err(error) => (Err(error.into()), Err(())),
        };
        if go_on.is_ok() {
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
        first: Attempted,
        unwritten: Option<Acceptance>,
        message: &Message,
    ) -> Option<Message> {
        let work = async {
            match unwritten {
                Some(acceptance) => self.end_at_once(cycle, first, acceptance, message).await,
                None => cycle.complete(Some(first)).await,
            }
        };
        match AssertUnwindSafe(work).catch_unwind().await {
            Ok(ended) => ended,
            Err(_) => {
                Cycle::new(Arc::clone(self), message.clone()).complete(Some(Attempted::crashed())).await
            }
        }
    }

    /// Commits the first attempt of a message that is not written down. If that cannot be, the message goes the
    /// usual way.
    async fn end_at_once(
        &self,
        mut cycle: Cycle,
        first: Attempted,
        acceptance: Acceptance,
        message: &Message,
    ) -> Option<Message> {
        let Some(ended) = cycle.commit_at_once(first).await else {
            self.write_down(message, acceptance).await.ok()?;
            return cycle.complete(None).await;
        };
        // The sender may have gone away.
        let _ = acceptance.answer.send(Ok(message.clone()));
        Some(ended)
    }
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
