//! The Living Image in one `SQLite` file.
//!
//! One thread writes and joins what waits into one transaction ([`writer`]); reads run on connections of their
//! own, each in one consistent view ([`readers`]). The other files hold the SQL, one topic each, as functions
//! over a connection that is already inside a transaction.

mod attributes;
mod columns;
mod commit;
mod error;
mod lineage;
mod messages;
mod methods;
mod objects;
mod open;
mod page;
mod readers;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use self::readers::Readers;
use self::writer::Writer;
use super::{Accepted, Commit, Install, MessageFilter, NewObject, Page, Resolution, Result, Store};
use crate::object::{
    Invocation, InvocationId, Json, Message, MessageId, Method, MethodName, Object, ObjectId, QuotaOverride,
    Rev,
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

    async fn install(&self, install: Install) -> Result<Method> {
        self.writer.run(move |image| methods::install(image, install)).await
    }

    async fn set_quota(&self, id: &ObjectId, name: &MethodName, quota: QuotaOverride) -> Result<Method> {
        let (id, name) = (id.clone(), name.clone());
        self.writer.run(move |image| methods::set_quota(image, &id, &name, quota)).await
    }

    async fn accept(&self, message: &Message, idempotency_key: Option<&str>) -> Result<Accepted> {
        let (message, key) = (message.clone(), idempotency_key.map(str::to_owned));
        self.writer.run(move |image| messages::accept(image, &message, key.as_deref())).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>> {
        self.readers.read(|image| messages::read(image, id))
    }

    async fn messages(&self, filter: &MessageFilter) -> Result<Page<Message>> {
        let filter = filter.clone();
        self.readers.read_long(move |image| messages::list(image, &filter)).await
    }

    async fn unfinished(&self) -> Result<Vec<Message>> {
        self.readers.read_long(messages::unfinished).await
    }

    async fn commit(&self, commit: Commit) -> Result<()> {
        self.writer.run(move |image| commit::apply(image, commit)).await
    }

    async fn invocation(&self, id: InvocationId) -> Result<Option<Invocation>> {
        self.readers.read(|image| commit::invocation(image, id))
    }
}
