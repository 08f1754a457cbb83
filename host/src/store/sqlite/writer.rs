//! The one thread that writes.
//!
//! Group commit: the jobs that wait run one after the other in one transaction, each in a savepoint of its own,
//! and are answered when that one transaction is on disk. A job that fails undoes its own savepoint only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::error::{STOPPED, explain};
use crate::store::{Result, StoreError};

/// Jobs that share one transaction at most.
const BATCH: usize = 256;

/// Between two transactions of an image that others write to as well: longer than they wait to look again.
const GAP: Duration = Duration::from_micros(1_500);

/// Jobs that wait before callers do.
const WAITING: usize = 1_024;

const UNDONE: &str =
    "the database undid the transaction, as it does on a full disk; free some space and try again";

pub(super) struct Writer {
    /// `None` only while dropping.
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<AtomicBool>,
}

impl Writer {
    pub fn start(mut connection: Connection) -> Result<Self> {
        let (jobs, mut waiting) = mpsc::channel(WAITING);
        let shared = Arc::new(AtomicBool::new(false));
        let is_shared = Arc::clone(&shared);
        let thread = Builder::new()
            .name("image-writer".to_owned())
            .spawn(move || {
                while let Some(batch) = next_batch(&mut waiting) {
                    write(&mut connection, batch);
                    if is_shared.load(Ordering::Relaxed) {
                        thread::sleep(GAP);
                    }
                }
            })
            .map_err(|error| StoreError::Unavailable(format!("its writing thread cannot start ({error})")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), shared })
    }

    /// Whether other processes write to the image. `SQLite` knows no queue: without a gap between two
    /// transactions, whoever writes much keeps all others out.
    pub fn share(&self, shared: bool) {
        self.shared.store(shared, Ordering::Relaxed);
    }

    /// Runs `work` in a transaction; what it did is on disk when this answers `Ok`, and undone when it failed.
    pub async fn run<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let task = Task { work: Some(work), outcome: None, reply };
        if let Some(jobs) = &self.jobs
            && jobs.send(Box::new(task)).await.is_ok()
            && let Ok(outcome) = answer.await
        {
            return outcome;
        }
        Err(StoreError::Unavailable(STOPPED.to_owned()))
    }

    /// Whether the thread is there to take jobs.
    pub fn check(&self) -> Result<()> {
        match &self.jobs {
            Some(jobs) if !jobs.is_closed() => Ok(()),
            _ => Err(StoreError::Unavailable(STOPPED.to_owned())),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It ends when the channel is closed and empty; had it panicked, there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

trait Job: Send {
    /// Does the work; false when it failed and is to be undone.
    fn run(&mut self, image: &Connection) -> bool;
    /// Tells the caller. `failure` is why the transaction failed, if it did.
    fn answer(self: Box<Self>, failure: Option<&str>);
}

struct Task<T, W> {
    work: Option<W>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, W> Job for Task<T, W>
where
    T: Send,
    W: FnOnce(&Connection) -> Result<T> + Send,
{
    fn run(&mut self, image: &Connection) -> bool {
        self.outcome = self.work.take().map(|work| work(image));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, failure: Option<&str>) {
        let outcome = match (failure, self.outcome) {
            (None, Some(outcome)) => outcome,
            (failure, _) => Err(StoreError::Unavailable(failure.unwrap_or(UNDONE).to_owned())),
        };
        // Nobody listens when the caller gave up; the work is done all the same.
        let _ = self.reply.send(outcome);
    }
}

/// What waits now; waits for the first job if there is none. `None`: the store is being dropped.
fn next_batch(waiting: &mut mpsc::Receiver<Box<dyn Job>>) -> Option<Vec<Box<dyn Job>>> {
    let mut batch = Vec::with_capacity(BATCH);
    (waiting.blocking_recv_many(&mut batch, BATCH) > 0).then_some(batch)
}

fn write(connection: &mut Connection, mut batch: Vec<Box<dyn Job>>) {
    let begun = Instant::now();
    let failure = match transact(connection, &mut batch) {
        Ok(true) => None,
        Ok(false) => Some(UNDONE.to_owned()),
        Err(error) => Some(explain(&error)),
    };
    metrics::counter!("aura_store_transactions_total").increment(1);
    metrics::counter!("aura_store_writes_total").increment(batch.len() as u64);
    metrics::histogram!("aura_store_transaction_seconds").record(begun.elapsed());
    for job in batch {
        job.answer(failure.as_deref());
    }
}

/// False when the database undid everything on its own.
fn transact(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<bool> {
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in batch {
        let savepoint = transaction.savepoint()?;
        let keep = job.run(&savepoint);
        if savepoint.is_autocommit() {
            return Ok(false);
        }
        if keep {
            savepoint.commit()?;
        } else {
            savepoint.finish()?;
        }
    }
    transaction.commit()?;
    Ok(true)
}
