//! The objects one attempt has touched, with their attributes as the attempt has changed them so far.

use std::collections::BTreeMap;

use crate::object::{Json, Object, ObjectId, Rev};

struct Working {
    read: Json,
    now: Json,
    /// Differs after every change: equal stamps mean equal attributes.
    stamp: u64,
}

/// What one change replaced.
struct Undo {
    object: ObjectId,
    attributes: Json,
    stamp: u64,
}

#[derive(Default)]
pub(super) struct WorkingSet {
    objects: BTreeMap<ObjectId, Working>,
    /// The revision at which each object was first read, also as a prototype only: what the commit is conditional
    /// on.
    revs: BTreeMap<ObjectId, Rev>,
    undo: Vec<Undo>,
    stamps: u64,
}

/// A point to return to.
#[derive(Clone, Copy)]
pub(super) struct Savepoint(usize);

impl WorkingSet {
    /// Takes an object and its prototypes in as the store has them. What is in already keeps what it was first
    /// read with: if it has moved on since, the commit will say so.
    pub fn read(&mut self, object: Object, lineage: Vec<(ObjectId, Rev)>) {
        for (id, rev) in lineage {
            self.revs.entry(id).or_insert(rev);
        }
        self.revs.entry(object.id.clone()).or_insert(object.rev);
        self.objects.entry(object.id).or_insert_with(|| Working {
            now: object.attributes.clone(),
            read: object.attributes,
            stamp: 0,
        });
    }

    /// Revision and present attributes.
    pub fn get(&self, id: &ObjectId) -> Option<(&Rev, &Json)> {
        Some((self.revs.get(id)?, &self.objects.get(id)?.now))
    }

    pub fn stamp(&self, id: &ObjectId) -> Option<u64> {
        self.objects.get(id).map(|working| working.stamp)
    }

    pub fn change(&mut self, id: &ObjectId, attributes: Json) {
        let Some(working) = self.objects.get_mut(id) else { return };
        if working.now == attributes {
            return;
        }
        self.stamps += 1;
        let attributes = std::mem::replace(&mut working.now, attributes);
        let stamp = std::mem::replace(&mut working.stamp, self.stamps);
        self.undo.push(Undo { object: id.clone(), attributes, stamp });
    }

    pub fn savepoint(&self) -> Savepoint {
        Savepoint(self.undo.len())
    }

    /// Takes back every change since `savepoint`. What was read stays read.
    pub fn roll_back(&mut self, savepoint: Savepoint) {
        while self.undo.len() > savepoint.0 {
            let Some(undo) = self.undo.pop() else { return };
            if let Some(working) = self.objects.get_mut(&undo.object) {
                working.now = undo.attributes;
                working.stamp = undo.stamp;
            }
        }
    }

    pub fn preconditions(&self) -> Vec<(ObjectId, Rev)> {
        self.revs.iter().map(|(id, rev)| (id.clone(), rev.clone())).collect()
    }

    /// The new attributes of the objects that differ from what was read.
    pub fn changes(&self) -> Vec<(ObjectId, Json)> {
        self.objects
            .iter()
            .filter(|(_, working)| working.now != working.read)
            .map(|(id, working)| (id.clone(), working.now.clone()))
            .collect()
    }
}
