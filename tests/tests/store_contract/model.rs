//! The store as it would be if it were small, slow and never restarted.

use std::collections::BTreeMap;

use aura::object::{Message, QuotaOverride};
use aura::store::StoreError;

use crate::values::{completed, id, name};

pub type Key = &'static str;

/// Names with the text of their values, in order.
pub type Members = Vec<(&'static str, &'static str)>;

pub fn text(members: &Members) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}", members.join(","))
}

#[derive(Default)]
pub struct Model {
    pub objects: BTreeMap<Key, ModelObject>,
    /// In the order of acceptance.
    pub messages: Vec<Message>,
    pub idempotency_keys: BTreeMap<Key, usize>,
}

#[derive(Default)]
pub struct ModelObject {
    pub attributes: Members,
    pub prototypes: Vec<Key>,
    /// Of each method all versions, the first one first.
    pub methods: BTreeMap<Key, Vec<(String, QuotaOverride)>>,
    /// How often it changed.
    pub changes: u32,
}

/// What a cycle changes besides its message.
#[derive(Clone, Debug)]
pub struct Cycle {
    pub change: Option<(Key, Members)>,
    pub install: Option<(Key, Key)>,
    /// Whether the revisions it was computed from are past.
    pub stale: bool,
    /// Whether its server's lease has ended.
    pub fenced: bool,
}

impl Cycle {
    pub fn touched(&self) -> impl Iterator<Item = Key> {
        self.change.iter().map(|(key, _)| *key).chain(self.install.iter().map(|(key, _)| *key))
    }
}

type Result = std::result::Result<(), StoreError>;

impl Model {
    pub fn create(&mut self, key: Key, attributes: &Members, prototypes: &[Key]) -> Result {
        if let Some(missing) = prototypes.iter().find(|key| !self.objects.contains_key(*key)) {
            return Err(StoreError::ObjectNotFound(id(missing)));
        }
        if self.objects.contains_key(key) {
            return Err(StoreError::ObjectExists(id(key)));
        }
        let object = ModelObject {
            attributes: attributes.clone(),
            prototypes: prototypes.to_vec(),
            ..ModelObject::default()
        };
        self.objects.insert(key, object);
        Ok(())
    }

    pub fn patch(&mut self, key: Key, members: &Members, stale: bool) -> Result {
        let object = self.object(key)?;
        if stale {
            return Err(StoreError::Conflict(id(key)));
        }
        for (name, value) in members {
            match object.attributes.iter_mut().find(|(present, _)| present == name) {
                Some(member) => member.1 = value,
                None => object.attributes.push((name, value)),
            }
        }
        object.changes += 1;
        Ok(())
    }

    pub fn link(&mut self, key: Key, prototypes: &[Key], stale: bool) -> Result {
        self.object(key)?;
        if stale {
            return Err(StoreError::Conflict(id(key)));
        }
        for prototype in prototypes {
            self.object(prototype)?;
        }
        let object = self.object(key)?;
        object.prototypes = prototypes.to_vec();
        object.changes += 1;
        Ok(())
    }

    pub fn rollback(&mut self, key: Key, method: Key, version: usize) -> Result {
        let (source, quota) = self.object(key)?.methods[method][version - 1].clone();
        self.install(key, method, &source, Some(quota))
    }

    pub fn install(&mut self, key: Key, method: Key, source: &str, quota: Option<QuotaOverride>) -> Result {
        let object = self.object(key)?;
        let versions = object.methods.entry(method).or_default();
        let kept = versions.last().map(|(_, quota)| *quota).unwrap_or_default();
        versions.push((source.to_owned(), quota.unwrap_or(kept)));
        object.changes += 1;
        Ok(())
    }

    pub fn set_quota(&mut self, key: Key, method: Key, quota: QuotaOverride) -> Result {
        let object = self.object(key)?;
        let Some(version) = object.methods.get_mut(method).and_then(|versions| versions.last_mut()) else {
            return Err(StoreError::MethodNotFound { object: id(key), name: name(method) });
        };
        version.1 = quota;
        object.changes += 1;
        Ok(())
    }

    /// The message that was taken in before under this key, if one was.
    pub fn accept(&mut self, message: &Message, idempotency_key: Option<Key>) -> Option<Message> {
        if let Some(before) = idempotency_key.and_then(|key| self.idempotency_keys.get(key)) {
            return Some(self.messages[*before].clone());
        }
        if let Some(key) = idempotency_key {
            self.idempotency_keys.insert(key, self.messages.len());
        }
        self.messages.push(message.clone());
        None
    }

    pub fn commit(&mut self, message: &Message, cycle: &Cycle, source: &str) -> Result {
        let accepted = self.messages.iter().position(|known| known.message_id == message.message_id);
        if accepted.is_some_and(|known| self.messages[known].status.is_final()) {
            return Err(StoreError::AlreadyFinished(message.message_id));
        }
        if cycle.fenced {
            return Err(StoreError::Fenced);
        }
        let earlier = self.messages.iter().find(|other| {
            other.message_id < message.message_id
                && other.target_object_id == message.target_object_id
                && !other.status.is_final()
        });
        if let Some(earlier) = earlier.filter(|_| cycle.touched().next().is_some()) {
            return Err(StoreError::NotItsTurn(earlier.message_id));
        }
        for key in cycle.touched() {
            self.object(key)?;
            if cycle.stale {
                return Err(StoreError::Conflict(id(key)));
            }
        }
        if let Some((key, members)) = &cycle.change {
            let object = self.object(key)?;
            object.attributes.clone_from(members);
            object.changes += 1;
        }
        if let Some((key, method)) = cycle.install {
            self.install(key, method, source, None)?;
        }
        match accepted {
            Some(known) => self.messages[known] = completed(message),
            None => self.messages.push(completed(message)),
        }
        Ok(())
    }

    /// The object and its prototypes, nearest first.
    pub fn lineage(&self, key: Key) -> Vec<Key> {
        let mut found = vec![key];
        let mut next = 0;
        while let Some(object) = found.get(next) {
            for prototype in &self.objects[object].prototypes {
                if !found.contains(prototype) {
                    found.push(prototype);
                }
            }
            next += 1;
        }
        found
    }

    /// What the object inherits.
    pub fn inherited(&self, key: Key) -> Members {
        let mut all = Members::new();
        for (name, value) in self.lineage(key)[1..].iter().flat_map(|key| &self.objects[key].attributes) {
            if !all.iter().any(|(nearer, _)| nearer == name) {
                all.push((name, value));
            }
        }
        all
    }

    fn object(&mut self, key: Key) -> std::result::Result<&mut ModelObject, StoreError> {
        self.objects.get_mut(key).ok_or_else(|| StoreError::ObjectNotFound(id(key)))
    }
}
