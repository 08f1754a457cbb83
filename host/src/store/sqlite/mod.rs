//! The Living Image in one `SQLite` file.
//!
//! One thread writes and joins what waits into one transaction ([`writer`]); reads run on connections of their
//! own, each in one consistent view ([`readers`]). The other files hold the SQL, one topic each, as functions
//! over a connection that is already inside a transaction.

mod accounts;
mod columns;
mod commit;
mod copy;
mod error;
mod examine;
mod invocations;
mod lease;
mod lineage;
mod messages;
mod methods;
mod objects;
mod open;
mod page;
mod readers;
mod transfer;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use self::readers::Readers;
use self::writer::Writer;
use super::attributes;
use super::{
    Accepted, Check, Commit, Entry, Imported, Install, InvocationFilter, Lease, MessageFilter, NewObject,
    Page, Resolution, Result, ServerName, Store,
};
use crate::object::{
    Account, Budget, Digest, Invocation, InvocationId, Json, Message, MessageId, Method, MethodName, Object,
    ObjectId, QuotaOverride, Rev,
};

/// The embedded store.
///
/// A call that is dropped before it answers may still take effect. Dropping the store waits for writes that
/// were begun.
pub struct SqliteStore {
    // Dropped first, so that the writer's connection is the last one and tidies up the journal.
    readers: Arc<Readers>,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the image at `path`; creates it, and its folder, where they are missing. Blocks.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = open::open(path)?;
        Ok(Self { readers: Arc::new(Readers::new(path)), writer: Writer::start(connection)? })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn genesis(&self) -> Result<Vec<ObjectId>> {
        self.writer.run(objects::genesis).await
    }

    async fn ping(&self) -> Result<()> {
        self.writer.check()?;
        self.readers.read(objects::ping)
    }

    async fn examine(&self) -> Vec<Check> {
        let looked = self.readers.read_long(|image| Ok(examine::all(image))).await;
        looked.unwrap_or_else(|error| vec![Check { what: "image".to_owned(), found: Err(error.to_string()) }])
    }

    async fn create_object(&self, object: NewObject) -> Result<Object> {
        self.writer.run(move |image| objects::create(image, &object)).await
    }

    async fn object(&self, id: &ObjectId) -> Result<Object> {
        self.readers.read(|image| objects::read(image, id))
    }

    async fn objects(&self, after: Option<&ObjectId>, limit: u32) -> Result<Page<Object>> {
        let after = after.cloned();
        self.readers.read_long(move |image| objects::list(image, after.as_ref(), limit)).await
    }

    async fn patch_attributes(&self, id: &ObjectId, patch: &Json, if_match: Option<&Rev>) -> Result<Object> {
        let (id, patch, if_match) = (id.clone(), patch.clone(), if_match.cloned());
        self.writer.run(move |image| objects::patch(image, &id, &patch, if_match.as_ref())).await
    }

    async fn set_prototypes(
        &self,
        id: &ObjectId,
        prototypes: &[ObjectId],
        if_match: Option<&Rev>,
    ) -> Result<Object> {
        let (id, prototypes, if_match) = (id.clone(), prototypes.to_vec(), if_match.cloned());
        self.writer
            .run(move |image| objects::set_prototypes(image, &id, &prototypes, if_match.as_ref()))
            .await
    }

    async fn resolve(&self, receiver: &ObjectId, name: &MethodName) -> Result<Resolution> {
        self.readers.read(|image| lineage::resolve(image, receiver, name))
    }

    async fn methods(&self, id: &ObjectId, inherited: bool) -> Result<Vec<Method>> {
        let id = id.clone();
        self.readers
            .read_long(
                move |image| {
                    if inherited { lineage::methods(image, &id) } else { methods::own(image, &id) }
                },
            )
            .await
    }

    async fn versions(&self, id: &ObjectId, name: &MethodName) -> Result<Vec<Method>> {
        let (id, name) = (id.clone(), name.clone());
        self.readers.read_long(move |image| methods::versions(image, &id, &name)).await
    }

    async fn version(&self, id: &ObjectId, name: &MethodName, version: u32) -> Result<Option<Method>> {
        self.readers.read(|image| methods::version(image, id, name, version))
    }

    async fn install(&self, install: Install) -> Result<Method> {
        self.writer.run(move |image| methods::install(image, install)).await
    }

    async fn set_quota(&self, id: &ObjectId, name: &MethodName, quota: QuotaOverride) -> Result<Method> {
        let (id, name) = (id.clone(), name.clone());
        self.writer.run(move |image| methods::set_quota(image, &id, &name, quota)).await
    }

    async fn account(&self, id: &ObjectId) -> Result<Option<Account>> {
        self.readers.read(|image| accounts::read(image, id))
    }

    async fn set_budget(&self, id: &ObjectId, budget: Budget) -> Result<Account> {
        let id = id.clone();
        self.writer.run(move |image| accounts::set_budget(image, &id, budget)).await
    }

    async fn join(&self, server: &ServerName, time: Duration) -> Result<Lease> {
        let server = server.clone();
        self.writer.run(move |image| lease::join(image, &server, time)).await
    }

    async fn renew(&self, lease: &Lease, time: Duration) -> Result<()> {
        let lease = lease.clone();
        let others = self.writer.run(move |image| lease::renew(image, &lease, time)).await?;
        self.writer.share(others);
        Ok(())
    }

    async fn leave(&self, lease: &Lease) -> Result<()> {
        let lease = lease.clone();
        self.writer.run(move |image| lease::leave(image, &lease)).await
    }

    async fn take_over(&self, lease: &Lease) -> Result<usize> {
        let lease = lease.clone();
        self.writer.run(move |image| lease::take_over(image, &lease)).await
    }

    async fn accept(
        &self,
        message: &Message,
        idempotency_key: Option<&str>,
        lease: &Lease,
    ) -> Result<Accepted> {
        let (message, key) = (message.clone(), idempotency_key.map(str::to_owned));
        let lease = lease.clone();
        self.writer.run(move |image| messages::accept(image, &message, key.as_deref(), &lease)).await
    }

    async fn note(&self, message: &Message, lease: &Lease) -> Result<()> {
        let (message, lease) = (message.clone(), lease.clone());
        self.writer.run(move |image| messages::note(image, &message, &lease)).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>> {
        self.readers.read(|image| messages::read(image, id))
    }

    async fn messages(&self, filter: &MessageFilter) -> Result<Page<Message>> {
        let filter = filter.clone();
        self.readers.read_long(move |image| messages::list(image, &filter)).await
    }

    async fn unfinished(&self, server: &ServerName) -> Result<Vec<Message>> {
        let server = server.clone();
        self.readers.read_long(move |image| messages::unfinished(image, &server)).await
    }

    async fn commit(&self, commit: Commit) -> Result<()> {
        self.writer.run(move |image| commit::apply(image, commit)).await
    }

    async fn invocation(&self, id: InvocationId) -> Result<Option<Invocation>> {
        self.readers.read(|image| invocations::read(image, id))
    }

    async fn invocations(&self, filter: &InvocationFilter) -> Result<Page<Invocation>> {
        let filter = filter.clone();
        self.readers.read_long(move |image| invocations::list(image, &filter)).await
    }

    async fn count_invocations(&self, filter: &InvocationFilter) -> Result<u64> {
        let filter = filter.clone();
        self.readers.read_long(move |image| invocations::count(image, &filter)).await
    }

    async fn content(&self, digest: &Digest) -> Result<Option<Json>> {
        self.readers.read(|image| invocations::content(image, digest))
    }

    async fn export(&self, to: mpsc::Sender<Entry>) -> Result<()> {
        self.readers.read_long(move |image| transfer::export(image, &to)).await
    }

    /// Other writes wait meanwhile.
    async fn import(&self, mut from: mpsc::Receiver<Entry>) -> Result<Imported> {
        self.writer.run(move |image| transfer::import(image, &mut from)).await
    }
}
