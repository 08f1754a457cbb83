//! The record of one run: what went in, what came out.

use serde::{Deserialize, Serialize};

use super::{Digest, Fault, InvocationId, Json, MessageId, MethodName, ObjectId, Quota, Rev, Timestamp};

/// One run of one method, committed together with what it changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invocation {
    pub invocation_id: InvocationId,
    pub message_id: MessageId,
    /// The invocation whose method sent the message; null for a message from outside.
    pub parent: Option<InvocationId>,
    pub receiver: ObjectId,
    pub receiver_rev: Rev,
    pub source_object_id: ObjectId,
    pub method_name: MethodName,
    pub method_version: u32,
    pub source_digest: Digest,
    /// Digest of the attributes' JSON text before the run.
    pub attributes_before: Digest,
    pub args: Json,
    pub kwargs: Json,
    pub seed: u64,
    /// What the method's clock read.
    pub time: Timestamp,
    pub quota: Quota,
    pub guest_digest: Digest,
    pub config_digest: Digest,
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
        attributes_after: Option<Digest>,
    },
    Failed(Fault),
}
