//! Methods: a body, its version, and where it came from.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{
    Digest, FailedAttempt, InvocationId, MessageId, MethodName, ObjectId, QuotaOverride, Regression,
    Timestamp,
};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// A local LLM, because a message was not understood or a person asked for a better body.
    Mind,
    /// A person, through the API or the command line.
    #[default]
    Hand,
    /// A return to an earlier version.
    Rollback,
}

/// The recorded run that proved a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validation {
    pub invocation_id: InvocationId,
    pub fuel_used: u64,
    pub peak_memory_bytes: u64,
}

/// Where a version came from: what is absent is not known, or does not apply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    pub author: Author,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persona: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The digest of the model's files, as its server told when the answer had come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_digest: Option<String>,
    /// The temperature and the seed that were sent with the question.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "finite")]
    pub temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mind_seed: Option<u64>,
    /// SHA-256 of the whole conversation that was sent, worked examples and earlier attempts included: a JSON array
    /// of `{"role":…,"content":…}`, in this order and without spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_digest: Option<Digest>,
    /// How long the mind took for the answer that was installed, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_in_ms: Option<u64>,
    /// What the mind was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mandate: Option<String>,
    /// The message whose answer needed the method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<MessageId>,
    /// The attempts before the one that was installed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_attempts: Vec<FailedAttempt>,
    /// The first run that returned, of those committed together with the version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// What the recorded runs of the version before said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regression: Option<Regression>,
    /// The version a rollback returned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_version: Option<u32>,
}

/// What is too large for a float has no JSON to be written as.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f32>, D::Error> {
    let number = Option::<f32>::deserialize(deserializer)?;
    if number.is_none_or(f32::is_finite) {
        Ok(number)
    } else {
        Err(D::Error::custom("a number is too large"))
    }
}

impl Provenance {
    #[must_use]
    pub fn hand() -> Self {
        Self::default()
    }
}

/// Who it was, in words.
impl std::fmt::Display for Provenance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = |name: &Option<String>| name.as_deref().unwrap_or("unknown").to_owned();
        match self.author {
            Author::Mind => write!(f, "written by {} ({})", known(&self.persona), known(&self.model)),
            Author::Hand => f.write_str("installed by hand"),
            Author::Rollback => {
                write!(f, "restored from version {}", self.restored_version.unwrap_or_default())
            }
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
