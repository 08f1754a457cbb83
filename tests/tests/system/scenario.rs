//! Scenario files: what the mind answers, what is sent, and exactly what comes of it.
//!
//! ```toml
//! settings = { AURA_MIND_ATTEMPTS = "2" }    # optional: more than the scripted mind's address
//!
//! [mind]                                     # the answers for each method, in order; all must be used
//! greet = ["import os", "return 'Hello'"]    # a text is a method body; a table is another kind of answer
//!
//! [[object]]                                 # made before the steps, through the API
//! key = "child"
//! prototypes = ["system"]
//! attributes = '{"n": 1}'
//!
//! [[method]]
//! on = "child"
//! name = "count"
//! source = "return self.n"
//!
//! [[step]]
//! send = "system greet"                      # or http = "GET /objects/system", or cli = ["object", "list"]
//! args = '["Bob"]'
//! result = '"Hello"'                         # JSON texts are compared as texts
//! generated = true                           # what is left out must be false, empty or 0
//! after = { system = { attributes = '{}', methods = ["greet"] } }
//! ```
//!
//! `{mind}` in an expected text is where the mind is.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use aura_tests::{Record, Reply, ScriptedMind, Server};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    #[serde(default)]
    settings: BTreeMap<String, String>,
    #[serde(default)]
    mind: HashMap<String, VecDeque<Said>>,
    #[serde(default)]
    object: Vec<Object>,
    #[serde(default)]
    method: Vec<Method>,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Code(String),
    Other(Other),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Other {
    /// Words in the place of the schema's JSON.
    Text(String),
    /// A body that is not what the protocol says.
    Raw(String),
    /// An error with this status and body.
    Status(u16, String),
    /// Silence for so many seconds, then the connection closed.
    SilentS(u64),
    /// The beginning of an answer, then the connection closed.
    Broken(String),
}

impl Said {
    fn reply(&self) -> Reply {
        match self {
            Self::Code(code) => Reply::code(code),
            Self::Other(Other::Text(text)) => Reply::text(text),
            Self::Other(Other::Raw(body)) => Reply::raw(body),
            Self::Other(Other::Status(status, body)) => Reply::status(*status, body),
            Self::Other(Other::SilentS(seconds)) => Reply::close().after(Duration::from_secs(*seconds)),
            Self::Other(Other::Broken(text)) => Reply::broken(text),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    key: String,
    #[serde(default)]
    prototypes: Vec<String>,
    attributes: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Method {
    on: String,
    name: String,
    source: String,
    quota: Option<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Step {
    Send(Box<Send>),
    Http(Http),
    Cli(Cli),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    /// Target and method.
    send: String,
    args: Option<String>,
    kwargs: Option<String>,
    seed: Option<u64>,
    fuel: Option<u64>,
    idempotency_key: Option<String>,
    #[serde(flatten)]
    expected: Expected,
    #[serde(default)]
    after: BTreeMap<String, State>,
}

/// What must come of a message.
#[derive(Deserialize)]
struct Expected {
    /// Present: the message completed.
    result: Option<String>,
    /// Present: the message failed.
    kind: Option<String>,
    message: Option<String>,
    /// Class and line of the exception.
    exception: Option<(String, u32)>,
    /// Each attempt of the mind that failed, as `KIND: MESSAGE`.
    #[serde(default)]
    failed: Vec<String>,
    #[serde(default)]
    output: String,
    #[serde(default)]
    generated: bool,
    #[serde(default)]
    state_changed: bool,
    #[serde(default)]
    attempts: u32,
    /// Questions the mind got; `attempts` if left out.
    asked: Option<usize>,
    /// What the mind was told with each of these questions.
    #[serde(default)]
    told: Vec<String>,
    /// Object and version of the method that ran.
    ran: Option<(String, u32)>,
    fuel_limit: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    attributes: Option<String>,
    methods: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Http {
    /// Verb and path.
    http: String,
    #[serde(default)]
    body: String,
    status: u16,
    /// Fields that the answer must have, among others.
    #[serde(default)]
    answer: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cli {
    cli: Vec<String>,
    #[serde(default)]
    exit: i32,
    stdout: String,
}

/// Plays one file.
pub async fn play(text: &str) {
    let scenario: Scenario = toml::from_str(text).unwrap_or_else(|error| panic!("the file: {error}"));
    let stage = Stage::set(scenario.mind, &scenario.settings).await;
    for object in &scenario.object {
        stage.create(object).await;
    }
    for method in &scenario.method {
        stage.install(method).await;
    }
    for (index, step) in scenario.step.iter().enumerate() {
        println!("step {}", index + 1);
        match step {
            Step::Send(step) => stage.send(step).await,
            Step::Http(step) => stage.http(step).await,
            Step::Cli(step) => stage.cli(step),
        }
    }
    stage.all_was_said();
}

type Answers = Mutex<HashMap<String, VecDeque<Said>>>;

struct Stage {
    mind: ScriptedMind,
    answers: &'static Answers,
    server: Server,
}

impl Stage {
    async fn set(answers: HashMap<String, VecDeque<Said>>, settings: &BTreeMap<String, String>) -> Self {
        let mind = ScriptedMind::start().await;
        // For the rest of this test's process.
        let answers: &'static Answers = Box::leak(Box::new(Mutex::new(answers)));
        mind.by_method(|method| {
            answers.lock().unwrap().get_mut(method)?.pop_front().map(|said| said.reply())
        });
        let url = mind.url();
        let mut settings: Vec<_> =
            settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if !settings.iter().any(|(name, _)| *name == "OLLAMA_HOST") {
            settings.push(("OLLAMA_HOST", &url));
        }
        let server = Server::start_with(&settings);
        Self { mind, answers, server }
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{mind}", &self.mind.url())
    }

    async fn create(&self, object: &Object) {
        let Object { key, prototypes, attributes } = object;
        let attributes = attributes.as_deref().unwrap_or("{}");
        let body =
            format!(r#"{{"key":"{key}","prototypes":{},"attributes":{attributes}}}"#, json!(prototypes));
        let answer = self.server.client().send("POST", "/objects", &body).await;
        assert_eq!(answer.status, 201, "object {key}: {}", answer.text);
    }

    async fn install(&self, method: &Method) {
        let Method { on, name, source, quota } = method;
        let path = format!("/objects/{on}/methods/{name}");
        let mut body = json!({ "source": source });
        if let Some(quota) = quota {
            body["quota"] = quota.clone();
        }
        let answer = self.server.client().send("PUT", &path, &body.to_string()).await;
        assert_eq!(answer.status, 201, "method {name}: {}", answer.text);
    }

    async fn send(&self, step: &Send) {
        let before = self.mind.requests().len();
        let record = self.record(step).await;
        self.check(&step.expected, &record);
        let asked: Vec<String> =
            self.mind.requests()[before..].iter().map(aura_tests::Request::mandate).collect();
        let expected = step.expected.asked.unwrap_or(step.expected.attempts as usize);
        assert_eq!(asked.len(), expected, "questions to the mind: {asked:#?}");
        for (index, told) in step.expected.told.iter().enumerate() {
            let question = asked.get(index).map_or("", String::as_str);
            assert!(question.contains(told), "question {} lacks '{told}':\n{question}", index + 1);
        }
        for (key, state) in &step.after {
            self.check_state(key, state).await;
        }
    }

    async fn record(&self, step: &Send) -> Record {
        let (target, method) = step.send.split_once(' ').expect("target and method");
        let mut body = format!(r#"{{"target_object_id":"{target}","method_name":"{method}""#);
        let fields = [("args", &step.args), ("kwargs", &step.kwargs)];
        let numbers = [("seed", step.seed), ("fuel", step.fuel)];
        for (name, value) in fields {
            body.extend(value.iter().map(|value| format!(r#","{name}":{value}"#)));
        }
        for (name, value) in numbers {
            body.extend(value.iter().map(|value| format!(r#","{name}":{value}"#)));
        }
        body.push('}');
        let mut headers = vec![("content-type", "application/json"), ("prefer", "wait=120")];
        headers.extend(step.idempotency_key.iter().map(|key| ("idempotency-key", key.as_str())));
        self.server.client().request("POST", "/message", &headers, body.into()).await.record()
    }

    fn check(&self, expected: &Expected, record: &Record) {
        let error = record.error.as_ref();
        let failure = error.map(|error| format!("{}: {}", error.kind, error.message));
        match (&expected.result, &expected.kind) {
            (Some(result), None) => {
                assert_eq!(failure, None, "{record:#?}");
                assert_eq!((record.status.as_str(), record.result.get()), ("completed", result.as_str()));
            }
            (None, Some(kind)) => {
                let message = expected.message.as_deref().expect("a message goes with the kind");
                let failure = failure.unwrap_or_else(|| panic!("the message did not fail: {record:#?}"));
                assert_eq!(failure, format!("{kind}: {}", self.filled(message)));
                assert_eq!((record.status.as_str(), record.result.get()), ("failed", "null"));
            }
            _ => panic!("a step has either a result or a kind"),
        }
        let exception = error.and_then(|error| error.exception.as_ref());
        let exception =
            exception.map(|exception| (exception.class.clone(), exception.line.unwrap_or_default()));
        assert_eq!(exception, expected.exception, "{record:#?}");
        let failed: Vec<String> = error
            .iter()
            .flat_map(|error| &error.attempts)
            .map(|attempt| format!("{}: {}", attempt.fault.kind, attempt.fault.message))
            .collect();
        assert_eq!(failed, expected.failed.iter().map(|text| self.filled(text)).collect::<Vec<_>>());
        assert_eq!(record.output, expected.output);
        assert_eq!(
            (record.generated, record.state_changed, record.attempts),
            (expected.generated, expected.state_changed, expected.attempts),
            "generated, state_changed, attempts"
        );
        if let Some((object, version)) = &expected.ran {
            let ran = (record.source_object_id.as_deref(), record.method_version);
            assert_eq!(ran, (Some(format!("UvmObjects/{object}").as_str()), Some(*version)));
        }
        if let Some(limit) = expected.fuel_limit {
            assert_eq!(record.fuel_limit, Some(limit));
        }
    }

    async fn check_state(&self, key: &str, state: &State) {
        let object = self.server.client().get(&format!("/objects/{key}")).await;
        assert_eq!(object.status, 200, "{}", object.text);
        if let Some(attributes) = &state.attributes {
            assert_eq!(&object.raw("attributes"), attributes, "attributes of {key}");
        }
        if let Some(methods) = &state.methods {
            assert_eq!(object.json()["methods"], json!(methods), "methods of {key}");
        }
    }

    async fn http(&self, step: &Http) {
        let (verb, path) = step.http.split_once(' ').expect("verb and path");
        let answer = self.server.client().send(verb, path, &step.body).await;
        assert_eq!(answer.status, step.status, "{}", answer.text);
        for (field, expected) in &step.answer {
            assert_eq!(&answer.json()[field], expected, "field {field} of {}", answer.text);
        }
    }

    fn cli(&self, step: &Cli) {
        let args: Vec<&str> = step.cli.iter().map(String::as_str).collect();
        let done = self.server.cli().run(&args);
        assert_eq!(
            (done.code, done.stdout.trim_end()),
            (Some(step.exit), step.stdout.trim_end()),
            "{}",
            done.stderr
        );
    }

    fn all_was_said(&self) {
        let answers = self.answers.lock().unwrap();
        let left: Vec<_> =
            answers.iter().filter(|(_, said)| !said.is_empty()).map(|(method, _)| method).collect();
        assert!(left.is_empty(), "the mind was not asked for all it had to say on {left:?}");
    }
}
