//! The records of runs, and what comes of making them again.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::input::{Asked, At};
use super::messages::page_size;
use super::problem::Problem;
use crate::object::{Fault, Invocation, InvocationId, Kind, MethodName, ObjectId, Timestamp};
use crate::replay::{Report, write_fixture};
use crate::store::{InvocationFilter, Page};

fn unknown(id: &str) -> Problem {
    let id: String = id.chars().take(64).collect();
    Problem::not_found(format!("There is no invocation '{id}'."))
}

fn parsed(id: &str) -> Result<InvocationId, Problem> {
    InvocationId::parse(id).map_err(|_| unknown(id))
}

/// The record of a run.
#[utoipa::path(
    get, path = "/invocations/{id}", operation_id = "show_invocation", tag = "invocations", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, description = "The record", body = ref("#/components/schemas/Invocation")))
)]
pub async fn show(State(api): Shared, At(id): At<String>) -> Result<Answer<Invocation>, Problem> {
    let found = api.orchestrator.store().invocation(parsed(&id)?).await?;
    found.map(Answer).ok_or_else(|| unknown(&id))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct InvocationQuery {
    /// Only runs of a method of this object, whoever received the message; with `method`.
    #[param(value_type = Option<String>)]
    source: Option<ObjectId>,
    /// The method's name; with `source`.
    #[param(value_type = Option<String>)]
    method: Option<MethodName>,
    /// Only from this moment on: milliseconds since 1970-01-01T00:00:00Z.
    #[param(value_type = Option<i64>)]
    since: Option<Timestamp>,
    /// 1 to 1000, 100 if absent.
    limit: Option<u32>,
    /// Only invocations older than this one: `next` of the page before.
    #[param(value_type = Option<uuid::Uuid>)]
    after: Option<InvocationId>,
}

#[derive(Serialize)]
pub struct Invocations {
    invocations: Vec<Invocation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<InvocationId>,
}

/// Records of runs, newest first.
#[utoipa::path(
    get, path = "/invocations", operation_id = "list_invocations", tag = "invocations", params(InvocationQuery),
    responses((status = 200, description = "A page; `next` is there if more follow",
        body = ref("#/components/schemas/Invocations")))
)]
pub async fn list(
    State(api): Shared,
    Asked(query): Asked<InvocationQuery>,
) -> Result<Answer<Invocations>, Problem> {
    let InvocationQuery { source, method, since, limit, after } = query;
    let method = match (source, method) {
        (Some(source), Some(method)) => Some((source, method)),
        (None, None) => None,
        _ => return Err(Problem::malformed("The parameters 'source' and 'method' go together.")),
    };
    let filter = InvocationFilter { method, since, after, limit: page_size(limit)? };
    let Page { items: invocations, more } = api.orchestrator.store().invocations(&filter).await?;
    let next = invocations.last().filter(|_| more).map(|invocation| invocation.invocation_id);
    Ok(Answer(Invocations { invocations, next }))
}

/// Makes a run again and compares: result, output, attributes, nested sends, fuel and memory.
///
/// Nothing is changed; what the run sends is answered as it was answered then.
#[utoipa::path(
    post, path = "/invocations/{id}/replay", operation_id = "replay_invocation", tag = "invocations", params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, description = "It came out the same", body = ref("#/components/schemas/Verdict")),
        (status = 409, description = "It came out differently, or cannot be replayed",
            body = ref("#/components/schemas/Verdict")),
    )
)]
pub async fn replay(State(api): Shared, At(id): At<String>) -> Result<Response, Problem> {
    let verdict = api.orchestrator.replay(parsed(&id)?).await?.ok_or_else(|| unknown(&id))?;
    let report = Report::from(&verdict);
    let status = if report.is_identical() { StatusCode::OK } else { StatusCode::CONFLICT };
    Ok((status, Answer(report)).into_response())
}

/// A run with all it depended on, as a file to be replayed elsewhere.
#[utoipa::path(
    get, path = "/invocations/{id}/fixture", operation_id = "export_invocation", tag = "invocations", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, description = "A replay fixture", body = ref("#/components/schemas/Fixture")))
)]
pub async fn fixture(State(api): Shared, At(id): At<String>) -> Result<Response, Problem> {
    let case = match api.orchestrator.case(parsed(&id)?).await?.ok_or_else(|| unknown(&id))? {
        Ok(case) => case,
        Err(reason) => {
            let text = format!("The invocation cannot be exported: {reason}.");
            return Err(Problem::new(StatusCode::CONFLICT, Kind::Malformed, text));
        }
    };
    let mut text = Vec::new();
    write_fixture(&case, &mut text)
        .map_err(|error| Fault::new(Kind::Internal, format!("the fixture cannot be written: {error}")))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}
