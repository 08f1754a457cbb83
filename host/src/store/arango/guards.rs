//! The documents in which those who read something meet those who change it: a lock for many readers.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use crate::object::{Digest, ObjectId};
use crate::store::ServerName;

/// Guards of one object. Whoever changes it writes all of them, so there are few.
const OF_OBJECT: usize = 8;

/// Guards of one server. Every message it works on writes one, and only the end of a lease writes all.
const OF_SERVER: usize = 64;

/// Those who read take turns, so that they seldom meet each other.
static OBJECT_TURN: AtomicUsize = AtomicUsize::new(0);
static SERVER_TURN: AtomicUsize = AtomicUsize::new(0);

#[derive(Serialize)]
struct Guard {
    #[serde(rename = "_key")]
    key: String,
}

/// The guards that one transaction writes.
#[derive(Default)]
pub(super) struct Guards(Vec<Guard>);

impl Guards {
    pub fn reads_object(&mut self, id: &ObjectId) -> &mut Self {
        self.one("object", id.key(), OBJECT_TURN.fetch_add(1, Ordering::Relaxed) % OF_OBJECT)
    }

    pub fn changes_object(&mut self, id: &ObjectId) -> &mut Self {
        self.all("object", id.key(), OF_OBJECT)
    }

    pub fn reads_server(&mut self, server: &ServerName) -> &mut Self {
        self.one("server", server.as_str(), SERVER_TURN.fetch_add(1, Ordering::Relaxed) % OF_SERVER)
    }

    pub fn changes_server(&mut self, server: &ServerName) -> &mut Self {
        self.all("server", server.as_str(), OF_SERVER)
    }

    /// In an order that is the same for everybody, so that nobody waits for each other in a circle.
    pub fn documents(&mut self) -> &[impl Serialize + use<>] {
        self.0.sort_by(|one, other| one.key.cmp(&other.key));
        self.0.dedup_by(|one, other| one.key == other.key);
        &self.0
    }

    fn one(&mut self, kind: &str, name: &str, turn: usize) -> &mut Self {
        self.0.push(guard(kind, &digest(name), turn));
        self
    }

    fn all(&mut self, kind: &str, name: &str, guards: usize) -> &mut Self {
        let digest = digest(name);
        self.0.extend((0..guards).map(|turn| guard(kind, &digest, turn)));
        self
    }
}

/// Names are too long for a key with more in it.
fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn guard(kind: &str, digest: &Digest, turn: usize) -> Guard {
    Guard { key: format!("{kind}-{digest}-{turn}") }
}
