//! How a command ends when it does not end well: a sentence and an exit status.

use std::process::ExitCode;

use thiserror::Error;

use crate::config::ConfigError;
use crate::object::{Fault, Kind};
use crate::store::StoreError;

#[derive(Debug, Error)]
pub enum Failure {
    /// The message failed, or the check found something.
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    Usage(String),
    /// A needed service is not reachable.
    #[error("{0}")]
    Unreachable(String),
    /// The user has been told already, or nobody listens any more.
    #[error("")]
    Told(u8),
}

impl Failure {
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Failed(_) => ExitCode::from(1),
            Self::Usage(_) => ExitCode::from(2),
            Self::Unreachable(_) => ExitCode::from(3),
            Self::Told(code) => ExitCode::from(*code),
        }
    }

    /// The failure that this fault is, when the user has been told of it.
    pub fn told(fault: &Fault) -> Self {
        match Self::of_kind(fault.kind, String::new()) {
            Self::Unreachable(_) => Self::Told(3),
            _ => Self::Told(1),
        }
    }

    /// The failure that a fault of this kind is, told with `text`.
    pub fn of_kind(kind: Kind, text: String) -> Self {
        match kind {
            Kind::MindUnavailable | Kind::SandboxUnavailable | Kind::StoreUnavailable => {
                Self::Unreachable(text)
            }
            Kind::Malformed => Self::Usage(text),
            _ => Self::Failed(text),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::of_kind(fault.kind, fault.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Fault::from(error).into()
    }
}
