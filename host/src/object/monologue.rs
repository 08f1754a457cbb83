//! The internal monologue: what the system says of itself, step by step.

use serde::{Deserialize, Serialize};

use super::{Json, MessageId, Timestamp};

/// The steps of a cognitive cycle, named as the `event:` field of the server-sent events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    Accepted,
    Resolved,
    NotUnderstood,
    MindAsked,
    /// A piece of the mind's answer as it streams in.
    MindSaid,
    Generated,
    AuditPassed,
    AuditFailed,
    ValidationPassed,
    ValidationFailed,
    Installed,
    Completed,
    Failed,
}

impl Step {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Resolved => "resolved",
            Self::NotUnderstood => "not_understood",
            Self::MindAsked => "mind_asked",
            Self::MindSaid => "mind_said",
            Self::Generated => "generated",
            Self::AuditPassed => "audit_passed",
            Self::AuditFailed => "audit_failed",
            Self::ValidationPassed => "validation_passed",
            Self::ValidationFailed => "validation_failed",
            Self::Installed => "installed",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    /// Whether nothing follows for this message.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// One step of one message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub message_id: MessageId,
    pub step: Step,
    /// The step as a sentence.
    pub text: String,
    /// The step's data as a JSON object, such as the generated source or the findings.
    pub data: Json,
    pub at: Timestamp,
}
