//! How many messages are inside, how many may be, and whether more are let in.

use std::sync::Arc;

use tokio::sync::watch;

use crate::object::{Fault, Kind};

/// The most bytes of arguments that messages in work or waiting may have together.
const MAX_BYTES: usize = 256 << 20;

/// Messages running and waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub running: usize,
    pub queued: usize,
    pub capacity: usize,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    running: usize,
    queued: usize,
    bytes: usize,
    closed: bool,
}

pub(super) struct Census {
    tally: watch::Sender<Tally>,
    capacity: usize,
}

impl Census {
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { tally: watch::Sender::new(Tally::default()), capacity })
    }

    pub fn load(&self) -> Load {
        let tally = *self.tally.borrow();
        Load { running: tally.running, queued: tally.queued, capacity: self.capacity }
    }

    /// A place for one more message with so many bytes of arguments, if there is one.
    pub fn admit(self: &Arc<Self>, bytes: usize) -> Result<Place, Fault> {
        let mut refusal = None;
        self.change(|tally| {
            if tally.closed {
                refusal = Some("this server is shutting down: send the message again later".to_owned());
            } else if tally.running + tally.queued >= self.capacity {
                let capacity = self.capacity;
                refusal = Some(format!("{capacity} messages are in work or waiting: send it again later"));
            } else if tally.bytes + bytes > MAX_BYTES {
                let megabytes = MAX_BYTES >> 20;
                refusal = Some(format!(
                    "the arguments of the messages in work or waiting fill {megabytes} MiB: send it again later"
                ));
            } else {
                tally.queued += 1;
                tally.bytes += bytes;
            }
        });
        match refusal {
            Some(message) => Err(Fault::new(Kind::Busy, message)),
            None => Ok(Place { census: Arc::clone(self), running: false, bytes }),
        }
    }

    /// Whether the arguments of what is inside leave room for more.
    pub fn has_room(&self) -> bool {
        self.tally.borrow().bytes < MAX_BYTES
    }

    /// A place for a message that was let in by an earlier process or another server.
    pub fn readmit(self: &Arc<Self>, bytes: usize) -> Place {
        self.change(|tally| {
            tally.queued += 1;
            tally.bytes += bytes;
        });
        Place { census: Arc::clone(self), running: false, bytes }
    }

    pub fn is_closed(&self) -> bool {
        self.tally.borrow().closed
    }

    /// Lets no message in and none start; returns when all have left.
    pub async fn close(&self) {
        self.change(|tally| tally.closed = true);
        let mut tally = self.tally.subscribe();
        // Cannot fail: `self` holds the sender.
        let _ = tally.wait_for(|tally| tally.running + tally.queued == 0).await;
    }

    fn change(&self, change: impl FnOnce(&mut Tally)) {
        self.tally.send_modify(change);
    }
}

/// One message's place; dropping it makes room.
pub(super) struct Place {
    census: Arc<Census>,
    running: bool,
    bytes: usize,
}

impl Place {
    /// From waiting to running; `false` when nothing may start any more.
    pub fn start(&mut self) -> bool {
        self.census.change(|tally| {
            if !tally.closed {
                tally.queued -= 1;
                tally.running += 1;
                self.running = true;
            }
        });
        self.running
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (running, bytes) = (self.running, self.bytes);
        self.census.change(|tally| {
            tally.bytes -= bytes;
            let count = if running { &mut tally.running } else { &mut tally.queued };
            *count -= 1;
        });
    }
}
