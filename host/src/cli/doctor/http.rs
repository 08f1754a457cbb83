//! Small questions to the services, with bounds.

use std::time::Duration;

use reqwest::{Client, RequestBuilder, Url, redirect};
use serde_json::Value;

use crate::config::is_loopback_host;
use crate::object::Timestamp;

const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of an answer.
const MOST: usize = 4 << 20;

pub struct Service {
    http: Client,
    base: Url,
}

pub struct Answer {
    pub status: u16,
    /// What its clock says, to the second.
    pub time: Option<Timestamp>,
    /// Null where it is no JSON.
    pub body: Value,
}

impl Service {
    /// None: the URL is none.
    pub fn at(base: &str) -> Option<Self> {
        let base = Url::parse(base).ok()?;
        let mut http =
            Client::builder().connect_timeout(CONNECT).timeout(PATIENCE).redirect(redirect::Policy::none());
        if base.host_str().is_some_and(is_loopback_host) {
            http = http.no_proxy();
        }
        Some(Self { http: http.build().ok()?, base })
    }

    /// Its URL without credentials.
    pub fn shown(&self) -> String {
        let mut shown = self.base.clone();
        // A URL that can hold credentials can also lose them.
        let _ = (shown.set_username(""), shown.set_password(None));
        shown.as_str().trim_end_matches('/').to_owned()
    }

    /// None: nothing answers.
    pub async fn get(&self, path: &str) -> Option<Answer> {
        self.send(self.http.get(self.url(path))).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Option<Answer> {
        self.send(self.http.post(self.url(path)).json(body)).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    async fn send(&self, request: RequestBuilder) -> Option<Answer> {
        let mut response = request.send().await.ok()?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        let time = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let time = time.map(|time| Timestamp(time.timestamp().as_millisecond()));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        // What is longer is no JSON that anything here asks for.
        while body.len() < MOST
            && let Some(chunk) = response.chunk().await.ok()?
        {
            body.extend_from_slice(&chunk);
        }
        Some(Answer { status, time, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}
