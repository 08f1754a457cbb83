//! Who may use the API.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::clients::Client;
use super::problem::Problem;
use super::{Api, Shared};
use crate::object::Kind;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The bearer token that clients must show, kept as a digest: comparing digests takes the same time whatever
/// was shown.
pub struct Token([u8; 32]);

impl Token {
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    fn admits(&self, shown: &str) -> bool {
        Sha256::digest(shown.as_bytes()).ct_eq(&self.0).into()
    }
}

/// Who sent a request: set by the server for each connection.
#[derive(Clone, Copy)]
pub struct Sender(pub Option<Client>);

/// Far longer than any address here.
const MAX_URI_BYTES: usize = 8 << 10;

/// Probes have no credentials.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

pub async fn check(State(api): Shared, request: Request, next: Next) -> Response {
    match verdict(&api, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn verdict(api: &Arc<Api>, request: &Request) -> Result<(), Problem> {
    // Before the token is looked at, so that nobody can try many.
    if let Some(Sender(Some(client))) = request.extensions().get()
        && !api.clients.may_ask(*client)
    {
        let text = "You ask more often than this server allows (AURA_RATE): try again later.";
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, Kind::Busy, text));
    }
    let uri = request.uri();
    if uri.path().len() + uri.query().map_or(0, str::len) > MAX_URI_BYTES {
        let text = format!("The address is longer than {MAX_URI_BYTES} bytes.");
        return Err(Problem::new(StatusCode::URI_TOO_LONG, Kind::Malformed, text));
    }
    let host = host(request)?;
    if OPEN.contains(&request.uri().path()) {
        return Ok(());
    }
    if api.token.is_none() {
        return check_host(host.as_ref()).and_then(|()| check_page(request.headers()));
    }
    if api.is_trusted(request.headers()) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNAUTHORIZED,
        Kind::Unauthorized,
        "Show the server's token (AURA_API_TOKEN): Authorization: Bearer TOKEN.",
    ))
}

impl Api {
    /// Whether the token was shown, if there is one.
    pub(super) fn is_trusted(&self, headers: &HeaderMap) -> bool {
        self.token.as_ref().is_none_or(|token| bearer(headers).is_some_and(|shown| token.admits(shown)))
    }
}

/// The token that is shown, if it is one.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut shown = headers.get_all(header::AUTHORIZATION).into_iter();
    let (Some(only), None) = (shown.next(), shown.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// Whom a request is for; none is named before HTTP 1.1.
fn host(request: &Request) -> Result<Option<Authority>, Problem> {
    let mut hosts = request.headers().get_all(header::HOST).into_iter();
    let read = |host: &HeaderValue| host.to_str().ok()?.parse().ok();
    match (hosts.next().map(read), hosts.next()) {
        (Some(Some(host)), None) => Ok(Some(host)),
        (None, None) if request.version() == Version::HTTP_10 => Ok(None),
        _ => Err(Problem::malformed("Send the header Host, once, as HOST or HOST:PORT.")),
    }
}

/// Without a token the server listens on loopback only; a request for another name comes from a web page whose
/// name was made to point here (DNS rebinding).
fn check_host(host: Option<&Authority>) -> Result<(), Problem> {
    if host.is_none_or(is_local) {
        return Ok(());
    }
    Err(foreign("This server has no token (AURA_API_TOKEN) and answers only to localhost and to addresses."))
}

fn is_local(host: &Authority) -> bool {
    let name = host.host().trim_matches(['[', ']']);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// Nor may a web page from elsewhere, open in a browser on this machine, use what needs no token. Browsers say where
/// a page is from; following a link to here is what a person does.
fn check_page(headers: &HeaderMap) -> Result<(), Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let own = |origin: &HeaderValue| {
        origin.to_str().is_ok_and(|origin| origin.strip_prefix("http://").is_some_and(|from| from == host))
    };
    let elsewhere = |name: HeaderName, values: &[&str]| {
        headers.get(name).is_some_and(|said| values.iter().any(|value| said == value))
    };
    let fetched =
        elsewhere(SEC_FETCH_SITE, &["cross-site", "same-site"]) && !elsewhere(SEC_FETCH_MODE, &["navigate"]);
    if headers.get_all(header::ORIGIN).into_iter().all(own) && !fetched {
        return Ok(());
    }
    Err(foreign("This server has no token (AURA_API_TOKEN) and answers no web pages of other sites."))
}

fn foreign(text: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, Kind::Unauthorized, text)
}
