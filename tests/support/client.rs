//! The HTTP API as a client sees it: status, content type and text, and the fields that the contract names.
//!
//! Nothing here uses the product's own types, so a field that changes its name is noticed.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, Response};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Far beyond what any request takes: reaching it is a hang.
const PATIENCE: Duration = Duration::from_mins(5);

#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub location: Option<String>,
    pub etag: Option<String>,
    pub headers: HeaderMap,
    pub text: String,
}

/// Server-sent events, read as they come.
pub struct Events {
    response: Response,
    unread: Vec<u8>,
}

/// A message's record. JSON values are kept as the text that was sent.
#[derive(Debug, Deserialize)]
pub struct Record {
    pub message_id: String,
    pub status: String,
    pub result: Box<RawValue>,
    pub output: String,
    pub state_changed: bool,
    pub source_object_id: Option<String>,
    pub method_version: Option<u32>,
    pub generated: bool,
    pub attempts: u32,
    pub fuel_used: u64,
    pub fuel_limit: Option<u64>,
    pub invocation_id: Option<String>,
    pub error: Option<Failure>,
}

/// An error in a record.
#[derive(Debug, Deserialize)]
pub struct Failure {
    pub kind: String,
    pub message: String,
    pub exception: Option<Exception>,
    #[serde(default)]
    pub attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
pub struct Exception {
    #[serde(rename = "type")]
    pub class: String,
    pub line: Option<u32>,
    pub traceback: String,
}

#[derive(Debug, Deserialize)]
pub struct Attempt {
    pub attempt: u32,
    pub source: String,
    pub fault: Box<Failure>,
}

impl Answer {
    /// A header that has no field of its own.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("no JSON ({error}) with status {}: {}", self.status, self.text))
    }

    pub fn record(&self) -> Record {
        assert_eq!(self.status, 200, "no finished record: {}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("no record ({error}): {}", self.text))
    }

    /// A field of the answer that is a JSON value, as the text that was sent.
    pub fn raw(&self, field: &str) -> String {
        let fields: std::collections::HashMap<String, Box<RawValue>> = serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("no object ({error}): {}", self.text));
        fields.get(field).map_or_else(|| panic!("no field {field}: {}", self.text), ToString::to_string)
    }
}

impl Client {
    pub(crate) fn new(url: String) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build();
        Self { http: http.expect("a client without TLS needs nothing"), url }
    }

    /// `HOST:PORT` of the server.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("no server here encrypts")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], Vec::new()).await
    }

    /// Sends JSON.
    pub async fn send(&self, verb: &str, path: &str, body: &str) -> Answer {
        self.request(verb, path, &[("content-type", "application/json")], body.into()).await
    }

    /// Sends a message, given as JSON, and waits for its end.
    pub async fn message(&self, body: &str) -> Record {
        let headers = [("content-type", "application/json"), ("prefer", "wait=120")];
        self.request("POST", "/message", &headers, body.into()).await.record()
    }

    pub async fn request(&self, verb: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        self.try_request(verb, path, headers, body)
            .await
            .unwrap_or_else(|error| panic!("{verb} {path} was not answered: {error:?}"))
    }

    /// For requests during which the server may go away.
    pub async fn try_request(
        &self,
        verb: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        let verb = Method::from_bytes(verb.as_bytes()).expect("an HTTP verb");
        let mut request = self.http.request(verb, format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let header = |name| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let content_type = header("content-type").unwrap_or_default();
        let (location, etag) = (header("location"), header("etag"));
        Ok(Answer { status, content_type, location, etag, headers, text: response.text().await? })
    }

    /// Begins to listen. Nothing said after this returns is missed.
    pub async fn events(&self, path: &str) -> Events {
        let response = self.http.get(format!("{}{path}", self.url)).send().await.expect("the stream begins");
        assert_eq!(response.status().as_u16(), 200, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream", "{path}");
        Events { response, unread: Vec::new() }
    }
}

impl Events {
    /// The next event: its name and its data. What only keeps the connection alive is left out.
    pub async fn next(&mut self) -> (String, Value) {
        loop {
            while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = self.unread.drain(..end + 2).collect();
                let frame = String::from_utf8(frame).expect("events are UTF-8");
                let field = |name| frame.lines().find_map(|line| line.strip_prefix(name));
                let Some(event) = field("event: ") else { continue };
                let data = field("data: ").expect("an event has data");
                return (event.to_owned(), serde_json::from_str(data).expect("the data is JSON"));
            }
            let chunk = self.response.chunk().await.expect("the stream goes on");
            self.unread.extend_from_slice(&chunk.expect("the stream does not end"));
        }
    }
}
