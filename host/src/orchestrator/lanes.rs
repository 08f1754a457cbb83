//! Lanes: who wants the same thing waits in line, first come, first served.
//!
//! Three things are waited for: an object's inbox, an object that several cycles changed at once, and a lesson
//! that another cycle learns already. A lane exists while somebody is in it.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Who waits, first in line first. Whoever has the turn is not in the queue.
type Line = VecDeque<oneshot::Sender<()>>;

pub(super) struct Lanes<K>(Mutex<HashMap<K, Line>>);

impl<K: Eq + Hash + Clone> Lanes<K> {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// A place in the lane of `key`. The order of these calls is the order of the turns.
    pub fn enter(self: &Arc<Self>, key: &K) -> Turn<K> {
        self.enter_with(key, || ()).0
    }

    /// Enters and calls `make` in one step: no other place in any lane is given out between the two.
    pub fn enter_with<T>(self: &Arc<Self>, key: &K, make: impl FnOnce() -> T) -> (Turn<K>, T) {
        let mut lanes = self.lock();
        let place = if let Some(line) = lanes.get_mut(key) {
            let (call, place) = oneshot::channel();
            line.push_back(call);
            Some(place)
        } else {
            lanes.insert(key.clone(), Line::new());
            None
        };
        let result = make();
        (Turn { lanes: Arc::clone(self), key: key.clone(), place }, result)
    }

    /// Whether somebody is in the lane of `key`.
    pub fn is_taken(&self, key: &K) -> bool {
        self.lock().contains_key(key)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a lane. Dropping it lets the next one go on, whether the turn had come or not.
pub(super) struct Turn<K: Eq + Hash + Clone> {
    lanes: Arc<Lanes<K>>,
    key: K,
    /// Where the call comes; `None` once the turn has come.
    place: Option<oneshot::Receiver<()>>,
}

impl<K: Eq + Hash + Clone> Turn<K> {
    pub fn has_come(&self) -> bool {
        self.place.is_none()
    }

    /// Waits until it is this one's turn.
    pub async fn come(&mut self) {
        if let Some(place) = &mut self.place {
            // Calls are dropped unsent by nobody but the lane itself, which this turn keeps alive.
            let _ = place.await;
            self.place = None;
        }
    }
}

impl<K: Eq + Hash + Clone> Drop for Turn<K> {
    fn drop(&mut self) {
        let mut lanes = self.lanes.lock();
        if let Some(place) = &mut self.place {
            // After `close` no call can arrive, so what `try_recv` says is final.
            place.close();
            if place.try_recv().is_err() {
                return;
            }
        }
        if let Some(line) = lanes.get_mut(&self.key) {
            while let Some(next) = line.pop_front() {
                if next.send(()).is_ok() {
                    return;
                }
            }
        }
        lanes.remove(&self.key);
    }
}
