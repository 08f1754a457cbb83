//! What a request brings, read once at the border: paths, queries, bodies and headers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use futures::StreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::problem::Problem;
use super::{Api, conditions};
use crate::object::Kind;

/// The largest body accepted.
pub const MAX_BODY_BYTES: usize = 8 << 20;

/// How much of a body beyond that is still read and thrown away, so that a client which only reads after it
/// has sent everything sees the answer and not a broken connection.
const MAX_DISCARDED_BYTES: usize = 64 << 20;

/// The longest a client may wait with `Prefer: wait`.
const MAX_WAIT: Duration = Duration::from_mins(10);

const PREFER: HeaderName = HeaderName::from_static("prefer");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The parameters in the path.
pub struct At<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        use axum::extract::path::ErrorKind;
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(failure)) => Err(match failure.into_kind() {
                ErrorKind::Message(message) | ErrorKind::DeserializeError { message, .. } => {
                    Problem::malformed(message)
                }
                // All that is read as something of Rust's own.
                ErrorKind::ParseErrorAtIndex { value, .. } | ErrorKind::ParseError { value, .. } => {
                    let value: String = value.chars().take(40).collect();
                    Problem::malformed(format!("'{value}' in the address is no number that can be there."))
                }
                other => Problem::malformed(other.to_string()),
            }),
            Err(other) => Err(Problem::malformed(other.body_text())),
        }
    }
}

/// The parameters of the query.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(failure)) => {
                let cause = std::error::Error::source(&failure).map(ToString::to_string);
                Err(Problem::malformed(format!("The query is not valid: {}.", cause.unwrap_or_default())))
            }
            Err(other) => Err(Problem::malformed(other.body_text())),
        }
    }
}

/// A JSON object as the body.
pub struct Sent<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Problem> {
        conditions::check(&request)?;
        check_content_type(request.headers())?;
        let read = tokio::time::timeout(api.patience, read_body(request.into_body()));
        let bytes = read.await.map_err(|_| {
            Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                Kind::Malformed,
                format!("The body did not arrive within {} seconds.", api.patience.as_secs()),
            )
        })??;
        parse_object(&bytes).map(Self)
    }
}

/// A form or a text is what a browser lets any web page send, so neither is read as JSON.
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get_all(header::CONTENT_ENCODING).into_iter().any(|encoding| encoding != "identity") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Kind::Malformed,
            "Send the body as it is, without Content-Encoding.",
        ));
    }
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    if is_json {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Kind::Malformed,
        "Send the body as JSON, with the header Content-Type: application/json.",
    ))
}

async fn read_body(body: Body) -> Result<Vec<u8>, Problem> {
    let mut stream = body.into_data_stream();
    let (mut bytes, mut total) = (Vec::new(), 0_usize);
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| Problem::malformed(format!("The body broke off: {error}.")))?;
        total += chunk.len();
        if total <= MAX_BODY_BYTES {
            bytes.extend_from_slice(&chunk);
        } else {
            bytes = Vec::new();
        }
        if total > MAX_BODY_BYTES + MAX_DISCARDED_BYTES {
            break;
        }
    }
    if total <= MAX_BODY_BYTES {
        return Ok(bytes);
    }
    Err(Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        Kind::Malformed,
        format!("The body is larger than {MAX_BODY_BYTES} bytes."),
    ))
}

fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| Problem::malformed("The body is not UTF-8."))?;
    let raw: &RawValue = serde_json::from_str(text)
        .map_err(|error| Problem::malformed(format!("The body is not JSON: {error}.")))?;
    if !raw.get().starts_with('{') {
        return Err(Problem::invalid("The body must be a JSON object."));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        let cause = match error.inner().classify() {
            Category::Data => error.into_inner().to_string(),
            _ => return Problem::malformed(format!("The body is not JSON: {}.", error.into_inner())),
        };
        if field == "." {
            Problem::invalid(format!("The body is not valid: {cause}."))
        } else {
            Problem::invalid(format!("The field '{field}' is not valid: {cause}."))
        }
    })
}

/// `Prefer: wait=SECONDS` (RFC 7240). As that says, a preference that cannot be read is ignored.
pub fn wait_of(headers: &HeaderMap) -> Option<Duration> {
    let preferences = headers.get_all(PREFER).into_iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split(',')).find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("wait") {
            return None;
        }
        let seconds = value.trim().trim_matches('"').parse().ok()?;
        Some(Duration::from_secs(seconds).min(MAX_WAIT))
    })
}

/// What [`wait_of`] came to, for the header `Preference-Applied`.
pub fn applied(wait: Duration) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(&format!("wait={}", wait.as_secs()));
    (HeaderName::from_static("preference-applied"), value.unwrap_or(HeaderValue::from_static("wait")))
}

pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let bytes = key.as_bytes();
    let valid =
        keys.next().is_none() && (1..=255).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    match key.to_str() {
        Ok(text) if valid => Ok(Some(text.to_owned())),
        _ => {
            Err(Problem::malformed("Idempotency-Key must be 1 to 255 visible ASCII characters, given once."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_readable_wait_preference_counts() {
        let wait = |value: &'static str| {
            wait_of(&HeaderMap::from_iter([(PREFER, HeaderValue::from_static(value))]))
                .map(|wait| wait.as_secs())
        };
        assert_eq!(wait("wait=5"), Some(5));
        assert_eq!(wait("respond-async, Wait = \"7\"; x=y"), Some(7));
        assert_eq!(wait("wait=99999"), Some(600));
        assert_eq!(wait("wait=-1"), None);
        assert_eq!(wait("wait"), None);
    }
}
