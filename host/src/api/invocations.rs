//! The records of runs.

use axum::Json as Answer;
use axum::extract::State;

use super::Shared;
use super::input::At;
use super::problem::Problem;
use crate::object::{Invocation, InvocationId};

/// The record of a run.
#[utoipa::path(
    get, path = "/invocations/{id}", operation_id = "show_invocation", tag = "invocations", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, description = "The record", body = ref("#/components/schemas/Invocation")))
)]
pub async fn show(State(api): Shared, At(id): At<String>) -> Result<Answer<Invocation>, Problem> {
    let unknown = || {
        let id: String = id.chars().take(64).collect();
        Problem::not_found(format!("There is no invocation '{id}'."))
    };
    let parsed = InvocationId::parse(&id).map_err(|_| unknown())?;
    api.orchestrator.store().invocation(parsed).await?.map(Answer).ok_or_else(unknown)
}
