//! What is noted of every request: its id, a log line, a count; and what is answered when a handler panics.

use std::any::Any;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;
use uuid::Uuid;

use super::metrics;
use super::problem::Problem;
use crate::object::Kind;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Outermost layer: gives the request an id (the client's own if it sent a usable one) and answers with it.
pub async fn observe(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), %method, route);
    let start = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    span.in_scope(
        || tracing::debug!(status = response.status().as_u16(), elapsed = ?start.elapsed(), "answered"),
    );
    metrics::count_request(&method, route, response.status());
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

fn request_id(request: &Request) -> HeaderValue {
    let usable =
        |id: &&HeaderValue| (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    if let Some(id) = request.headers().get(REQUEST_ID).filter(usable) {
        return id.clone();
    }
    // A UUID is ASCII, so this cannot fail.
    HeaderValue::from_str(&Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("none"))
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
pub fn panicked(panic: Box<dyn Any + Send>) -> Response {
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
