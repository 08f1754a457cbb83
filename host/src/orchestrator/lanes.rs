//! Lanes: who wants the same thing waits in line.
//!
//! Four things are waited for: an object's inbox, in the order of the messages' ids; and, first come, first
//! served, an object that several cycles changed at once, a lesson that another cycle learns already, and
//! running alone. A lane exists while somebody is in it.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Who waits, by place. Whoever has the turn is not in the line.
type Line = BTreeMap<u128, oneshot::Sender<()>>;

pub(super) struct Lanes<K>(Mutex<HashMap<K, Line>>);

impl<K: Eq + Hash + Clone> Lanes<K> {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::default()))
    }

    /// A place at the end of the lane of `key`.
    pub fn enter(self: &Arc<Self>, key: &K) -> Turn<K> {
        let mut lanes = self.lock();
        let last = lanes.get(key).and_then(|line| line.last_key_value()).map_or(0, |(last, _)| *last);
        self.stand(&mut lanes, key, last + 1)
    }

    /// The place that `make` says, with what it made: no other place in any lane is given out meanwhile.
    pub fn enter_with<T>(self: &Arc<Self>, key: &K, make: impl FnOnce() -> (u128, T)) -> (Turn<K>, T) {
        let mut lanes = self.lock();
        let (order, result) = make();
        (self.stand(&mut lanes, key, order), result)
    }

    fn stand(self: &Arc<Self>, lanes: &mut HashMap<K, Line>, key: &K, order: u128) -> Turn<K> {
        let place = if let Some(line) = lanes.get_mut(key) {
            let (call, place) = oneshot::channel();
            line.insert(order, call);
            Some(place)
        } else {
            lanes.insert(key.clone(), Line::new());
            None
        };
        Turn { lanes: Arc::clone(self), key: key.clone(), order, place }
    }

    /// Whether somebody is in the lane of `key`.
    pub fn is_taken(&self, key: &K) -> bool {
        self.lock().contains_key(key)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the turn to the first who still waits; false if nobody does.
fn call_next(line: &mut Line) -> bool {
    while let Some((_, next)) = line.pop_first() {
        if next.send(()).is_ok() {
            return true;
        }
    }
    false
}

/// A place in a lane. Dropping it lets the next one go on, whether the turn had come or not.
pub(super) struct Turn<K: Eq + Hash + Clone> {
    lanes: Arc<Lanes<K>>,
    key: K,
    order: u128,
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

    /// Lets those go first whose place is before this one's, if they came later.
    pub async fn give_way(&mut self) {
        if let Some(line) = self.lanes.lock().get_mut(&self.key)
            && line.first_key_value().is_some_and(|(first, _)| *first < self.order)
        {
            let (call, place) = oneshot::channel();
            line.insert(self.order, call);
            self.place = Some(place);
            call_next(line);
        }
        self.come().await;
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
        if !lanes.get_mut(&self.key).is_some_and(call_next) {
            lanes.remove(&self.key);
        }
    }
}
