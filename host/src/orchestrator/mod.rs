//! The cognitive cycle: resolve, run, commit; or, when nobody understands, ask the mind, audit, validate by
//! running, and install in the same commit.
//!
//! The orchestrator knows the store, the sandbox and the mind by their traits only.
//!
//! | file | what it holds |
//! |---|---|
//! | `inbox` | accepting, waiting, recovery, shutdown: a message's way in and out |
//! | `cycle` | the loop of attempts that ends in one commit |
//! | `attempt`, `working_set` | one attempt: the runs and the image as they change it |
//! | `learning` | asking the mind for a method, and the audit of what it wrote |
//! | `by_hand` | methods that people install |
//! | `history`, `suggestion` | recorded runs: made again, and as a measure for quotas |
//! | `regenerate` | methods that the mind is asked to write anew |
//! | `monologue`, `narration` | what is said meanwhile |
//! | `lease` | this server's share of an image that several serve |
//! | `lanes`, `census`, `records` | who waits for what, how many there are, where the answers lie |

mod attempt;
mod by_hand;
mod census;
mod cycle;
mod fault;
mod history;
mod inbox;
mod lanes;
mod learning;
mod lease;
mod monologue;
mod narration;
mod records;
mod regenerate;
mod suggestion;
mod working_set;

pub use census::Load;
pub use monologue::Monologue;
pub use narration::last_event;
pub use regenerate::Regenerated;
pub use suggestion::{Bin, Spread, Suggestion};

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};

use attempt::Lesson;
use census::Census;
use lanes::Lanes;
use narration::Narrator;
use records::Records;
use regenerate::Workshop;

use crate::mind::Mind;
use crate::object::{MessageId, ObjectId, Quota};
use crate::sandbox::{Sandbox, Workers, parallel_runs};
use crate::store::{Lease, Store};

/// What the orchestrator is built from.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub sandbox: Arc<dyn Sandbox>,
    pub mind: Arc<dyn Mind>,
    pub workers: Workers,
    /// Limits of methods that set none of their own.
    pub quota: Quota,
    /// The fuel of an object's runs within an hour, where it has no budget of its own.
    pub fuel_per_hour: Option<u64>,
    /// How often the mind is asked for one method.
    pub attempts: u32,
    /// Messages in work or waiting before new ones are answered with `Busy`.
    pub queue: usize,
    /// This server's lease, and for how long it is renewed at a time.
    pub lease: Lease,
    pub lease_time: Duration,
    /// What ends within this time is written down once, as it ended, if its sender waits for the end.
    pub at_once: Duration,
}

pub struct Orchestrator {
    parts: Arc<Parts>,
    census: Arc<Census>,
    records: Arc<Records>,
    /// Messages to one object are worked on one after the other, in the order of their acceptance.
    inboxes: Arc<Lanes<ObjectId>>,
    /// Objects that cycles came into conflict over: those cycles take turns.
    contended: Arc<Lanes<ObjectId>>,
    lessons: Arc<Lanes<Lesson>>,
    /// Recorded runs that are made again at the same time: messages find a thread all the same.
    repeating: Semaphore,
    /// Messages that ran when a server died run alone.
    suspects: Arc<Lanes<()>>,
    lease: Mutex<Lease>,
    /// A new lease is wanted, and: there is no more need of one.
    wanted: Arc<Notify>,
    left: watch::Sender<bool>,
    monologue: Monologue,
    workshop: Workshop,
}

impl Orchestrator {
    pub fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            census: Census::new(parts.queue),
            lease: Mutex::new(parts.lease.clone()),
            wanted: Arc::default(),
            left: watch::Sender::new(false),
            parts: Arc::new(parts),
            records: Records::new(),
            inboxes: Lanes::new(),
            contended: Lanes::new(),
            lessons: Lanes::new(),
            repeating: Semaphore::new(parallel_runs() - 1),
            suspects: Lanes::new(),
            monologue: Monologue::new(),
            workshop: Workshop::new(),
        })
    }

    pub fn monologue(&self) -> &Monologue {
        &self.monologue
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.parts.store
    }

    pub fn sandbox(&self) -> &Arc<dyn Sandbox> {
        &self.parts.sandbox
    }

    pub fn mind(&self) -> &Arc<dyn Mind> {
        &self.parts.mind
    }

    /// Messages running and waiting now.
    pub fn load(&self) -> Load {
        self.census.load()
    }

    fn narrator(&self, message_id: MessageId) -> Narrator<'_> {
        Narrator { monologue: &self.monologue, message_id }
    }
}
