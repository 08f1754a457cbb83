//! An image on its way from one store to another.

use serde::{Deserialize, Serialize};

use super::{Result, StoreError};
use crate::object::{Account, Invocation, Json, Message, MessageStatus, Method, ObjectId};

/// A piece of an image. As JSON: an object with the variant's name as its only member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Entry {
    Object {
        id: ObjectId,
        attributes: Json,
    },
    /// Of an object that has any, in the order in which they are searched.
    Prototypes {
        object: ObjectId,
        prototypes: Vec<ObjectId>,
    },
    /// A version of a method; those of one name in order, so that the last one is the one that runs.
    Method(Method),
    Message {
        message: Message,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idempotency_key: Option<String>,
    },
    /// What invocations refer to by its digest.
    Content(Json),
    Invocation(Invocation),
    /// What an object may use, and has used.
    Account {
        object: ObjectId,
        account: Account,
    },
    /// Nothing follows; what came before it, counted.
    End(Imported),
}

impl Entry {
    /// As it can be part of another image. Fails if it cannot, as far as the entry alone can tell.
    pub(super) fn prepared(mut self) -> Result<Self> {
        match &mut self {
            Self::Object { id, attributes } if !attributes.is_object() => {
                Err(StoreError::ImportFailed(format!("the attributes of {id} are not a JSON object")))
            }
            // What ran there has not run here.
            Self::Message { message, .. } if message.status == MessageStatus::Running => {
                message.status = MessageStatus::Accepted;
                message.restarts = 0;
                Ok(self)
            }
            _ => Ok(self),
        }
    }
}

/// How much of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    pub objects: u64,
    pub versions: u64,
    pub messages: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub contents: u64,
    pub invocations: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub accounts: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
