//! Methods: reading, installing by hand, returning to earlier versions, quotas.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::input::{Asked, At, Sent};
use super::paths::in_path;
use super::problem::Problem;
use crate::object::{Method, MethodName, ObjectId, QuotaOverride, Source};
use crate::orchestrator::Suggestion;
use crate::store::StoreError;

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MethodQuery {
    /// Also what the object inherits from its prototypes.
    #[serde(default)]
    inherited: bool,
}

#[derive(Serialize)]
pub struct Methods {
    methods: Vec<Method>,
}

/// The methods of an object.
#[utoipa::path(
    get, path = "/objects/{key}/methods", operation_id = "list_methods", tag = "methods", params(("key" = String, Path), MethodQuery),
    responses((status = 200, description = "Its methods, the latest version of each",
        body = ref("#/components/schemas/Methods")))
)]
pub async fn list(
    State(api): Shared,
    At(object): At<ObjectId>,
    Asked(query): Asked<MethodQuery>,
) -> Result<Answer<Methods>, Problem> {
    let methods = api.orchestrator.store().methods(&object, query.inherited).await?;
    Ok(Answer(Methods { methods }))
}

/// A method.
#[utoipa::path(
    get, path = "/objects/{key}/methods/{name}", operation_id = "show_method", tag = "methods",
    params(("key" = String, Path), ("name" = String, Path), MethodQuery),
    responses((status = 200, description = "Its latest version", body = ref("#/components/schemas/Method")))
)]
pub async fn show(
    State(api): Shared,
    At((object, name)): At<(ObjectId, MethodName)>,
    Asked(query): Asked<MethodQuery>,
) -> Result<Answer<Method>, Problem> {
    let nearest = api.orchestrator.store().resolve(&object, &name).await?.method;
    match nearest.filter(|method| query.inherited || method.object == object) {
        Some(method) => Ok(Answer(method)),
        None => Err(StoreError::MethodNotFound { object, name }.into()),
    }
}

/// A method body to be installed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallBody {
    /// The body of `def NAME(self, *args, **kwargs):`, at most 64 KiB.
    #[schema(value_type = String, min_length = 1, max_length = 65536, example = "return 1 + 1")]
    source: Source,
    /// Absent: the quota of the version before.
    #[serde(default)]
    #[schema(value_type = Option<crate::api::openapi::QuotaSchema>)]
    quota: Option<QuotaOverride>,
}

fn checked(quota: QuotaOverride) -> Result<QuotaOverride, Problem> {
    quota.check().map_err(|error| Problem::invalid(format!("The quota is not valid: {error}.")))?;
    Ok(quota)
}

/// Installs a method by hand.
///
/// It is audited like any other; what the audit finds is answered with 422.
#[utoipa::path(
    put, path = "/objects/{key}/methods/{name}", operation_id = "install_method", tag = "methods", request_body = InstallBody,
    params(("key" = String, Path), ("name" = String, Path)),
    responses((status = 201, description = "Installed as the next version",
        body = ref("#/components/schemas/Method"), headers(("Location" = String))))
)]
pub async fn install(
    State(api): Shared,
    At((object, name)): At<(ObjectId, MethodName)>,
    Sent(body): Sent<InstallBody>,
) -> Result<Response, Problem> {
    let quota = body.quota.map(checked).transpose()?;
    Ok(created(api.orchestrator.install(object, name, body.source, quota).await?))
}

/// A version that there was not before.
pub fn created(method: Method) -> Response {
    let location = format!("/objects/{}/methods/{}", in_path(method.object.key()), method.name);
    (StatusCode::CREATED, [(header::LOCATION, location)], Answer(method)).into_response()
}

#[derive(Serialize)]
pub struct Versions {
    versions: Vec<Method>,
}

/// The versions of an object's own method, newest first.
#[utoipa::path(
    get, path = "/objects/{key}/methods/{name}/versions", operation_id = "list_versions", tag = "methods",
    params(("key" = String, Path), ("name" = String, Path)),
    responses((status = 200, description = "All versions", body = ref("#/components/schemas/Versions")))
)]
pub async fn versions(
    State(api): Shared,
    At((object, name)): At<(ObjectId, MethodName)>,
) -> Result<Answer<Versions>, Problem> {
    let versions = api.orchestrator.store().versions(&object, &name).await?;
    if versions.is_empty() {
        return Err(StoreError::MethodNotFound { object, name }.into());
    }
    Ok(Answer(Versions { versions }))
}

/// The version to return to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackBody {
    #[schema(minimum = 1)]
    version: u32,
}

/// Returns to an earlier version.
///
/// Its body is installed again, as a new version; nothing is lost.
#[utoipa::path(
    post, path = "/objects/{key}/methods/{name}/rollback", operation_id = "rollback_method", tag = "methods", request_body = RollbackBody,
    params(("key" = String, Path), ("name" = String, Path)),
    responses((status = 200, description = "The version that is in force now",
        body = ref("#/components/schemas/Method")))
)]
pub async fn rollback(
    State(api): Shared,
    At((object, name)): At<(ObjectId, MethodName)>,
    Sent(body): Sent<RollbackBody>,
) -> Result<Answer<Method>, Problem> {
    Ok(Answer(api.orchestrator.rollback(object, name, body.version).await?))
}

/// Sets a method's quota.
///
/// Limits that are absent come from the server's configuration.
#[utoipa::path(
    put, path = "/objects/{key}/methods/{name}/quota", operation_id = "set_quota", tag = "methods",
    request_body = crate::api::openapi::QuotaSchema,
    params(("key" = String, Path), ("name" = String, Path)),
    responses((status = 200, description = "The method with its quota", body = ref("#/components/schemas/Method")))
)]
pub async fn quota(
    State(api): Shared,
    At((object, name)): At<(ObjectId, MethodName)>,
    Sent(quota): Sent<QuotaOverride>,
) -> Result<Answer<Method>, Problem> {
    let quota = checked(quota)?;
    Ok(Answer(api.orchestrator.set_quota(&object, &name, quota).await?))
}

/// Suggests a quota.
///
/// From what the recorded runs of the version in force used: 99 of 100 of them would keep to two thirds of it.
#[utoipa::path(
    get, path = "/objects/{key}/methods/{name}/quota/suggestion", operation_id = "suggest_quota", tag = "methods",
    params(("key" = String, Path), ("name" = String, Path)),
    responses((status = 200, description = "The suggestion, and how the runs are spread",
        body = ref("#/components/schemas/Suggestion")))
)]
pub async fn suggest_quota(
    State(api): Shared,
    At((object, name)): At<(ObjectId, MethodName)>,
) -> Result<Answer<Suggestion>, Problem> {
    Ok(Answer(api.orchestrator.suggest_quota(object, name).await?))
}
