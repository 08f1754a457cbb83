//! The record of one run: all it depended on, and all that came out of it.

use serde::{Deserialize, Serialize};

use super::{
    Content, Digest, Fault, InvocationId, Json, Kind, MessageId, MethodName, ObjectId, Quota, Rev, Source,
    Timestamp,
};

/// One run of one method, committed together with what it changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    pub invocation_id: InvocationId,
    pub message_id: MessageId,
    /// The invocation whose method sent the message; null for a message from outside.
    pub parent: Option<InvocationId>,
    pub receiver: ObjectId,
    pub receiver_rev: Rev,
    /// The object that holds the method, and the version of it that ran.
    pub source_object_id: ObjectId,
    pub method_name: MethodName,
    pub method_version: u32,
    pub source_digest: Digest,
    /// The body, where it ran to be validated: it may never have become that version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    pub attributes_before: Content,
    /// The attributes of the prototypes. Records of before there was replay lack them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inherited: Option<Content>,
    pub args: Json,
    pub kwargs: Json,
    pub seed: u64,
    /// What the method's clock read.
    pub time: Timestamp,
    pub quota: Quota,
    pub guest_digest: Digest,
    pub config_digest: Digest,
    /// The messages it sent, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sends: Vec<SentMessage>,
    pub outcome: InvocationOutcome,
    pub output: String,
    pub fuel_used: u64,
    pub peak_memory_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InvocationOutcome {
    /// The method returned; `attributes_after` is null when nothing changed.
    Returned {
        result: Json,
        attributes_after: Option<Content>,
    },
    Failed(Fault),
}

/// A message that a method sent while it ran, and how it was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SentMessage {
    pub target: ObjectId,
    pub method: MethodName,
    pub args: Content,
    pub kwargs: Content,
    /// The sender's attributes at that moment, if they had changed since the last exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Content>,
    /// Fuel left in the sender's tank.
    pub fuel: u64,
    /// Null: the cycle was stopped before there was one.
    pub answer: Option<SentAnswer>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SentAnswer {
    pub outcome: SentOutcome,
    /// The sender's attributes, if answering changed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Content>,
    pub fuel_used: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SentOutcome {
    Result(Content),
    /// What the sender was told.
    Refused {
        kind: Kind,
        message: String,
    },
}
