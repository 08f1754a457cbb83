//! The Living Image: where objects, methods, messages and invocations live.
//!
//! [`Store`] is what the rest of the system knows; each implementation has a folder of its own. A store keeps
//! what it is given and decides conflicts by revision; it knows nothing of Python, the mind or HTTP.

pub mod sqlite;

use async_trait::async_trait;
use thiserror::Error;

use crate::object::{
    Invocation, InvocationId, Json, Message, MessageId, MessageStatus, Method, MethodName, Object, ObjectId,
    Provenance, QuotaOverride, Rev, Source,
};

/// The most prototypes one object may have.
pub const MAX_PROTOTYPES: usize = 100;

/// The most objects that are searched for a method: the receiver and its prototypes, breadth-first.
pub const MAX_LINEAGE: u32 = 1_000;

/// The most objects or messages of one page, whatever limit is asked for, and the text they may hold together: a
/// page ends early behind what goes beyond.
pub const MAX_PAGE: u32 = 1_000;
pub const MAX_PAGE_BYTES: usize = 16 << 20;

#[derive(Debug, Error)]
pub enum StoreError {
    #[error("object '{0}' does not exist")]
    ObjectNotFound(ObjectId),
    #[error("object '{0}' exists already")]
    ObjectExists(ObjectId),
    #[error("object '{object}' has no method '{name}' of its own")]
    MethodNotFound { object: ObjectId, name: MethodName },
    #[error("method '{name}' of '{object}' has no version {version}")]
    VersionNotFound { object: ObjectId, name: MethodName, version: u32 },
    #[error("object '{0}' was changed by another message in the meantime")]
    Conflict(ObjectId),
    #[error("message '{0}' is finished already; nothing was applied a second time")]
    AlreadyFinished(MessageId),
    #[error("object '{object}' would have {count} prototypes; at most {MAX_PROTOTYPES} are allowed")]
    TooManyPrototypes { object: ObjectId, count: usize },
    /// The text names the cure where there is one.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// An object to be created.
#[derive(Clone, Debug)]
pub struct NewObject {
    pub id: ObjectId,
    /// A JSON object.
    pub attributes: Json,
    /// Searched in this order; all of them must exist.
    pub prototypes: Vec<ObjectId>,
}

/// What a run needs to know of its receiver, read in one consistent view.
#[derive(Clone, Debug)]
pub struct Resolution {
    pub receiver: Object,
    /// The attributes of all prototypes in one JSON object, the nearest one's value where several have a name.
    pub inherited: Json,
    /// The nearest method of that name: own first, then prototypes breadth-first. `None`: not understood.
    pub method: Option<Method>,
}

/// A method to be installed as the next version of its name.
#[derive(Clone, Debug)]
pub struct Install {
    pub object: ObjectId,
    pub name: MethodName,
    pub source: Source,
    /// `None` keeps the quota of the version before.
    pub quota: Option<QuotaOverride>,
    pub provenance: Provenance,
}

/// Everything one cognitive cycle changes: all of it happens or none.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The message in its final state. It need not have been accepted before.
    pub message: Message,
    /// New attributes of objects.
    pub changes: Vec<(ObjectId, Json)>,
    pub installs: Vec<Install>,
    pub invocations: Vec<Invocation>,
    /// The revisions the cycle was computed from. If any object moved on: [`StoreError::Conflict`], and nothing
    /// is changed. Every object in `changes` and `installs` is among them.
    pub preconditions: Vec<(ObjectId, Rev)>,
}

/// Whether an `Idempotency-Key` was seen before.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "an answer that is taken apart at once, never kept")]
pub enum Accepted {
    New,
    /// The key belongs to this earlier message.
    Before(Message),
}

/// A piece of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Whether others follow.
    pub more: bool,
}

/// Which messages to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct MessageFilter {
    pub target: Option<ObjectId>,
    pub status: Option<MessageStatus>,
    /// Only messages with smaller ids, that is, older ones.
    pub after: Option<MessageId>,
    pub limit: u32,
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Creates `UvmObjects/nil` and `UvmObjects/system` (prototype `nil`) where they are missing.
    /// Returns the ids it created.
    async fn genesis(&self) -> Result<Vec<ObjectId>>;

    /// Does a small read, to tell whether the store answers.
    async fn ping(&self) -> Result<()>;

    async fn create_object(&self, object: NewObject) -> Result<Object>;
    async fn object(&self, id: &ObjectId) -> Result<Object>;
    /// Objects sorted by id, those after `after`.
    async fn objects(&self, after: Option<&ObjectId>, limit: u32) -> Result<Page<Object>>;
    /// Merges the members of the JSON object `patch` into the attributes. With `if_match`, only at that revision.
    async fn patch_attributes(&self, id: &ObjectId, patch: &Json, if_match: Option<&Rev>) -> Result<Object>;

    async fn resolve(&self, receiver: &ObjectId, name: &MethodName) -> Result<Resolution>;
    /// The methods of an object; with `inherited` those of its prototypes too, in order of resolution, without
    /// those that are hidden by a nearer one.
    async fn methods(&self, id: &ObjectId, inherited: bool) -> Result<Vec<Method>>;
    /// All versions of an object's own method, newest first.
    async fn versions(&self, id: &ObjectId, name: &MethodName) -> Result<Vec<Method>>;
    async fn install(&self, install: Install) -> Result<Method>;
    async fn set_quota(&self, id: &ObjectId, name: &MethodName, quota: QuotaOverride) -> Result<Method>;

    /// Takes a message in. When this returns the message is on disk. The same message twice is taken in once.
    async fn accept(&self, message: &Message, idempotency_key: Option<&str>) -> Result<Accepted>;
    async fn message(&self, id: MessageId) -> Result<Option<Message>>;
    async fn messages(&self, filter: &MessageFilter) -> Result<Page<Message>>;
    /// Messages accepted but not finished, oldest first.
    async fn unfinished(&self) -> Result<Vec<Message>>;
    /// Commits one cycle. When this returns `Ok` everything is on disk. A message that is finished already is
    /// never applied again: [`StoreError::AlreadyFinished`].
    async fn commit(&self, commit: Commit) -> Result<()>;
    async fn invocation(&self, id: InvocationId) -> Result<Option<Invocation>>;
}
