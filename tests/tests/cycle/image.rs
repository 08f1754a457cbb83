//! A Living Image in memory: the store's contract and nothing else, with faults on demand.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use aura::object::{
    Account, Budget, Contents, Digest, Invocation, InvocationId, Json, Message, MessageId, Method,
    MethodName, Object, ObjectId, QuotaOverride, Rev, Timestamp,
};
use aura::store::{
    Accepted, Check, Commit, Entry, Imported, Install, InvocationFilter, Lease, LeaseId, MessageFilter,
    NewObject, Page, Resolution, Result, ServerName, Store, StoreError,
};
use serde_json::{Map, Value};
use tokio::sync::{Semaphore, mpsc};

use crate::scene::ROOM;

#[derive(Default)]
pub struct State {
    pub objects: BTreeMap<ObjectId, Object>,
    pub methods: BTreeMap<(ObjectId, MethodName), Vec<Method>>,
    pub messages: BTreeMap<MessageId, Message>,
    pub keys: HashMap<String, MessageId>,
    pub invocations: BTreeMap<InvocationId, Invocation>,
    pub contents: Contents,
    pub accounts: BTreeMap<ObjectId, Account>,
    /// The servers that hold a lease.
    pub leases: HashMap<String, LeaseId>,
    /// Who has to finish a message.
    pub servers: HashMap<MessageId, ServerName>,
    revisions: u64,
}

pub struct Image {
    state: Mutex<State>,
    /// Commits to be answered with a conflict before one is let through.
    pub conflicts: AtomicU32,
    /// Commits that are applied, but whose answer is lost.
    pub lost_answers: AtomicU32,
    /// Commits that were refused because it was not their turn.
    early: AtomicU32,
    /// Acceptances to be refused as unavailable.
    pub refusals: AtomicU32,
    /// Acceptances wait here.
    pub accepting: Semaphore,
}

impl Image {
    pub fn new() -> Self {
        Self {
            state: Mutex::default(),
            conflicts: AtomicU32::new(0),
            lost_answers: AtomicU32::new(0),
            early: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
            accepting: Semaphore::new(ROOM as usize),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn commits_refused(&self) -> u32 {
        self.early.load(Ordering::SeqCst)
    }

    pub fn add(&self, id: &str, attributes: &str, prototypes: &[&str]) {
        let id = ObjectId::parse(id).unwrap();
        let prototypes = prototypes.iter().map(|id| ObjectId::parse(id).unwrap()).collect();
        let attributes = Json::parse(attributes.to_owned()).unwrap();
        let mut state = self.state();
        let rev = state.next_rev();
        state.objects.insert(id.clone(), Object { id, rev, attributes, methods: Vec::new(), prototypes });
    }
}

fn due(counter: &AtomicU32) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl State {
    fn next_rev(&mut self) -> Rev {
        self.revisions += 1;
        Rev(self.revisions.to_string())
    }

    fn require(&self, lease: &Lease) -> Result<()> {
        let held = self.leases.get(lease.server.as_str()) == Some(&lease.id);
        if held { Ok(()) } else { Err(StoreError::Fenced) }
    }

    fn object(&self, id: &ObjectId) -> Result<&Object> {
        self.objects.get(id).ok_or_else(|| StoreError::ObjectNotFound(id.clone()))
    }

    /// The object and its prototypes, nearest first.
    fn lineage(&self, id: &ObjectId) -> Vec<&Object> {
        let (mut lineage, mut next) = (Vec::<&Object>::new(), 0);
        let mut queue = vec![id.clone()];
        while next < queue.len() {
            let object = &self.objects[&queue[next]];
            next += 1;
            if lineage.iter().all(|known| known.id != object.id) {
                lineage.push(object);
                queue.extend(object.prototypes.iter().cloned());
            }
        }
        lineage
    }

    fn install(&mut self, install: Install) -> Method {
        let rev = self.next_rev();
        let object = self.objects.get_mut(&install.object).unwrap();
        object.rev = rev;
        if !object.methods.contains(&install.name) {
            object.methods.push(install.name.clone());
            object.methods.sort();
        }
        let versions = self.methods.entry((install.object.clone(), install.name.clone())).or_default();
        let method = Method {
            object: install.object,
            name: install.name,
            version: u32::try_from(versions.len()).unwrap() + 1,
            source: install.source,
            quota: install.quota.or(versions.last().map(|last| last.quota)).unwrap_or_default(),
            provenance: install.provenance,
            installed_at: Timestamp::now(),
        };
        versions.push(method.clone());
        method
    }

    fn commit(&mut self, commit: Commit) -> Result<()> {
        let id = commit.message.message_id;
        if self.messages.get(&id).is_some_and(|message| message.status.is_final()) {
            return Err(StoreError::AlreadyFinished(id));
        }
        self.require(&commit.lease)?;
        let target = &commit.message.target_object_id;
        let mut before = self.messages.range(..id).map(|(_, message)| message);
        if let Some(earlier) =
            before.find(|message| message.target_object_id == *target && !message.status.is_final())
            && !commit.preconditions.is_empty()
        {
            return Err(StoreError::NotItsTurn(earlier.message_id));
        }
        for (object, rev) in &commit.preconditions {
            if self.object(object)?.rev != *rev {
                return Err(StoreError::Conflict(object.clone()));
            }
        }
        for (id, attributes) in commit.changes {
            assert!(commit.preconditions.iter().any(|(object, _)| *object == id));
            let rev = self.next_rev();
            let object = self.objects.get_mut(&id).unwrap();
            (object.attributes, object.rev) = (attributes, rev);
        }
        for install in commit.installs {
            self.install(install);
        }
        for invocation in commit.invocations {
            self.invocations.insert(invocation.invocation_id, invocation);
        }
        self.contents.extend(commit.contents);
        for (object, fuel) in commit.charges {
            let fresh = Account::fresh(Budget::default(), Timestamp::now());
            let account = self.accounts.entry(object).or_insert(fresh);
            *account = account.charged(fuel, Timestamp::now());
        }
        self.messages.insert(id, commit.message);
        Ok(())
    }
}

#[async_trait]
impl Store for Image {
    async fn genesis(&self) -> Result<Vec<ObjectId>> {
        Ok(Vec::new())
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    async fn examine(&self) -> Vec<Check> {
        Vec::new()
    }

    async fn create_object(&self, object: NewObject) -> Result<Object> {
        Err(StoreError::ObjectExists(object.id))
    }

    async fn object(&self, id: &ObjectId) -> Result<Object> {
        self.state().object(id).cloned()
    }

    async fn objects(&self, _after: Option<&ObjectId>, _limit: u32) -> Result<Page<Object>> {
        Ok(Page { items: self.state().objects.values().cloned().collect(), more: false })
    }

    async fn patch_attributes(&self, id: &ObjectId, patch: &Json, _if_match: Option<&Rev>) -> Result<Object> {
        let mut state = self.state();
        let rev = state.next_rev();
        let object = state.objects.get_mut(id).unwrap();
        let mut attributes: Map<String, Value> = serde_json::from_str(object.attributes.get()).unwrap();
        attributes.extend(serde_json::from_str::<Map<_, _>>(patch.get()).unwrap());
        (object.attributes, object.rev) = (Json::of(&attributes).unwrap(), rev);
        Ok(object.clone())
    }

    async fn set_prototypes(
        &self,
        id: &ObjectId,
        prototypes: &[ObjectId],
        _if_match: Option<&Rev>,
    ) -> Result<Object> {
        let mut state = self.state();
        let rev = state.next_rev();
        let object = state.objects.get_mut(id).unwrap();
        (object.prototypes, object.rev) = (prototypes.to_vec(), rev);
        Ok(object.clone())
    }

    async fn resolve(&self, receiver: &ObjectId, name: &MethodName) -> Result<Resolution> {
        let state = self.state();
        let receiver = state.object(receiver)?.clone();
        let mut inherited = Map::new();
        let (mut method, mut lineage) = (None, Vec::new());
        for object in state.lineage(&receiver.id) {
            let versions = state.methods.get(&(object.id.clone(), name.clone()));
            method = method.or_else(|| versions.and_then(|versions| versions.last()).cloned());
            if object.id != receiver.id {
                lineage.push((object.id.clone(), object.rev.clone()));
                let attributes: Map<String, Value> = serde_json::from_str(object.attributes.get()).unwrap();
                for (name, value) in attributes {
                    inherited.entry(name).or_insert(value);
                }
            }
        }
        let account = state.accounts.get(&receiver.id).copied();
        Ok(Resolution { receiver, lineage, inherited: Json::of(&inherited).unwrap(), method, account })
    }

    async fn methods(&self, id: &ObjectId, _inherited: bool) -> Result<Vec<Method>> {
        let state = self.state();
        let own = state.methods.iter().filter(|((object, _), _)| object == id);
        Ok(own.filter_map(|(_, versions)| versions.last().cloned()).collect())
    }

    async fn versions(&self, id: &ObjectId, name: &MethodName) -> Result<Vec<Method>> {
        let versions = self.state().methods.get(&(id.clone(), name.clone())).cloned().unwrap_or_default();
        Ok(versions.into_iter().rev().collect())
    }

    async fn version(&self, id: &ObjectId, name: &MethodName, version: u32) -> Result<Option<Method>> {
        let versions = self.versions(id, name).await?;
        Ok(versions.into_iter().find(|method| method.version == version))
    }

    async fn account(&self, id: &ObjectId) -> Result<Option<Account>> {
        Ok(self.state().accounts.get(id).copied())
    }

    async fn set_budget(&self, id: &ObjectId, budget: Budget) -> Result<Account> {
        let account = Account { budget, ..Account::fresh(budget, Timestamp::now()) };
        self.state().accounts.insert(id.clone(), account);
        Ok(account)
    }

    async fn install(&self, install: Install) -> Result<Method> {
        self.state().object(&install.object)?;
        Ok(self.state().install(install))
    }

    async fn set_quota(&self, id: &ObjectId, name: &MethodName, _quota: QuotaOverride) -> Result<Method> {
        Err(StoreError::MethodNotFound { object: id.clone(), name: name.clone() })
    }

    async fn join(&self, server: &ServerName, _time: Duration) -> Result<Lease> {
        let lease = Lease { server: server.clone(), id: LeaseId::fresh() };
        self.state().leases.insert(server.as_str().to_owned(), lease.id);
        Ok(lease)
    }

    async fn renew(&self, lease: &Lease, _time: Duration) -> Result<()> {
        self.state().require(lease)
    }

    async fn leave(&self, lease: &Lease) -> Result<()> {
        let mut state = self.state();
        if state.require(lease).is_ok() {
            state.leases.remove(lease.server.as_str());
        }
        Ok(())
    }

    /// From servers without a lease: here none runs out.
    async fn take_over(&self, lease: &Lease) -> Result<usize> {
        let mut state = self.state();
        state.require(lease)?;
        let State { messages, leases, servers, .. } = &mut *state;
        let mut taken = 0;
        for message in messages.values().filter(|message| !message.status.is_final()) {
            let server = servers.get(&message.message_id);
            if server.is_none_or(|server| !leases.contains_key(server.as_str())) {
                servers.insert(message.message_id, lease.server.clone());
                taken += 1;
            }
        }
        Ok(taken)
    }

    async fn note(&self, message: &Message, lease: &Lease) -> Result<()> {
        let mut state = self.state();
        state.require(lease)?;
        state.messages.insert(message.message_id, message.clone());
        Ok(())
    }

    async fn accept(&self, message: &Message, key: Option<&str>, lease: &Lease) -> Result<Accepted> {
        let _permit = self.accepting.acquire().await.unwrap();
        if due(&self.refusals) {
            return Err(StoreError::Unavailable("the disk is full".to_owned()));
        }
        let mut state = self.state();
        let known = key.and_then(|key| state.keys.get(key)).unwrap_or(&message.message_id);
        if let Some(earlier) = state.messages.get(known) {
            return Ok(Accepted::Before(earlier.clone()));
        }
        state.require(lease)?;
        state.servers.insert(message.message_id, lease.server.clone());
        if let Some(key) = key {
            state.keys.insert(key.to_owned(), message.message_id);
        }
        state.messages.insert(message.message_id, message.clone());
        Ok(Accepted::New)
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>> {
        Ok(self.state().messages.get(&id).cloned())
    }

    async fn messages(&self, _filter: &MessageFilter) -> Result<Page<Message>> {
        Ok(Page { items: self.state().messages.values().rev().cloned().collect(), more: false })
    }

    async fn unfinished(&self, server: &ServerName) -> Result<Vec<Message>> {
        let state = self.state();
        let unfinished = state.messages.values().filter(|message| !message.status.is_final());
        let own = |message: &&Message| state.servers.get(&message.message_id) == Some(server);
        Ok(unfinished.filter(own).cloned().collect())
    }

    async fn export(&self, _to: mpsc::Sender<Entry>) -> Result<()> {
        Ok(())
    }

    async fn import(&self, _from: mpsc::Receiver<Entry>) -> Result<Imported> {
        Err(StoreError::NotEmpty)
    }

    async fn commit(&self, commit: Commit) -> Result<()> {
        // As long as a disk may take: cycles overlap, so that conflicts are many.
        tokio::time::sleep(Duration::from_millis(1)).await;
        if let Some((object, _)) = commit.preconditions.first()
            && due(&self.conflicts)
        {
            return Err(StoreError::Conflict(object.clone()));
        }
        let outcome = self.state().commit(commit);
        if matches!(outcome, Err(StoreError::NotItsTurn(_))) {
            self.early.fetch_add(1, Ordering::SeqCst);
        }
        outcome?;
        if due(&self.lost_answers) {
            return Err(StoreError::Unavailable("the connection broke".to_owned()));
        }
        Ok(())
    }

    async fn invocation(&self, id: InvocationId) -> Result<Option<Invocation>> {
        Ok(self.state().invocations.get(&id).cloned())
    }
    async fn invocations(&self, filter: &InvocationFilter) -> Result<Page<Invocation>> {
        let state = self.state();
        let of_method = |run: &&Invocation| {
            let method = (run.source_object_id.clone(), run.method_name.clone());
            filter.method.as_ref().is_none_or(|wanted| *wanted == method)
        };
        Ok(Page { items: state.invocations.values().rev().filter(of_method).cloned().collect(), more: false })
    }

    async fn count_invocations(&self, filter: &InvocationFilter) -> Result<u64> {
        Ok(self.invocations(filter).await?.items.len() as u64)
    }

    async fn content(&self, digest: &Digest) -> Result<Option<Json>> {
        Ok(self.state().contents.get(digest).cloned())
    }
}
