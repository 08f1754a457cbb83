//! Auditing a method body without installing it.

use axum::Json as Answer;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::input::Sent;
use super::problem::Problem;
use crate::object::{Finding, Source};
use crate::sandbox::{Audit, Verdict};

/// A method body to be read.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditBody {
    /// The body of `def NAME(self, *args, **kwargs):`, at most 64 KiB.
    #[schema(value_type = String, min_length = 1, max_length = 65536, example = "import os")]
    source: Source,
}

/// What the audit says. Also printed by `aura audit`.
#[derive(Serialize)]
pub struct AuditReport {
    pub accepted: bool,
    pub findings: Vec<Finding>,
    /// What the audit burnt.
    pub fuel_used: u64,
}

impl From<Audit> for AuditReport {
    fn from(Audit { verdict, fuel_used }: Audit) -> Self {
        match verdict {
            Verdict::Accepted => Self { accepted: true, findings: Vec::new(), fuel_used },
            Verdict::Rejected(findings) => Self { accepted: false, findings, fuel_used },
        }
    }
}

/// Audits a method body.
#[utoipa::path(
    post, path = "/audit", operation_id = "audit", tag = "methods", request_body = AuditBody,
    responses((status = 200, description = "The verdict, also when it is a rejection",
        body = ref("#/components/schemas/AuditReport")))
)]
pub async fn audit(State(api): Shared, Sent(body): Sent<AuditBody>) -> Result<Answer<AuditReport>, Problem> {
    Ok(Answer(api.orchestrator.audit(body.source).await?.into()))
}
