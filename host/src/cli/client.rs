//! Speaks to a running AURA.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use crate::config::{Config, Secret};
use crate::object::{Kind, Message, MessageId};
use crate::outbound::{self, root_cause};

/// The longest wait the server grants at once.
const MAX_WAIT: Duration = Duration::from_mins(10);
/// How much longer than the wait itself an answer may take.
const MARGIN: Duration = Duration::from_secs(30);
/// The longest that several answers of a mind may take.
const LONGEST: Duration = Duration::from_hours(1);

pub struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<Secret>,
}

/// What of a problem a person is told.
#[derive(Deserialize)]
struct Problem {
    kind: Kind,
    detail: String,
}

#[derive(Deserialize)]
struct Receipt {
    message_id: MessageId,
}

/// An answer that is not what was asked for.
pub struct Refusal {
    pub failure: Failure,
    /// The problem as it was sent.
    pub text: String,
}

/// How far a message came while one waited for it.
pub enum Sent {
    Finished(Box<Message>),
    /// The time was up.
    Going(MessageId),
    /// The server went away.
    Lost(MessageId),
    /// Ctrl-C.
    Left(MessageId),
}

impl Client {
    pub fn new(config: &Config) -> Result<Self, Failure> {
        let url = Url::parse(&config.url)
            .map_err(|error| Failure::Usage(format!("AURA cannot be at {}: {error}.", config.url)))?;
        let http = outbound::client(&url)
            .build()
            .map_err(|error| Failure::Failed(format!("no HTTP client: {}", root_cause(&error))))?;
        Ok(Self { http, url: config.url.clone(), token: config.api_token.clone() })
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        read(&self.exchange(Method::GET, path, None, None).await?.1)
    }

    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<T, Failure> {
        read(&self.exchange(method, path, Some(body), None).await?.1)
    }

    /// Asks for something that is answered with `also` as well, when it is not as one would like it.
    pub async fn either<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        also: StatusCode,
    ) -> Result<T, Failure> {
        let (status, text) = self.call(method, path, None, None, MARGIN).await?;
        if status.is_success() || status == also { read(&text) } else { Err(self.refused(status, &text)) }
    }

    /// What is answered, as it was written.
    pub async fn text(&self, path: &str) -> Result<String, Failure> {
        Ok(self.exchange(Method::GET, path, None, None).await?.1)
    }

    /// Asks for what takes as long as the mind takes.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: String,
    ) -> Result<Result<T, Refusal>, Failure> {
        let (status, text) = self.call(Method::POST, path, Some(body), None, LONGEST).await?;
        if status.is_success() {
            return read(&text).map(Ok);
        }
        Ok(Err(Refusal { failure: self.refused(status, &text), text }))
    }

    /// Sends a message and waits for it up to `patience`. Its id is known before the wait, whatever ends it.
    pub async fn message(&self, body: String, patience: Duration) -> Result<Sent, Failure> {
        let Receipt { message_id } = self.send(Method::POST, "/message", body).await?;
        let begun = Instant::now();
        loop {
            let left = patience.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(Sent::Going(message_id));
            }
            let path = format!("/messages/{message_id}");
            let answer = tokio::select! {
                answer = self.exchange(Method::GET, &path, None, Some(left.min(MAX_WAIT))) => answer,
                Ok(()) = tokio::signal::ctrl_c() => return Ok(Sent::Left(message_id)),
            };
            let text = match answer {
                Ok((_, text)) => text,
                Err(Failure::Unreachable(_)) => return Ok(Sent::Lost(message_id)),
                Err(failure) => return Err(failure),
            };
            let message: Message = read(&text)?;
            if message.status.is_final() {
                return Ok(Sent::Finished(Box::new(message)));
            }
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        wait: Option<Duration>,
    ) -> Result<(StatusCode, String), Failure> {
        let (status, text) = self.call(method, path, body, wait, wait.unwrap_or_default() + MARGIN).await?;
        if status.is_success() { Ok((status, text)) } else { Err(self.refused(status, &text)) }
    }

    /// The answer, whatever its status.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
        wait: Option<Duration>,
        timeout: Duration,
    ) -> Result<(StatusCode, String), Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        request = request.timeout(timeout);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.reveal());
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            request = request.header("prefer", format!("wait={}", wait.as_secs().max(1)));
        }
        let answer = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| self.unreachable(error))?;
        Ok((status, text))
    }

    fn unreachable(&self, error: reqwest::Error) -> Failure {
        let url = &self.url;
        Failure::Unreachable(if error.is_timeout() {
            format!("AURA at {url} did not answer in time.")
        } else if error.is_connect() {
            format!(
                "AURA does not answer at {url}. Start it with `aura serve`, or say where it is with --url."
            )
        } else {
            format!("The answer of AURA at {url} broke off: {}", error.without_url())
        })
    }

    fn refused(&self, status: StatusCode, text: &str) -> Failure {
        match serde_json::from_str::<Problem>(text) {
            Ok(problem) => Failure::of_kind(problem.kind, format!("{:?}: {}", problem.kind, problem.detail)),
            Err(_) => Failure::Failed(format!("What answers at {} is not AURA (HTTP {status}).", self.url)),
        }
    }
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::Failed(format!("AURA's answer cannot be read: {error}")))
}

/// A name as the value of a parameter, where `+` would be a space.
pub fn parameter(text: &str) -> String {
    segment(text).replace('+', "%2B")
}

/// A name as one segment of a path.
pub fn segment(text: &str) -> String {
    let mut url = Url::parse("http://x").ok();
    let path = url.as_mut().and_then(|url| {
        url.path_segments_mut().ok()?.push(text);
        Some(url.path().trim_start_matches('/').to_owned())
    });
    path.unwrap_or_default()
}
