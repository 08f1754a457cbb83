//! The records of messages in work, for those who wait for them, and of the last ones that ended, so that an
//! answer is not read back from the store that just wrote it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::object::{Message, MessageId, MessageStatus};

/// Ended messages kept, and the most text one of them may hold.
const RECENT: usize = 256;
const RECENT_BYTES: usize = 64 * 1024;

/// A message in work.
struct Open {
    message: watch::Sender<Message>,
    /// Whether it is in the store.
    written: bool,
    /// Whether it says there that it runs, and nothing died while it did.
    noted: bool,
    /// How often it was noted and then put aside.
    rounds: u32,
}

#[derive(Default)]
struct Shelves {
    open: HashMap<MessageId, Open>,
    recent: VecDeque<Message>,
    /// Whether a message was put aside that this server has to finish.
    left_lying: bool,
    /// Messages put aside that are noted as running although nothing died while they ran, and how often.
    spared: HashMap<MessageId, u32>,
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
        let message = watch::Sender::new(message.clone());
        shelves.open.insert(id, Open { message, written: false, noted: false, rounds: 0 });
        Some(Record { records: Arc::clone(self), id })
    }

    /// There may be a message to be finished that no task works on.
    pub fn leave_lying(&self) {
        self.lock().left_lying = true;
    }

    /// Whether there may be one; asking again, there is none.
    pub fn take_left_lying(&self) -> bool {
        std::mem::take(&mut self.lock().left_lying)
    }

    /// How often the message was put aside alive, if it was; asking again, it was not.
    pub fn take_spared(&self, id: MessageId) -> Option<u32> {
        self.lock().spared.remove(&id)
    }

    /// All messages that this process has noted as running, in work or put aside.
    pub fn noted(&self) -> HashSet<MessageId> {
        let shelves = self.lock();
        let open = shelves.open.iter().filter(|(_, open)| open.noted);
        open.map(|(id, _)| *id).chain(shelves.spared.keys().copied()).collect()
    }

    pub fn find(&self, id: MessageId) -> Option<Found> {
        let shelves = self.lock();
        if let Some(open) = shelves.open.get(&id) {
            return Some(Found::InWork(open.message.subscribe()));
        }
        let ended = shelves.recent.iter().rev().find(|message| message.message_id == id);
        ended.cloned().map(Box::new).map(Found::Ended)
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open record of a message in work. Dropping it closes it; a message that is written down and not ended is
/// then left lying.
pub(super) struct Record {
    records: Arc<Records>,
    id: MessageId,
}

impl Record {
    /// The message is in the store.
    pub fn written(&self) {
        self.change(|open| open.written = true);
    }

    pub fn running(&self) {
        self.change(|open| open.message.send_modify(|message| message.status = MessageStatus::Running));
    }

    /// The message runs, and the store says so.
    pub fn noted(&self, message: &Message) {
        self.change(|open| {
            open.noted = true;
            open.rounds += 1;
            open.message.send_replace(message.clone());
        });
    }

    /// The store says, or may say, that the message runs, although nothing died when it did, so many times.
    pub fn spare(&self, rounds: u32) {
        self.change(|open| {
            open.noted = true;
            open.rounds = rounds;
        });
    }

    fn change(&self, change: impl FnOnce(&mut Open)) {
        if let Some(open) = self.records.lock().open.get_mut(&self.id) {
            change(open);
        }
    }

    /// Hands the final record to those who wait. Whether another message was left lying.
    pub fn end(&self, message: Message) -> bool {
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
        if let Some(open) = shelves.open.remove(&self.id) {
            open.message.send_replace(message);
        }
        shelves.left_lying
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let mut shelves = self.records.lock();
        if let Some(open) = shelves.open.remove(&self.id)
            && open.written
        {
            shelves.left_lying = true;
            if open.noted {
                shelves.spared.insert(self.id, open.rounds);
            }
        }
    }
}
