//! Who may use the API.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use super::{Api, Shared};
use crate::object::Kind;

/// The bearer token that clients must show, kept as a digest: comparing digests takes the same time whatever
/// was shown.
pub struct Token([u8; 32]);

impl Token {
    pub fn new(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    fn admits(&self, shown: &str) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown.as_bytes()).into();
        self.0.iter().zip(shown).fold(0, |difference, (ours, theirs)| difference | (ours ^ theirs)) == 0
    }
}

/// Probes have no credentials.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

pub async fn check(State(api): Shared, request: Request, next: Next) -> Response {
    match verdict(&api, &request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn verdict(api: &Arc<Api>, request: &Request) -> Result<(), Problem> {
    if OPEN.contains(&request.uri().path()) {
        return Ok(());
    }
    let Some(token) = &api.token else { return check_host(request) };
    if bearer(request.headers()).is_some_and(|shown| token.admits(shown)) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNAUTHORIZED,
        Kind::Unauthorized,
        "Show the server's token (AURA_API_TOKEN): Authorization: Bearer TOKEN.",
    ))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Without a token the server listens on loopback only; a request for another name comes from a web page whose
/// name was made to point here (DNS rebinding).
fn check_host(request: &Request) -> Result<(), Problem> {
    let Some(host) = request.headers().get(header::HOST) else { return Ok(()) };
    let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    let local = authority.is_some_and(|authority| {
        let name = authority.host().trim_matches(['[', ']']);
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
    });
    if local {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        Kind::Unauthorized,
        "This server has no token (AURA_API_TOKEN) and answers only to localhost and to addresses.",
    ))
}
