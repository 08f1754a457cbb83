//! Leases: which server works on which messages of an image that several share.
//!
//! A lease is a name with a token. The token is the fence: it is valid until the lease is given anew or taken
//! away, so that a server that slept through the end of its lease cannot commit under it. The time only decides
//! when others may take over.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The name of a server, which it keeps over restarts: 1 to 128 of the characters A-Z a-z 0-9 _ - .
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerName(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a server's name has 1 to 128 of the characters A-Z a-z 0-9 _ - .")]
pub struct ServerNameError;

impl ServerName {
    pub fn parse(text: &str) -> Result<Self, ServerNameError> {
        let valid = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        if valid { Ok(Self(text.to_owned())) } else { Err(ServerNameError) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServerName {
    type Error = ServerNameError;
    fn try_from(text: String) -> Result<Self, ServerNameError> {
        Self::parse(&text)
    }
}

impl From<ServerName> for String {
    fn from(name: ServerName) -> Self {
        name.0
    }
}

/// The fencing token: different for every lease there ever is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(Uuid);

impl LeaseId {
    #[must_use]
    pub fn fresh() -> Self {
        Self(Uuid::now_v7())
    }
}

impl std::fmt::Display for LeaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The right to work on a server's messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub server: ServerName,
    pub id: LeaseId,
}
