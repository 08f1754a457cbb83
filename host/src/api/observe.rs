//! What is noted of every request: its id, a log line, a count; and what is answered when a handler panics.

use std::any::Any;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;
use uuid::Uuid;

use super::metrics;
use super::problem::Problem;
use crate::object::Kind;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static ID: HeaderValue;
}

/// The id of the request that is being answered.
pub fn id() -> Option<String> {
    ID.try_with(|id| id.to_str().ok().map(str::to_owned)).ok().flatten()
}

/// The outermost layers.
pub fn observed<S: Clone + Send + Sync + 'static>(routes: Router<S>) -> Router<S> {
    routes.layer(CatchPanicLayer::custom(panicked)).layer(middleware::from_fn(observe))
}

/// Gives the request an id (the client's own if it sent a usable one) and answers with it.
async fn observe(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    // Of the highest level, so that whatever is logged has the id.
    let span = tracing::error_span!("request", id = id.to_str().unwrap_or_default(), %method, route);
    let start = Instant::now();
    let mut response = ID.scope(id.clone(), next.run(request)).instrument(span.clone()).await;
    span.in_scope(
        || tracing::debug!(status = response.status().as_u16(), elapsed = ?start.elapsed(), "answered"),
    );
    metrics::count_request(&method, route, response.status());
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // All that is answered is true now and not for longer.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn request_id(request: &Request) -> HeaderValue {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    let usable = |id: &&HeaderValue| (1..=64).contains(&id.len()) && id.as_bytes().iter().all(harmless);
    if let Some(id) = request.headers().get(REQUEST_ID).filter(usable) {
        return id.clone();
    }
    // A UUID is ASCII, so this cannot fail.
    HeaderValue::from_str(&Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("none"))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a text");
    tracing::error!("a handler panicked: {text}");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        Kind::Internal,
        "The server failed on this request; its log says why, under the id in X-Request-Id.",
    )
    .into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::routing::get;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_without_its_text_and_with_the_id_under_which_it_is_logged() {
        let routes = Router::new().route("/", get(async || -> &'static str { panic!("/secret/place") }));
        let request = Request::get("/").header(REQUEST_ID, "mine-1").body(Body::empty()).unwrap();
        let response = TowerToHyperService::new(observed(routes)).call(request).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(response.headers()[REQUEST_ID], "mine-1");
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let detail = "The server failed on this request; its log says why, under the id in X-Request-Id.";
        assert_eq!((&problem["kind"], &problem["detail"]), (&"Internal".into(), &detail.into()));
        assert_eq!(problem["request_id"], "mine-1");
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }
}
