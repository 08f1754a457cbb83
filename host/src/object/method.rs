//! Methods: a body, its version, and where it came from.

use serde::{Deserialize, Serialize};

use super::{Digest, FailedAttempt, MessageId, MethodName, ObjectId, QuotaOverride, Timestamp};

/// The largest body accepted, in bytes.
pub const MAX_SOURCE_BYTES: usize = 64 * 1024;

/// The body of a method: not empty, at most [`MAX_SOURCE_BYTES`], without NUL bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Source(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SourceError {
    #[error("the method body is empty")]
    Empty,
    #[error("the method body has {0} bytes; at most {MAX_SOURCE_BYTES} are allowed")]
    TooLong(usize),
    #[error("the method body contains a NUL byte")]
    Nul,
}

impl Source {
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if text.trim().is_empty() {
            return Err(SourceError::Empty);
        }
        if text.len() > MAX_SOURCE_BYTES {
            return Err(SourceError::TooLong(text.len()));
        }
        if text.contains('\0') {
            return Err(SourceError::Nul);
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl TryFrom<String> for Source {
    type Error = SourceError;
    fn try_from(text: String) -> Result<Self, SourceError> {
        Self::parse(&text)
    }
}

impl From<Source> for String {
    fn from(source: Source) -> Self {
        source.0
    }
}

/// Who wrote a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// A local LLM, because a message was not understood.
    Mind,
    /// A person, through the API or the command line.
    Hand,
    /// A return to an earlier version.
    Rollback,
}

/// Where a version came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    pub author: Author,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persona: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the mind was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mandate: Option<String>,
    /// The message whose answer needed the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The attempts before the one that was installed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_attempts: Vec<FailedAttempt>,
    /// The version a rollback returned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_version: Option<u32>,
}

impl Provenance {
    #[must_use]
    pub fn hand() -> Self {
        Self {
            author: Author::Hand,
            persona: None,
            model: None,
            mandate: None,
            message_id: None,
            failed_attempts: Vec::new(),
            restored_version: None,
        }
    }
}

/// One version of a method on the object that holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Method {
    /// The object that holds the method, not the receiver it may run for.
    pub object: ObjectId,
    pub name: MethodName,
    /// Counted from 1; every install makes a new one.
    pub version: u32,
    pub source: Source,
    #[serde(default)]
    pub quota: QuotaOverride,
    pub provenance: Provenance,
    pub installed_at: Timestamp,
}
