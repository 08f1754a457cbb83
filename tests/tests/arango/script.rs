//! A coordinator that plays a script: each request has to be exactly the next one, then it gets its answer.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aura::store::StoreError;
use aura::store::arango::{ArangoConfig, ArangoStore, aql};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::emulator::{apart, runtime};
use crate::http::{self, Answer, Request};

/// A request with its answer.
pub struct Step {
    line: String,
    token: Option<&'static str>,
    transaction: Option<&'static str>,
    /// A string in it that begins with `$` stands for any, but for the same one everywhere; `$*` for any.
    body: Option<Value>,
    answer: Answer,
}

/// A request of method and path, with the first token and an empty body, that is answered with nothing.
pub fn ask(line: impl Into<String>) -> Step {
    Step { line: line.into(), token: Some("first"), transaction: None, body: None, answer: Answer::Nothing }
}

/// A query in the image's database.
pub fn query(text: &str, values: Value) -> Step {
    ask("POST /_db/image/_api/cursor").sends(json!({ "query": text, "bindVars": values, "batchSize": 1000 }))
}

impl Step {
    pub fn sends(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    pub fn within(self, transaction: &'static str) -> Self {
        Self { transaction: Some(transaction), ..self }
    }

    pub fn token(self, token: Option<&'static str>) -> Self {
        Self { token, ..self }
    }

    pub fn gets(self, answer: Answer) -> Self {
        Self { answer, ..self }
    }

    pub fn answers(self, status: u16, body: Value) -> Self {
        self.gets(Answer::json(status, body))
    }

    pub fn rows(self, rows: Value) -> Self {
        self.answers(
            201,
            json!({ "result": rows, "hasMore": false, "cached": false, "error": false, "code": 201 }),
        )
    }

    pub fn refuses(self, status: u16, number: u32, text: &str) -> Self {
        self.answers(
            status,
            json!({ "error": true, "code": status, "errorNum": number, "errorMessage": text }),
        )
    }

    fn fits(&self, request: &Request, names: &mut HashMap<String, Value>) -> Result<(), String> {
        let line = format!("{} {}", request.method, request.path);
        let token = self.token.map(|token| format!("Bearer {token}"));
        let facts = [
            ("the line", Some(line.as_str()), Some(self.line.as_str())),
            ("authorization", request.header("authorization"), token.as_deref()),
            ("the transaction", request.header("x-arango-trx-id"), self.transaction),
            ("if-match", request.header("if-match"), None),
        ];
        for (what, found, expected) in facts {
            if found != expected {
                return Err(format!("{what} is {found:?}, not {expected:?}"));
            }
        }
        let body = if request.body.is_empty() { None } else { serde_json::from_str(&request.body).ok() };
        match (&self.body, &body) {
            (None, None) => Ok(()),
            (Some(expected), Some(found)) if same(expected, found, names) => Ok(()),
            (expected, _) => {
                let expected = expected.as_ref().map(Value::to_string).unwrap_or_default();
                Err(format!("{line}: the body is\n{}\nnot\n{expected}", request.body))
            }
        }
    }
}

fn same(expected: &Value, found: &Value, names: &mut HashMap<String, Value>) -> bool {
    match (expected, found) {
        (Value::String(name), found) if name.starts_with('$') => {
            found.is_string() && name == "$*"
                || found.is_string() && names.entry(name.clone()).or_insert_with(|| found.clone()) == found
        }
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| same(expected, found, names))
        }
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .all(|(name, expected)| found.get(name).is_some_and(|found| same(expected, found, names)))
        }
        (expected, found) => expected == found,
    }
}

struct Play {
    steps: VecDeque<Step>,
    names: HashMap<String, Value>,
    broken: Option<String>,
}

pub struct Script {
    pub url: String,
    play: Arc<Mutex<Play>>,
}

impl Script {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let play = Play { steps: steps.into_iter().collect(), names: HashMap::new(), broken: None };
        let play = Arc::new(Mutex::new(play));
        let listener = apart(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::clone(&play);
        runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        Self { url, play }
    }

    pub fn config(&self) -> ArangoConfig {
        ArangoConfig {
            url: self.url.clone(),
            user: "me".to_owned(),
            password: "secret".to_owned(),
            database: "image".to_owned(),
            ..ArangoConfig::default()
        }
    }

    /// A store whose opening goes as it should, and then the script.
    pub fn opened(steps: impl IntoIterator<Item = Step>) -> (Self, ArangoStore) {
        let script = Self::new(opening().into_iter().chain(steps));
        let store = apart(ArangoStore::connect(script.config()));
        script.assert_unbroken();
        (script, store.unwrap())
    }

    /// Why a store is not opened.
    pub fn refused(self) -> String {
        let outcome = apart(ArangoStore::connect(self.config()));
        let url = self.url.clone();
        self.ended();
        match outcome {
            Err(StoreError::Unavailable(text)) => {
                assert!(!text.contains("secret") && !text.contains('\n'), "{text}");
                text.replace(&url, "URL")
            }
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("opened"),
        }
    }

    fn assert_unbroken(&self) {
        let play = self.play.lock().unwrap();
        assert!(play.broken.is_none(), "{}", play.broken.as_deref().unwrap_or_default());
    }

    /// Waits until no more than so many steps are left.
    pub async fn arrived(&self, left: usize) {
        while self.play.lock().unwrap().steps.len() > left {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Every step was played.
    pub fn ended(self) {
        self.assert_unbroken();
        let left: Vec<_> = self.play.lock().unwrap().steps.iter().map(|step| step.line.clone()).collect();
        assert!(left.is_empty(), "never asked: {left:?}");
    }
}

async fn serve(mut stream: TcpStream, play: Arc<Mutex<Play>>) {
    let mut rest = Vec::new();
    while let Ok(Some(request)) = http::receive(&mut stream, &mut rest).await {
        let answer = play.lock().unwrap().next(&request);
        if !matches!(http::answer(&mut stream, &answer).await, Ok(true)) {
            return;
        }
    }
}

impl Play {
    fn next(&mut self, request: &Request) -> Answer {
        let line = format!("{} {}", request.method, request.path);
        let outcome = match self.steps.pop_front() {
            _ if self.broken.is_some() => return Answer::Nothing,
            None => Err(format!("{line} comes after the end: {}", request.body)),
            Some(step) => step.fits(request, &mut self.names).map(|()| step.answer),
        };
        outcome.unwrap_or_else(|broken| {
            self.broken = Some(broken);
            Answer::Nothing
        })
    }
}

/// From the first request to the answer that the server is a coordinator.
pub fn greeting() -> Vec<Step> {
    vec![
        ask("GET /").token(None).answers(301, Value::Null),
        login("first"),
        ask("GET /_db/_system/_admin/server/role")
            .answers(200, json!({ "role": "COORDINATOR", "mode": "default", "error": false, "code": 200 })),
    ]
}

pub fn login(token: &str) -> Step {
    ask("POST /_open/auth")
        .token(None)
        .sends(json!({ "username": "me", "password": "secret" }))
        .answers(200, json!({ "jwt": token }))
}

/// What the database says of itself.
pub fn current(sharding: &Value) -> Step {
    let current = json!({ "id": "9", "name": "image", "isSystem": false, "path": "", "sharding": sharding });
    ask("GET /_db/image/_api/database/current")
        .answers(200, json!({ "error": false, "code": 200, "result": current }))
}

pub fn meta(key: &str, found: Value) -> Step {
    query(aql::META, json!({ "key": key })).rows(found)
}

pub fn explain(rules: &[&str]) -> Step {
    ask("POST /_db/image/_api/explain")
        .sends(json!({ "query": aql::SAMPLE }))
        .answers(200, json!({ "plan": { "nodes": [], "rules": rules }, "error": false, "code": 200 }))
}

/// The opening of an image that is there.
pub fn opening() -> Vec<Step> {
    let mut steps = greeting();
    let single = json!("single");
    steps.extend([current(&single), current(&single), current(&single)]);
    steps.push(meta("schema", json!([{ "_key": "schema", "version": 2 }])));
    steps.push(meta("import", json!([])));
    steps.push(explain(&["use-indexes", "cluster-one-shard"]));
    steps
}
