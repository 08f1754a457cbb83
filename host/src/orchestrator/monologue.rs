//! The internal monologue: every step of every message, for whoever listens now and whoever asks a little later.
//!
//! The history is bounded in messages, events and bytes; it is a window, not a record. What a message came to
//! stands in the store.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use crate::object::{Event, MessageId};

/// Events a listener may lag behind before it loses some.
const BACKLOG: usize = 1024;
/// Messages whose events are kept.
const MESSAGES: usize = 256;
/// Events and bytes kept of one message; its last event is kept always.
const EVENTS: usize = 200;
const BYTES: usize = 256 * 1024;

/// What was said of one message.
struct Chapter {
    id: MessageId,
    events: Vec<Event>,
    bytes: usize,
    ended: bool,
}

impl Chapter {
    fn add(&mut self, event: &Event) {
        self.ended |= event.step.is_final();
        self.bytes += event.text.len() + event.data.get().len();
        let fits = self.events.len() < EVENTS && self.bytes <= BYTES;
        if fits || event.step.is_final() {
            self.events.push(event.clone());
        }
    }
}

pub struct Monologue {
    listeners: broadcast::Sender<Event>,
    history: Mutex<VecDeque<Chapter>>,
}

impl Monologue {
    pub(super) fn new() -> Self {
        Self { listeners: broadcast::Sender::new(BACKLOG), history: Mutex::default() }
    }

    /// Everything from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.listeners.subscribe()
    }

    /// What was said of a message so far, and everything that follows, without gap or repeat. The receiver
    /// carries the events of all messages.
    pub fn of(&self, id: MessageId) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let history = self.history();
        let events = history
            .iter()
            .rev()
            .find(|chapter| chapter.id == id)
            .map_or_else(Vec::new, |chapter| chapter.events.clone());
        (events, self.listeners.subscribe())
    }

    pub fn say(&self, event: Event) {
        let mut history = self.history();
        match history.iter_mut().rev().find(|chapter| chapter.id == event.message_id) {
            Some(chapter) => chapter.add(&event),
            None => open(&mut history, &event),
        }
        // An error means that nobody listens. Sent under the lock, so that `of` sees each event exactly once.
        let _ = self.listeners.send(event);
    }

    fn history(&self) -> MutexGuard<'_, VecDeque<Chapter>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins a chapter; the oldest ended one makes room for it, or the oldest if none has ended.
fn open(history: &mut VecDeque<Chapter>, event: &Event) {
    if history.len() >= MESSAGES {
        let oldest = history.iter().position(|chapter| chapter.ended).unwrap_or(0);
        history.remove(oldest);
    }
    let mut chapter = Chapter { id: event.message_id, events: Vec::new(), bytes: 0, ended: false };
    chapter.add(event);
    history.push_back(chapter);
}
