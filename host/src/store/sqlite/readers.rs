//! Connections that read, handed out one to a call.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::error::STOPPED;
use super::open;
use crate::store::{Result, StoreError};

/// Connections kept open for the next call.
const IDLE: usize = 16;

/// Long reads at the same time.
const LONG_READS: usize = 4;

pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    long: Arc<Semaphore>,
}

impl Readers {
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::new(Vec::new()),
            long: Arc::new(Semaphore::new(LONG_READS)),
        }
    }

    /// Reads in one consistent view, on this thread: for what takes microseconds. There are never more
    /// connections than threads that read.
    pub fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = self.idle().pop();
        let mut connection = idle.map_or_else(|| open::open_reader(&self.path), Ok)?;
        let outcome = {
            let view = connection.transaction()?;
            work(&view)
        };
        let mut idle = self.idle();
        if idle.len() < IDLE {
            idle.push(connection);
        }
        outcome
    }

    /// As [`Self::read`], on a thread where reading may take its time.
    pub async fn read_long<T, W>(self: &Arc<Self>, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let stopped = || StoreError::Unavailable(STOPPED.to_owned());
        let permit = Arc::clone(&self.long).acquire_owned().await.map_err(|_| stopped())?;
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            readers.read(work)
        });
        reading.await.map_err(|error| StoreError::Unavailable(format!("a read broke off ({error})")))?
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
