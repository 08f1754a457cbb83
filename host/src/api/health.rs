//! Whether the server lives, and whether it can do its work.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::{Api, Shared};
use crate::object::Source;
use crate::sandbox::Verdict;

const PATIENCE: Duration = Duration::from_secs(3);

/// Everybody may ask, so the dependencies are asked at most this often.
const FRESH: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    Ok,
    /// It did not answer in time.
    Slow,
    Unavailable,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct Dependency {
    state: Condition,
    /// For those who show the token, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Dependency {
    fn new(state: Condition, detail: impl Into<String>) -> Self {
        Self { state, detail: Some(detail.into()) }
    }
}

/// Ready means that store and sandbox work. Without the mind everything that is understood already goes on.
#[derive(Clone, Serialize, ToSchema)]
pub struct Report {
    ready: bool,
    store: Dependency,
    sandbox: Dependency,
    mind: Dependency,
}

/// The latest report and when it was made.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, Report)>>);

/// Whether the server lives.
#[utoipa::path(
    get, path = "/healthz", operation_id = "healthz", tag = "operation", security(()),
    responses((status = 200, description = "It does", body = String, content_type = "text/plain"))
)]
pub async fn live() -> &'static str {
    "ok\n"
}

/// Whether the server can do its work, with the state of each dependency.
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "operation", security(()),
    responses(
        (status = 200, description = "Store and sandbox work", body = Report),
        (status = 503, description = "Store or sandbox do not", body = Report),
    )
)]
pub async fn ready(State(api): Shared, headers: HeaderMap) -> impl IntoResponse {
    let mut latest = api.readiness.0.lock().await;
    let mut report = match &*latest {
        Some((made, report)) if made.elapsed() < FRESH => report.clone(),
        _ => {
            let report = report(&api).await;
            *latest = Some((Instant::now(), report.clone()));
            report
        }
    };
    if !api.is_trusted(&headers) {
        for dependency in [&mut report.store, &mut report.sandbox, &mut report.mind] {
            dependency.detail = None;
        }
    }
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn report(api: &Api) -> Report {
    let (store, sandbox, mind) = tokio::join!(store(api), sandbox(api), mind(api));
    // A sandbox whose isolates are all in use is slow, and works.
    let ready = store.state == Condition::Ok && sandbox.state != Condition::Unavailable;
    Report { ready, store, sandbox, mind }
}

async fn store(api: &Api) -> Dependency {
    match timeout(PATIENCE, api.orchestrator.store().ping()).await {
        Ok(Ok(())) => Dependency::new(Condition::Ok, "it answers"),
        Ok(Err(error)) => Dependency::new(Condition::Unavailable, error.to_string()),
        Err(_) => slow(),
    }
}

/// Has a fresh isolate read a smallest body.
async fn sandbox(api: &Api) -> Dependency {
    let detail = match api.orchestrator.sandbox().check() {
        Ok(detail) => detail,
        Err(detail) => return Dependency::new(Condition::Unavailable, detail),
    };
    let source = match Source::parse("pass") {
        Ok(source) => source,
        Err(error) => return Dependency::new(Condition::Unavailable, error.to_string()),
    };
    let audit = timeout(PATIENCE, api.orchestrator.audit(source)).await;
    match audit.map(|audit| audit.map(|audit| audit.verdict)) {
        Ok(Ok(Verdict::Accepted)) => Dependency::new(Condition::Ok, detail),
        Ok(Ok(Verdict::Rejected(_))) => {
            Dependency::new(Condition::Unavailable, "it rejects the smallest body")
        }
        Ok(Err(fault)) => Dependency::new(Condition::Unavailable, fault.message),
        Err(_) => slow(),
    }
}

async fn mind(api: &Api) -> Dependency {
    let mind = api.orchestrator.mind();
    let (persona, model) = mind.describe();
    match timeout(PATIENCE, mind.check()).await {
        Ok(Ok(detail)) => Dependency::new(Condition::Ok, format!("{persona} ({model}): {detail}")),
        Ok(Err(error)) => Dependency::new(Condition::Unavailable, error.to_string()),
        Err(_) => slow(),
    }
}

fn slow() -> Dependency {
    Dependency::new(Condition::Slow, format!("no answer within {} s", PATIENCE.as_secs()))
}
