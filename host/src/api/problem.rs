//! Errors as the outside world sees them: `application/problem+json` (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::observe;
use crate::object::{ExceptionDetail, FailedAttempt, Fault, Finding, Kind, Proposal};
use crate::store::StoreError;

pub const MEDIA_TYPE: &str = "application/problem+json";

/// Seconds after which it is worth trying again when something is busy or away.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// A fault on its way out, with the status it is answered with.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    fault: Fault,
    proposal: Option<Box<Proposal>>,
}

impl Problem {
    pub fn new(status: StatusCode, kind: Kind, message: impl Into<String>) -> Self {
        Self { status, ..Fault::new(kind, message).into() }
    }

    /// What was sent cannot be read.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Kind::Malformed, message)
    }

    /// What was sent can be read, but a field of it is not valid.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, Kind::Malformed, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Kind::ObjectNotFound, message)
    }

    /// What was tried needs a person's word.
    pub fn proposed(proposal: Box<Proposal>, fault: Fault) -> Self {
        Self { status: StatusCode::CONFLICT, fault, proposal: Some(proposal) }
    }

    /// The same fault where the client itself set a precondition (`If-Match`).
    #[must_use]
    pub fn of_precondition(mut self) -> Self {
        if self.fault.kind == Kind::RevisionConflict {
            self.status = StatusCode::PRECONDITION_FAILED;
        }
        self
    }
}

/// The one place that says which status a kind is answered with.
fn status_of(kind: Kind) -> StatusCode {
    match kind {
        Kind::Malformed => StatusCode::BAD_REQUEST,
        Kind::Unauthorized => StatusCode::UNAUTHORIZED,
        Kind::ObjectNotFound | Kind::MethodNotFound => StatusCode::NOT_FOUND,
        Kind::ObjectExists | Kind::RevisionConflict => StatusCode::CONFLICT,
        Kind::AuditRejected
        | Kind::ValidationFailed
        | Kind::PythonException
        | Kind::CovenantViolation
        | Kind::FuelExhausted
        | Kind::TimeLimit
        | Kind::MemoryLimit
        | Kind::OutputLimit
        | Kind::DepthLimit => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::GenerationFailed => StatusCode::BAD_GATEWAY,
        Kind::MindUnavailable | Kind::SandboxUnavailable | Kind::StoreUnavailable | Kind::Busy => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn title_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Malformed => "The request is malformed",
        Kind::Unauthorized => "The request lacks valid credentials",
        Kind::ObjectNotFound => "There is no such object",
        Kind::MethodNotFound => "There is no such method",
        Kind::ObjectExists => "The object exists already",
        Kind::RevisionConflict => "The object was changed in the meantime",
        Kind::AuditRejected => "The audit rejected the method body",
        Kind::GenerationFailed => "The mind wrote no usable method",
        Kind::ValidationFailed => "The method failed when it was tried",
        Kind::PythonException => "The method raised an exception",
        Kind::CovenantViolation => "The method broke the Persistence Covenant",
        Kind::FuelExhausted => "The method used up its fuel",
        Kind::TimeLimit => "The method ran too long",
        Kind::MemoryLimit => "The method needed too much memory",
        Kind::OutputLimit => "The method printed too much",
        Kind::DepthLimit => "Messages were nested too deeply",
        Kind::MindUnavailable => "The mind cannot be reached",
        Kind::SandboxUnavailable => "The sandbox cannot be reached",
        Kind::StoreUnavailable => "The store cannot be used",
        Kind::Busy => "The server has too much to do",
        Kind::Internal => "The server failed",
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self { status: status_of(fault.kind), fault, proposal: None }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            // No method did this.
            StoreError::AttributesTooLarge { .. } => Self::invalid(error.to_string()),
            error => Fault::from(error).into(),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    uri: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    exception: Option<&'a ExceptionDetail>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attempts: &'a [FailedAttempt],
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<&'a Proposal>,
    /// As in the header `X-Request-Id`, and in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { status, fault, proposal } = self;
        let body = Body {
            uri: format!("urn:aura:problem:{:?}", fault.kind),
            title: title_of(fault.kind),
            status: status.as_u16(),
            detail: &fault.message,
            kind: fault.kind,
            exception: fault.exception.as_deref(),
            findings: &fault.findings,
            attempts: &fault.attempts,
            proposal: proposal.as_deref(),
            request_id: observe::id(),
        };
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
