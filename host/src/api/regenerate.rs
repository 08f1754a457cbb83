//! Asking the mind for a better body of a method.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::input::{At, Sent};
use super::methods::created;
use super::problem::Problem;
use super::{Api, Shared};
use crate::object::{Digest, Kind, Method, MethodName, ObjectId, Wish};
use crate::orchestrator::Regenerated;

/// What is wanted: a better body, or one that was proposed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegenerateBody {
    /// What the new body is to be like, at most 2,000 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2000, example = "shorter")]
    wish: Option<Wish>,
    /// The digest of a proposal that is to be installed although recorded runs come out differently with it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    accept: Option<Digest>,
}

/// Has the mind write a better body of an object's own method.
///
/// It is audited, and the recorded runs of the method are repeated with it. If all come out as they did it is installed.
/// Otherwise it is answered with 409 as a `proposal`, which can be accepted until the server ends.
#[utoipa::path(
    post, path = "/objects/{key}/methods/{name}/regenerate", operation_id = "regenerate_method", tag = "methods",
    request_body = RegenerateBody, params(("key" = String, Path), ("name" = String, Path)),
    responses((status = 201, description = "Installed as the next version",
        body = ref("#/components/schemas/Method"), headers(("Location" = String))))
)]
pub async fn regenerate(
    State(api): Shared,
    At((object, name)): At<(ObjectId, MethodName)>,
    Sent(body): Sent<RegenerateBody>,
) -> Result<Response, Problem> {
    let method = tokio::select! {
        done = improved(&api, object, name, body) => done?,
        () = api.closed() => {
            let text = "the server stops; ask again when it is back";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, Kind::Busy, text));
        }
    };
    Ok(created(method))
}

async fn improved(
    api: &Api,
    object: ObjectId,
    name: MethodName,
    body: RegenerateBody,
) -> Result<Method, Problem> {
    match (body.wish, body.accept) {
        (Some(_), Some(_)) => Err(Problem::invalid("Send a wish or what you accept, not both.")),
        (None, Some(digest)) => Ok(api.orchestrator.accept_proposal(&object, &name, &digest).await?),
        (wish, None) => match api.orchestrator.regenerate(object, name, wish).await? {
            Regenerated::Installed(method) => Ok(*method),
            Regenerated::Proposed(proposal, fault) => Err(Problem::proposed(proposal, fault)),
        },
    }
}
