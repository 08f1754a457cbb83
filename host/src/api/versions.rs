//! One version of a method, and what differs between two.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::input::{Asked, At};
use super::problem::Problem;
use super::{Api, Shared};
use crate::object::{Kind, Method, MethodName, ObjectId, diff};
use crate::store::StoreError;

/// One version of an object's own method.
#[utoipa::path(
    get, path = "/objects/{key}/methods/{name}/versions/{version}", operation_id = "show_version", tag = "methods",
    params(("key" = String, Path), ("name" = String, Path), ("version" = u32, Path, minimum = 1)),
    responses((status = 200, description = "The version", body = ref("#/components/schemas/Method")))
)]
pub async fn show(
    State(api): Shared,
    At((object, name, version)): At<(ObjectId, MethodName, u32)>,
) -> Result<Answer<Method>, Problem> {
    Ok(Answer(pick(&api, &object, &name, version).await?))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DiffQuery {
    /// Absent: the version before `to`.
    #[param(minimum = 1)]
    from: Option<u32>,
    /// Absent: the version in force.
    #[param(minimum = 1)]
    to: Option<u32>,
}

#[derive(Serialize)]
pub struct Diff {
    from: u32,
    to: u32,
    unified: String,
}

/// What differs between two versions of an object's own method.
#[utoipa::path(
    get, path = "/objects/{key}/methods/{name}/diff", operation_id = "diff_versions", tag = "methods",
    params(("key" = String, Path), ("name" = String, Path), DiffQuery),
    responses((status = 200, description = "Bodies and quotas as a unified diff",
        body = ref("#/components/schemas/Diff")))
)]
pub async fn compare(
    State(api): Shared,
    At((object, name)): At<(ObjectId, MethodName)>,
    Asked(query): Asked<DiffQuery>,
) -> Result<Answer<Diff>, Problem> {
    let to = match query.to {
        Some(to) => pick(&api, &object, &name, to).await?,
        None => api.orchestrator.own(&object, &name).await?,
    };
    let from = query.from.unwrap_or_else(|| to.version.saturating_sub(1));
    if from == 0 && query.from.is_none() {
        let text = format!("method '{name}' of '{object}' has no version before version {}", to.version);
        return Err(Problem::new(StatusCode::NOT_FOUND, Kind::MethodNotFound, text));
    }
    let from = pick(&api, &object, &name, from).await?;
    let unified = diff::of_versions(&from, &to);
    Ok(Answer(Diff { from: from.version, to: to.version, unified }))
}

async fn pick(api: &Api, object: &ObjectId, name: &MethodName, version: u32) -> Result<Method, StoreError> {
    let found = api.orchestrator.store().version(object, name, version).await?;
    found.ok_or_else(|| StoreError::VersionNotFound { object: object.clone(), name: name.clone(), version })
}
