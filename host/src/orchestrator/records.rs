//! The records of messages in work, for those who wait for them, and of the last ones that ended, so that an
//! answer is not read back from the store that just wrote it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::object::{Message, MessageId, MessageStatus};

/// Ended messages kept, and the most text one of them may hold.
const RECENT: usize = 256;
const RECENT_BYTES: usize = 64 * 1024;

#[derive(Default)]
struct Shelves {
    open: HashMap<MessageId, watch::Sender<Message>>,
    recent: VecDeque<Message>,
}

#[derive(Default)]
pub(super) struct Records(Mutex<Shelves>);

/// Where a message's record can be had.
pub(super) enum Found {
    InWork(watch::Receiver<Message>),
    Ended(Box<Message>),
}

impl Records {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Opens the record of a message; `None`: it is open already.
    pub fn open(self: &Arc<Self>, message: &Message) -> Option<Record> {
        let mut shelves = self.lock();
        let id = message.message_id;
        if shelves.open.contains_key(&id) {
            return None;
        }
        shelves.open.insert(id, watch::Sender::new(message.clone()));
        Some(Record { records: Arc::clone(self), id })
    }

    pub fn find(&self, id: MessageId) -> Option<Found> {
        let shelves = self.lock();
        if let Some(record) = shelves.open.get(&id) {
            return Some(Found::InWork(record.subscribe()));
        }
        let ended = shelves.recent.iter().rev().find(|message| message.message_id == id);
        ended.cloned().map(Box::new).map(Found::Ended)
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open record of a message in work. Dropping it closes it.
pub(super) struct Record {
    records: Arc<Records>,
    id: MessageId,
}

impl Record {
    pub fn running(&self) {
        if let Some(record) = self.records.lock().open.get(&self.id) {
            record.send_modify(|message| message.status = MessageStatus::Running);
        }
    }

    /// Hands the final record to those who wait.
    pub fn end(&self, message: Message) {
        let mut shelves = self.records.lock();
        let bytes = message.args.get().len()
            + message.kwargs.get().len()
            + message.result.get().len()
            + message.output.len();
        if bytes <= RECENT_BYTES && message.error.is_none() {
            if shelves.recent.len() >= RECENT {
                shelves.recent.pop_front();
            }
            shelves.recent.push_back(message.clone());
        }
        if let Some(record) = shelves.open.remove(&self.id) {
            record.send_replace(message);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.records.lock().open.remove(&self.id);
    }
}
