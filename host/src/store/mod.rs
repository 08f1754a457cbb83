//! The Living Image: where objects, methods, messages and invocations live.
//!
//! [`Store`] is what the rest of the system knows; each implementation has a folder of its own. A store keeps
//! what it is given and decides conflicts by revision; it knows nothing of Python, the mind or HTTP.

pub mod arango;
pub mod sqlite;

mod attributes;
mod lease;
mod transfer;

pub use lease::{Lease, LeaseId, ServerName};
pub use transfer::{Entry, Imported};

use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::object::{
    Account, Budget, Contents, Digest, Invocation, InvocationId, Json, Message, MessageId, MessageStatus,
    Method, MethodName, Object, ObjectId, Provenance, QuotaOverride, Rev, Source, Timestamp,
};

/// The most prototypes one object may have.
pub const MAX_PROTOTYPES: usize = 100;

/// The most objects that are searched for a method: the receiver and its prototypes, breadth-first.
pub const MAX_LINEAGE: u32 = 1_000;

/// The most text the attributes of one object may have.
pub const MAX_ATTRIBUTE_BYTES: usize = 16 << 20;

/// The most text the attributes of an object and its prototypes may have together for it to receive messages.
pub const MAX_LINEAGE_BYTES: usize = 32 << 20;

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
    #[error("message '{0}' for the same object was accepted earlier and has not ended yet")]
    NotItsTurn(MessageId),
    /// Another server has taken the messages over, or this one started anew.
    #[error("this server's lease on the image has ended; its messages are another's now")]
    Fenced,
    #[error("object '{object}' would have {count} prototypes; at most {MAX_PROTOTYPES} are allowed")]
    TooManyPrototypes { object: ObjectId, count: usize },
    #[error("object '{0}' has more than {MAX_LINEAGE} prototypes, counting those of its prototypes")]
    LineageTooLong(ObjectId),
    #[error("the attributes of object '{0}' and its prototypes have more than {MAX_LINEAGE_BYTES} bytes")]
    LineageTooLarge(ObjectId),
    #[error(
        "the attributes of object '{object}' would have {bytes} bytes; at most {MAX_ATTRIBUTE_BYTES} are allowed"
    )]
    AttributesTooLarge { object: ObjectId, bytes: usize },
    #[error("the image has content already; import into an empty one")]
    NotEmpty,
    /// What is wrong with the entries of an import.
    #[error("the import broke off and nothing of it is kept: {0}")]
    ImportFailed(String),
    /// The text names the cure where there is one.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// Fails if those would be too many prototypes.
fn require_count(object: &ObjectId, prototypes: &[ObjectId]) -> Result<()> {
    let count = prototypes.len();
    if count <= MAX_PROTOTYPES {
        return Ok(());
    }
    Err(StoreError::TooManyPrototypes { object: object.clone(), count })
}

/// Fails if the attributes would be too large.
fn require_size(object: &ObjectId, attributes: &Json) -> Result<()> {
    let bytes = attributes.get().len();
    if bytes <= MAX_ATTRIBUTE_BYTES {
        return Ok(());
    }
    Err(StoreError::AttributesTooLarge { object: object.clone(), bytes })
}

/// An object to be created.
#[derive(Clone, Debug)]
pub struct NewObject {
    pub id: ObjectId,
    /// A JSON object.
    pub attributes: Json,
    /// Searched in this order; all of them must exist.
    pub prototypes: Vec<ObjectId>,
}

/// What genesis creates: `nil`, and `system` with `nil` as its prototype.
fn roots() -> Result<[NewObject; 2]> {
    let id = |key| ObjectId::parse(key).map_err(|error| StoreError::Unavailable(error.to_string()));
    let root = |id, prototypes| NewObject { id, attributes: Json::empty_object(), prototypes };
    let nil = id("nil")?;
    Ok([root(nil.clone(), vec![]), root(id("system")?, vec![nil])])
}

/// What a run needs to know of its receiver, read in one consistent view.
#[derive(Clone, Debug)]
pub struct Resolution {
    pub receiver: Object,
    /// All prototypes that were searched, nearest first, as they were found.
    pub lineage: Vec<(ObjectId, Rev)>,
    /// The attributes of all prototypes in one JSON object, the nearest one's value where several have a name.
    pub inherited: Json,
    /// The nearest method of that name: own first, then prototypes breadth-first. `None`: not understood.
    pub method: Option<Method>,
    /// The receiver's budget and what it has used, if it has a budget of its own or was ever charged.
    pub account: Option<Account>,
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
    /// Of the server that worked on it.
    pub lease: Lease,
    /// The message in its final state. It need not have been accepted before.
    pub message: Message,
    /// New attributes of objects.
    pub changes: Vec<(ObjectId, Json)>,
    pub installs: Vec<Install>,
    pub invocations: Vec<Invocation>,
    /// What those records refer to, as far as it is not part of them. May be kept already.
    pub contents: Contents,
    /// Fuel that objects used, to be added to what their [`Account`]s hold. No object's revision changes by it.
    pub charges: Vec<(ObjectId, u64)>,
    /// The revisions the cycle was computed from, of all it read. If any object moved on, even while this is
    /// committed: [`StoreError::Conflict`], and nothing is changed. Every object in `changes` and `installs` is
    /// among them. If there are any, the message takes its turn: while an earlier one for the same object is
    /// unfinished, [`StoreError::NotItsTurn`]. A cycle without any changes nothing but its message.
    pub preconditions: Vec<(ObjectId, Rev)>,
}

/// One thing [`Store::examine`] looked at.
#[derive(Clone, Debug)]
pub struct Check {
    pub what: String,
    /// What was found, or what is wrong and what cures it.
    pub found: std::result::Result<String, String>,
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
    /// `Accepted` finds all that are not finished: which of them run, the servers know better.
    pub status: Option<MessageStatus>,
    /// Only messages with smaller ids, that is, older ones.
    pub after: Option<MessageId>,
    pub limit: u32,
}

/// Which invocations to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct InvocationFilter {
    /// Only runs of this object's method, whoever received the message.
    pub method: Option<(ObjectId, MethodName)>,
    /// Only from this moment on, by the clock of the server that ran it.
    pub since: Option<Timestamp>,
    /// Only invocations with smaller ids, that is, older ones.
    pub after: Option<InvocationId>,
    pub limit: u32,
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Creates `UvmObjects/nil` and `UvmObjects/system` (prototype `nil`) where they are missing.
    /// Returns the ids it created.
    async fn genesis(&self) -> Result<Vec<ObjectId>>;

    /// Does a small read, to tell whether the store answers.
    async fn ping(&self) -> Result<()>;
    /// Looks at the whole store for what could go wrong. May take a while.
    async fn examine(&self) -> Vec<Check>;

    async fn create_object(&self, object: NewObject) -> Result<Object>;
    async fn object(&self, id: &ObjectId) -> Result<Object>;
    /// Objects sorted by id, those after `after`.
    async fn objects(&self, after: Option<&ObjectId>, limit: u32) -> Result<Page<Object>>;
    /// Merges the members of the JSON object `patch` into the attributes. With `if_match`, only at that revision.
    async fn patch_attributes(&self, id: &ObjectId, patch: &Json, if_match: Option<&Rev>) -> Result<Object>;

    /// Replaces the prototypes. With `if_match`, only at that revision. Circles are allowed: each object is
    /// searched once.
    async fn set_prototypes(
        &self,
        id: &ObjectId,
        prototypes: &[ObjectId],
        if_match: Option<&Rev>,
    ) -> Result<Object>;

    async fn resolve(&self, receiver: &ObjectId, name: &MethodName) -> Result<Resolution>;
    /// The methods of an object; with `inherited` those of its prototypes too, in order of resolution, without
    /// those that are hidden by a nearer one.
    async fn methods(&self, id: &ObjectId, inherited: bool) -> Result<Vec<Method>>;
    /// All versions of an object's own method, newest first.
    async fn versions(&self, id: &ObjectId, name: &MethodName) -> Result<Vec<Method>>;
    /// One version of an object's own method.
    async fn version(&self, id: &ObjectId, name: &MethodName, version: u32) -> Result<Option<Method>>;
    async fn install(&self, install: Install) -> Result<Method>;
    async fn set_quota(&self, id: &ObjectId, name: &MethodName, quota: QuotaOverride) -> Result<Method>;

    /// The object's account, if it has a budget of its own or was ever charged.
    async fn account(&self, id: &ObjectId) -> Result<Option<Account>>;
    /// Sets the object's budget; what it has used stays. Its revision does not change.
    async fn set_budget(&self, id: &ObjectId, budget: Budget) -> Result<Account>;

    /// Gives `server` a new lease for `time` and ends the one it had: what still comes under that is refused
    /// with [`StoreError::Fenced`].
    async fn join(&self, server: &ServerName, time: Duration) -> Result<Lease>;
    /// Lets the lease last for `time` from now.
    async fn renew(&self, lease: &Lease, time: Duration) -> Result<()>;
    /// Ends the lease; its messages can be taken over at once.
    async fn leave(&self, lease: &Lease) -> Result<()>;
    /// Gives the lease's server all unfinished messages whose server has no lease or let it run out, and ends
    /// those leases. Returns how many messages those were.
    async fn take_over(&self, lease: &Lease) -> Result<usize>;

    /// Takes a message in, for the lease's server to work on. When this returns the message is on disk. The
    /// same message twice is taken in once.
    async fn accept(
        &self,
        message: &Message,
        idempotency_key: Option<&str>,
        lease: &Lease,
    ) -> Result<Accepted>;
    /// Replaces the record of an accepted message that is not finished.
    async fn note(&self, message: &Message, lease: &Lease) -> Result<()>;
    async fn message(&self, id: MessageId) -> Result<Option<Message>>;
    async fn messages(&self, filter: &MessageFilter) -> Result<Page<Message>>;
    /// The messages `server` has to finish, oldest first.
    async fn unfinished(&self, server: &ServerName) -> Result<Vec<Message>>;
    /// Commits one cycle. When this returns `Ok` everything is on disk. A message that is finished already is
    /// never applied again: [`StoreError::AlreadyFinished`].
    async fn commit(&self, commit: Commit) -> Result<()>;
    async fn invocation(&self, id: InvocationId) -> Result<Option<Invocation>>;
    async fn invocations(&self, filter: &InvocationFilter) -> Result<Page<Invocation>>;
    /// How many invocations the filter finds, whatever its limit.
    async fn count_invocations(&self, filter: &InvocationFilter) -> Result<u64>;
    /// What records refer to by this digest.
    async fn content(&self, digest: &Digest) -> Result<Option<Json>>;

    /// Sends everything in the image, as it stands at one moment and in the order of [`Entry`]'s variants.
    /// Ends early, without an error, when nobody receives any more.
    async fn export(&self, to: mpsc::Sender<Entry>) -> Result<()>;
    /// Takes in an export until [`Entry::End`], all of it or nothing, into an image that holds nothing but the
    /// roots. Unfinished messages wait for the first server that takes over.
    async fn import(&self, from: mpsc::Receiver<Entry>) -> Result<Imported>;
}
