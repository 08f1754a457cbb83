//! The domain: objects, methods, messages, invocations, and the names of what can go wrong.
//!
//! Plain values without I/O. Everything that comes from outside is parsed into one of these types at the
//! border and is not checked again inside. Nothing here may use the other folders of this crate.

mod budget;
mod content;
pub mod diff;
mod digest;
mod fault;
mod id;
mod invocation;
mod json;
mod message;
mod method;
mod monologue;
mod proposal;
mod quota;
mod regression;

pub use budget::{Account, Budget};
pub use content::{Content, Contents};
pub use digest::Digest;
pub use fault::{ExceptionDetail, FailedAttempt, Fault, Finding, Kind};
pub use id::{InvocationId, MessageId, MethodName, OBJECT_COLLECTION, ObjectId, Rev};
pub use invocation::{Invocation, InvocationOutcome, SentAnswer, SentMessage, SentOutcome};
pub use json::{Json, JsonError};
pub use message::{Message, MessageStatus, NewMessage};
pub use method::{Author, Method, Provenance, Source, Validation};
pub use monologue::{Event, Step};
pub use proposal::{Proposal, Wish};
pub use quota::{CEILING, Quota, QuotaOverride};
pub use regression::{Difference, Divergence, Regression};

use serde::{Deserialize, Serialize};

/// At most `limit` characters of `text`.
#[must_use]
pub fn excerpt(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Text from outside, fit for one line: at most `limit` characters, and none that controls anything.
#[must_use]
pub fn one_line(text: &str, limit: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    excerpt(&words.join(" ").replace(char::is_control, " "), limit)
}

/// An object of the Living Image, as it stands at one revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    pub id: ObjectId,
    pub rev: Rev,
    /// Always a JSON object.
    pub attributes: Json,
    /// Names of its own methods, sorted.
    pub methods: Vec<MethodName>,
    /// Its prototypes in the order in which they are searched.
    pub prototypes: Vec<ObjectId>,
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    #[must_use]
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}
