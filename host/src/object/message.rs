//! Messages and their life: accepted, running, then completed or failed.

use serde::{Deserialize, Serialize};

use super::{Fault, InvocationId, Json, MessageId, MethodName, ObjectId, Timestamp};

/// A message as its sender wrote it, valid but not yet accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMessage {
    pub target: ObjectId,
    pub method: MethodName,
    /// A JSON array.
    pub args: Json,
    /// A JSON object.
    pub kwargs: Json,
    /// Seed of everything random in the run; drawn by the host when the sender gives none.
    pub seed: Option<u64>,
    /// The most fuel the sender lets the run use; never more than the method's quota.
    pub fuel: Option<u64>,
    pub idempotency_key: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    Accepted,
    Running,
    Completed,
    Failed,
}

impl MessageStatus {
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// An accepted message with everything known about it: the record that the API answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub message_id: MessageId,
    pub status: MessageStatus,
    pub target_object_id: ObjectId,
    pub method_name: MethodName,
    pub args: Json,
    pub kwargs: Json,
    pub seed: u64,
    /// What the method returned; null until completed.
    pub result: Json,
    /// What the method printed.
    pub output: String,
    pub state_changed: bool,
    /// The object whose method ran; differs from the target when the method is inherited.
    pub source_object_id: Option<ObjectId>,
    pub method_version: Option<u32>,
    /// Whether a method was written for this message.
    pub generated: bool,
    /// How often the mind was asked.
    pub attempts: u32,
    /// How often it was started again because a server ended before it did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub restarts: u32,
    pub fuel_used: u64,
    /// The fuel the run was given; null until it is known which method runs.
    pub fuel_limit: Option<u64>,
    /// The fuel the sender allows, if it set a bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    pub invocation_id: Option<InvocationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
    pub accepted_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl Message {
    /// The record of a message at the moment it is accepted.
    #[must_use]
    pub fn accepted(new: &NewMessage) -> Self {
        let message_id = MessageId::fresh();
        Self {
            message_id,
            status: MessageStatus::Accepted,
            target_object_id: new.target.clone(),
            method_name: new.method.clone(),
            args: new.args.clone(),
            kwargs: new.kwargs.clone(),
            seed: new.seed.unwrap_or_else(|| message_id.seed()),
            result: Json::null(),
            output: String::new(),
            state_changed: false,
            source_object_id: None,
            method_version: None,
            generated: false,
            attempts: 0,
            restarts: 0,
            fuel_used: 0,
            fuel_limit: None,
            fuel: new.fuel,
            invocation_id: None,
            error: None,
            accepted_at: Timestamp::now(),
            finished_at: None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
