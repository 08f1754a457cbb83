//! Objects: creating, reading, changing attributes.

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::conditions::{if_match, is_known};
use super::input::{Asked, At, Sent};
use super::messages::page_size;
use super::paths::in_path;
use super::problem::Problem;
use super::{Api, Shared};
use crate::object::{Json, Object, ObjectId, Rev};
use crate::store::{NewObject, Page, StoreError};

/// An object to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectBody {
    /// `KEY` or `UvmObjects/KEY`.
    #[schema(value_type = String, example = "counter")]
    key: ObjectId,
    #[serde(default = "Json::empty_object")]
    #[schema(value_type = Object)]
    attributes: Json,
    /// Ids of existing objects, in the order in which they are searched.
    #[serde(default)]
    #[schema(value_type = Vec<String>, default = json!([]), example = json!(["UvmObjects/system"]))]
    prototypes: Vec<ObjectId>,
}

/// Attributes to be set; those not named stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttributesBody {
    #[schema(value_type = Object)]
    attributes: Json,
}

fn attributes(json: Json) -> Result<Json, Problem> {
    json.into_object()
        .and_then(Json::without_twins)
        .map_err(|error| Problem::invalid(format!("The field 'attributes' is not valid: it {error}.")))
}

/// The prototypes of an object.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrototypesBody {
    /// Ids of existing objects, in the order in which they are searched.
    #[schema(value_type = Vec<String>, example = json!(["UvmObjects/system"]))]
    prototypes: Vec<ObjectId>,
}

/// An object with its revision as the `ETag`.
fn tagged(object: Object) -> Response {
    ([tag(&object)], Answer(object)).into_response()
}

fn tag(object: &Object) -> (HeaderName, String) {
    (header::ETAG, format!("\"{}\"", object.rev))
}

/// Creates an object.
#[utoipa::path(
    post, path = "/objects", operation_id = "create_object", tag = "objects", request_body = ObjectBody,
    responses((status = 201, description = "Created", body = ref("#/components/schemas/Object"),
        headers(("Location" = String), ("ETag" = String, description = "The revision"))))
)]
pub async fn create(State(api): Shared, Sent(body): Sent<ObjectBody>) -> Result<Response, Problem> {
    let new =
        NewObject { id: body.key, attributes: attributes(body.attributes)?, prototypes: body.prototypes };
    let object = api.orchestrator.store().create_object(new).await?;
    let location = [(header::LOCATION, format!("/objects/{}", in_path(object.id.key())))];
    Ok((StatusCode::CREATED, location, tagged(object)).into_response())
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ObjectQuery {
    /// 1 to 1000, 100 if absent.
    limit: Option<u32>,
    /// Only objects whose id sorts after this one: `next` of the page before.
    #[param(value_type = Option<String>)]
    after: Option<ObjectId>,
}

#[derive(Serialize)]
pub struct Objects {
    objects: Vec<Object>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<ObjectId>,
}

/// Objects, sorted by id.
#[utoipa::path(
    get, path = "/objects", operation_id = "list_objects", tag = "objects", params(ObjectQuery),
    responses((status = 200, description = "A page; `next` is there if more follow",
        body = ref("#/components/schemas/Objects")))
)]
pub async fn list(State(api): Shared, Asked(query): Asked<ObjectQuery>) -> Result<Answer<Objects>, Problem> {
    let limit = page_size(query.limit)?;
    let Page { items: objects, more } = api.orchestrator.store().objects(query.after.as_ref(), limit).await?;
    let next = objects.last().filter(|_| more).map(|object| object.id.clone());
    Ok(Answer(Objects { objects, next }))
}

/// An object.
#[utoipa::path(
    get, path = "/objects/{key}", operation_id = "show_object", tag = "objects",
    params(
        ("key" = String, Path),
        ("If-None-Match" = Option<String>, Header, description = "ETags of revisions that need not be sent again"),
    ),
    responses(
        (status = 200, description = "The object", body = ref("#/components/schemas/Object"),
            headers(("ETag" = String, description = "The revision"))),
        (status = 304, description = "Its revision is one of those in If-None-Match",
            headers(("ETag" = String, description = "The revision"))),
    )
)]
pub async fn show(State(api): Shared, At(id): At<ObjectId>, headers: HeaderMap) -> Result<Response, Problem> {
    let object = api.orchestrator.store().object(&id).await?;
    if is_known(&headers, &object.rev)? {
        return Ok((StatusCode::NOT_MODIFIED, [tag(&object)]).into_response());
    }
    Ok(tagged(object))
}

/// Sets attributes.
#[utoipa::path(
    patch, path = "/objects/{key}", operation_id = "patch_object", tag = "objects", request_body = AttributesBody,
    params(
        ("key" = String, Path),
        ("If-Match" = Option<String>, Header, description = "Change only this revision; otherwise 412"),
    ),
    responses((status = 200, description = "The object as it is now", body = ref("#/components/schemas/Object"),
        headers(("ETag" = String, description = "The revision"))))
)]
pub async fn patch(
    State(api): Shared,
    At(id): At<ObjectId>,
    headers: HeaderMap,
    Sent(body): Sent<AttributesBody>,
) -> Result<Response, Problem> {
    let expected = expected(&api, &id, &headers).await?;
    let patch = attributes(body.attributes)?;
    changed(api.orchestrator.patch_attributes(&id, &patch, expected.as_ref()).await, expected.is_some())
}

/// Replaces the prototypes.
#[utoipa::path(
    put, path = "/objects/{key}/prototypes", operation_id = "set_prototypes", tag = "objects",
    request_body = PrototypesBody,
    params(
        ("key" = String, Path),
        ("If-Match" = Option<String>, Header, description = "Change only this revision; otherwise 412"),
    ),
    responses((status = 200, description = "The object as it is now", body = ref("#/components/schemas/Object"),
        headers(("ETag" = String, description = "The revision"))))
)]
pub async fn set_prototypes(
    State(api): Shared,
    At(id): At<ObjectId>,
    headers: HeaderMap,
    Sent(body): Sent<PrototypesBody>,
) -> Result<Response, Problem> {
    let expected = expected(&api, &id, &headers).await?;
    let outcome = api.orchestrator.set_prototypes(&id, &body.prototypes, expected.as_ref()).await;
    changed(outcome, expected.is_some())
}

/// The revision at which a change is asked for: of several, the one that the object is at.
async fn expected(api: &Api, id: &ObjectId, headers: &HeaderMap) -> Result<Option<Rev>, Problem> {
    let Some(mut revs) = if_match(headers)? else { return Ok(None) };
    if revs.len() != 1 {
        let now = api.orchestrator.store().object(id).await?.rev;
        revs.retain(|rev| *rev == now);
    }
    let conflict = || Problem::from(StoreError::Conflict(id.clone())).of_precondition();
    revs.pop().map(Some).ok_or_else(conflict)
}

/// The answer to a change that may have been asked for at one revision only.
fn changed(outcome: Result<Object, StoreError>, conditional: bool) -> Result<Response, Problem> {
    match outcome {
        Ok(object) => Ok(tagged(object)),
        Err(error) if conditional => Err(Problem::from(error).of_precondition()),
        Err(error) => Err(error.into()),
    }
}
