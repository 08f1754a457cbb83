//! Isolates made before their message arrives, and cleared away after it was answered.

use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use wasmtime::Store;

use super::bindings::{Python, PythonPre};
use super::isolate::{self, State};
use super::pages;

/// How long the thread waits for work before it looks whether the sandbox is still there.
const IDLE: Duration = Duration::from_millis(200);
/// Before an isolate that could not be made is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// A fresh instance of the guest.
pub struct Isolate {
    pub store: Store<State>,
    pub python: Python,
}

/// Keeps some isolates ready. A thread of its own makes them and throws the used ones away, so that neither
/// is in the way of a message; when it cannot keep up, the caller does the same work itself.
pub struct Ready {
    pre: PythonPre<State>,
    /// Pieces of memory that every run writes to.
    written: Vec<Range<u32>>,
    shelves: Mutex<Shelves>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct Shelves {
    fresh: Vec<Isolate>,
    used: Vec<Isolate>,
}

impl Ready {
    pub fn new(pre: PythonPre<State>, image: &Path, capacity: usize) -> wasmtime::Result<Self> {
        let mut ready =
            Self { pre, written: Vec::new(), shelves: Mutex::default(), changed: Condvar::new(), capacity };
        ready.written = ready.rehearse(image)?;
        Ok(ready)
    }

    /// Starts the thread.
    pub fn start(self) -> wasmtime::Result<Arc<Self>> {
        let ready = Arc::new(self);
        let weak = Arc::downgrade(&ready);
        thread::Builder::new().name("ready".to_owned()).spawn(move || keep(&weak))?;
        Ok(ready)
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A fresh isolate. Its successor is made when it is discarded, not now, while its message waits.
    pub fn take(&self) -> wasmtime::Result<Isolate> {
        let fresh = self.shelves().fresh.pop();
        match fresh {
            Some(isolate) => Ok(isolate),
            None => self.make(),
        }
    }

    /// Throws a used isolate away, soon.
    pub fn discard(&self, isolate: Isolate) {
        let mut shelves = self.shelves();
        // Beyond that the caller clears away itself, when this returns.
        let _rest = if shelves.used.len() < self.capacity {
            shelves.used.push(isolate);
            None
        } else {
            Some(isolate)
        };
        drop(shelves);
        self.changed.notify_one();
    }

    fn rehearse(&self, image: &Path) -> wasmtime::Result<Vec<Range<u32>>> {
        let Isolate { mut store, python } = self.make()?;
        python.aura_python_runner().call_rehearse(&mut store)?;
        Ok(pages::written(image).unwrap_or_else(|error| {
            tracing::warn!("runs will be slower: which memory they write to cannot be seen ({error})");
            Vec::new()
        }))
    }

    fn make(&self) -> wasmtime::Result<Isolate> {
        let mut store = Store::new(self.pre.engine(), State::bare());
        isolate::unlimited(&mut store)?;
        let python = self.pre.instantiate(&mut store)?;
        for piece in &self.written {
            python.aura_python_runner().call_touch(&mut store, piece.start, piece.end - piece.start, 0)?;
        }
        Ok(Isolate { store, python })
    }
}

/// The work of the thread: ends when the sandbox is gone.
fn keep(ready: &Weak<Ready>) {
    loop {
        let Some(ready) = ready.upgrade() else { return };
        let mut shelves = ready.shelves();
        let used = std::mem::take(&mut shelves.used);
        let missing = ready.capacity.saturating_sub(shelves.fresh.len());
        if used.is_empty() && missing == 0 {
            drop(ready.changed.wait_timeout(shelves, IDLE));
            continue;
        }
        drop(shelves);
        drop(used);
        if missing == 0 {
            continue;
        }
        match ready.make() {
            Ok(isolate) => ready.shelves().fresh.push(isolate),
            Err(error) => {
                tracing::error!("no isolate can be made ready: {error:#}");
                drop(ready);
                thread::sleep(PAUSE);
            }
        }
    }
}
