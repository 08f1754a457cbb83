//! What can go wrong with a message, as a value that is stored, answered and shown.

use serde::{Deserialize, Serialize};

/// The kinds of error the outside world is told about. One list for the API, the CLI and the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    Malformed,
    Unauthorized,
    ObjectNotFound,
    MethodNotFound,
    ObjectExists,
    RevisionConflict,
    AuditRejected,
    GenerationFailed,
    ValidationFailed,
    PythonException,
    CovenantViolation,
    FuelExhausted,
    TimeLimit,
    MemoryLimit,
    OutputLimit,
    DepthLimit,
    MindUnavailable,
    SandboxUnavailable,
    StoreUnavailable,
    Busy,
    Internal,
}

/// One thing the audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The id of the rule, such as `import`.
    pub rule: String,
    pub message: String,
    /// Line and column in the method body, both counted from 1.
    pub line: u32,
    pub column: u32,
}

/// Where and how Python raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionDetail {
    /// The exception's class, such as `ValueError`.
    #[serde(rename = "type")]
    pub class: String,
    /// The line in the method body, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// As Python prints it, with the method in place of a file.
    pub traceback: String,
}

/// Why one attempt of the mind did not become a method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedAttempt {
    pub attempt: u32,
    /// The body the mind wrote; empty when its answer held none.
    pub source: String,
    pub fault: Fault,
}

/// An error with its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    pub kind: Kind,
    /// Fit for a person. What an exception says may have several lines.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Box<ExceptionDetail>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<FailedAttempt>,
}

impl Fault {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), exception: None, findings: Vec::new(), attempts: Vec::new() }
    }

    /// The audit's verdict as a fault: the findings' messages joined, one a line.
    #[must_use]
    pub fn audit_rejected(findings: Vec<Finding>) -> Self {
        let message = findings.iter().map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("\n");
        Self { findings, ..Self::new(Kind::AuditRejected, message) }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

impl std::error::Error for Fault {}
