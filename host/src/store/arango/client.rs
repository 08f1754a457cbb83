//! HTTP to the coordinators: the one place through which every byte goes.
//!
//! It is the client under `arangors`, which gives that crate what it lacks: timeouts, bounded answers, errors
//! without a body said as errors with one, and a new token when the old one has expired.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arangors::ClientError;
use arangors::client::ClientExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Request, Response};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::error::{Answered, Failure};
use crate::object::one_line;
use crate::outbound::root_cause;

/// The largest answer that is read.
const ANSWER_BYTES: usize = 256 << 20;

/// A server accepts a connection within this time or not at all.
const CONNECT: Duration = Duration::from_secs(5);

/// For what is asked before the settings are known.
const FIRST: Duration = Duration::from_secs(10);

/// Characters of a foreign answer that an error repeats.
const QUOTE: usize = 200;

/// How to get in.
pub(super) struct Door {
    /// The URL of the cluster, with a slash at its end.
    pub url: reqwest::Url,
    pub user: String,
    pub password: String,
    /// For one request with its answer.
    pub timeout: Duration,
}

#[derive(Clone)]
pub struct Link {
    shared: Arc<Shared>,
    headers: HeaderMap,
}

struct Shared {
    http: reqwest::Client,
    door: OnceLock<Door>,
    /// None before the first login.
    token: Mutex<Option<Token>>,
}

/// None where the server asks for none.
struct Token(Option<HeaderValue>);

impl Link {
    /// From now on requests go with the door's user. The first door stays.
    pub(super) fn unlock(&self, door: Door) {
        let _ = self.shared.door.set(door);
    }

    /// Sends a request and reads its whole answer, which is a success.
    pub(super) async fn ask(&self, request: Request<String>) -> Answered<String> {
        let answer = self.send(request).await?;
        let status = answer.status().as_u16();
        if answer.status().is_success() {
            Ok(answer.into_body())
        } else {
            Err(refusal(status, answer.body()))
        }
    }

    /// Sends a request, with a fresh token and once again if the token was refused.
    async fn send(&self, request: Request<String>) -> Answered<Response<String>> {
        let Some(door) = self.shared.door.get() else {
            return self.exchange(&request, None, FIRST).await;
        };
        let token = self.token(door, None).await?;
        let answer = self.exchange(&request, token.as_ref(), door.timeout).await?;
        if answer.status() != 401 {
            return Ok(answer);
        }
        // Refused before anything was done, so that it may be sent again.
        let token = self.token(door, token.as_ref()).await?;
        self.exchange(&request, token.as_ref(), door.timeout).await
    }

    /// The token, other than `refused`. None where the server asks for none.
    async fn token(&self, door: &Door, refused: Option<&HeaderValue>) -> Answered<Option<HeaderValue>> {
        let mut token = self.shared.token.lock().await;
        match &*token {
            Some(Token(held)) if refused.is_none() || held.as_ref() != refused => Ok(held.clone()),
            _ => Ok(token.insert(Token(self.log_in(door).await?)).0.clone()),
        }
    }

    async fn log_in(&self, door: &Door) -> Answered<Option<HeaderValue>> {
        #[derive(Deserialize)]
        struct Login {
            jwt: String,
        }
        let body = json!({ "username": door.user, "password": door.password }).to_string();
        let request = Request::post(format!("{}_open/auth", door.url)).body(body).map_err(nonsense)?;
        let answer = self.exchange(&request, None, door.timeout).await?;
        match answer.status().as_u16() {
            // Authentication is switched off.
            404 => return Ok(None),
            status if !answer.status().is_success() => return Err(refusal(status, answer.body())),
            _ => {}
        }
        let login: Login =
            serde_json::from_str(answer.body()).map_err(|_| nonsense("a login without a token"))?;
        let mut token = HeaderValue::from_str(&format!("Bearer {}", login.jwt))
            .map_err(|_| nonsense("a token that is none"))?;
        token.set_sensitive(true);
        Ok(Some(token))
    }

    async fn exchange(
        &self,
        request: &Request<String>,
        token: Option<&HeaderValue>,
        timeout: Duration,
    ) -> Answered<Response<String>> {
        let url = reqwest::Url::parse(&request.uri().to_string()).map_err(nonsense)?;
        let mut headers = self.headers.clone();
        headers.extend(request.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token.clone());
        }
        let mut sent =
            self.shared.http.request(request.method().clone(), url.clone()).headers(headers).timeout(timeout);
        if !request.body().is_empty() {
            sent = sent.header(CONTENT_TYPE, "application/json").body(request.body().clone());
        }
        let mut response = sent.send().await.map_err(|error| absent(&url, &error))?;
        let mut answer = Response::builder().status(response.status());
        if let Some(headers) = answer.headers_mut() {
            headers.clone_from(response.headers());
        }
        if response.content_length().is_some_and(|bytes| bytes > ANSWER_BYTES as u64) {
            return Err(Failure::TooLarge(ANSWER_BYTES >> 20));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| cut_off(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err(Failure::TooLarge(ANSWER_BYTES >> 20));
            }
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8(body).map_err(|_| nonsense("text that is not UTF-8"))?;
        answer.body(body).map_err(nonsense)
    }
}

#[async_trait::async_trait]
impl ClientExt for Link {
    fn new<U: Into<Option<HeaderMap>>>(headers: U) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| ClientError::HttpClient(root_cause(&error)))?;
        let shared = Shared { http, door: OnceLock::new(), token: Mutex::new(None) };
        Ok(Self { shared: Arc::new(shared), headers: headers.into().unwrap_or_default() })
    }

    fn headers(&mut self) -> &mut HeaderMap {
        &mut self.headers
    }

    /// Every error has the body that the crate looks for, even where the server sent none.
    async fn request(&self, request: Request<String>) -> Result<Response<String>, ClientError> {
        let answer =
            self.send(request).await.map_err(|failure| ClientError::HttpClient(failure.to_string()))?;
        if answer.status().is_success() || answer.status().is_redirection() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let failure = refusal(status, answer.body());
        let message = if let Failure::Refused { message, .. } = &failure { message.as_str() } else { "" };
        let body =
            json!({ "error": true, "code": status, "errorNum": failure.number(), "errorMessage": message });
        Ok(answer.map(|_| body.to_string()))
    }
}

/// What an answer with an error's status says.
pub(super) fn refusal(status: u16, body: &str) -> Failure {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Said {
        error_num: u32,
        error_message: String,
    }
    let (number, message) = match serde_json::from_str::<Said>(body) {
        Ok(said) => (said.error_num, quote(&said.error_message)),
        Err(_) if body.is_empty() => (0, "no reason given".to_owned()),
        Err(_) => (0, quote(body)),
    };
    Failure::Refused { status, number, message, item: None }
}

#[expect(clippy::needless_pass_by_value, reason = "it takes what `map_err` gives")]
pub(super) fn nonsense(what: impl ToString) -> Failure {
    Failure::Nonsense(quote(&what.to_string()))
}

fn absent(url: &reqwest::Url, error: &reqwest::Error) -> Failure {
    let server = url.origin().ascii_serialization();
    let cause = if error.is_timeout() { "no answer in time".to_owned() } else { root_cause(error) };
    if error.is_connect() {
        return Failure::Unreachable(format!(
            "ArangoDB at {server} cannot be reached ({cause}); start it, or set ARANGO_HOST"
        ));
    }
    Failure::Lost(format!("ArangoDB at {server} took a request and did not answer ({cause}); try again"))
}

fn cut_off(error: &reqwest::Error) -> Failure {
    let cause = if error.is_timeout() { "no more of it in time".to_owned() } else { root_cause(error) };
    Failure::Lost(format!("an answer of ArangoDB was cut off ({cause}); try again"))
}

fn quote(text: &str) -> String {
    one_line(text, QUOTE)
}
