//! The mind's two protocols over real HTTP, and what becomes of its answers.

use std::sync::Mutex;
use std::time::Duration;

use aura::mind::persona::Personas;
use aura::mind::{
    Answer, ApiKey, Improvement, Mandate, Mind, MindConfig, MindError, MindKind, RecordedCall, extract,
    with_personas,
};
use aura::object::{
    Digest, ExceptionDetail, FailedAttempt, Fault, Finding, Kind, MethodName, ObjectId, Source,
};
use aura_tests::{MODEL_DIGEST, Reply, ScriptedMind};
use proptest::prelude::*;
use std::sync::Arc;

const PATIENCE: Duration = Duration::from_mins(1);
const KINDS: [MindKind; 2] = [MindKind::Ollama, MindKind::OpenAi];

fn name(text: &str) -> MethodName {
    MethodName::parse(text).expect("a method's name")
}

fn mandate(method: &str) -> Mandate {
    Mandate {
        receiver: ObjectId::parse("system").expect("an object's id"),
        method: name(method),
        args: "[2, \"zwei\"]".into(),
        kwargs: "{\"loud\": true}".into(),
        attributes: vec![("visits".into(), "number".into()), ("name".into(), "string".into())],
        methods: vec![name("introduce")],
        failed: Vec::new(),
        improvement: None,
    }
}

/// With the built-in personas.
fn from_config(config: MindConfig) -> Result<Arc<dyn Mind>, MindError> {
    with_personas(config, &Personas::genesis().expect("the built-in personas"))
}

fn connect(mind: &ScriptedMind, kind: MindKind, timeout: Duration) -> Arc<dyn Mind> {
    let base_url = if kind == MindKind::Ollama { mind.url() } else { mind.openai_url() };
    let api_key = Some(ApiKey::new("k-secret".into()));
    from_config(MindConfig { kind, base_url, api_key, model: None, timeout }).expect("a mind")
}

async fn ask(mind: &ScriptedMind, kind: MindKind) -> Result<Answer, MindError> {
    connect(mind, kind, PATIENCE).ask(&mandate("greet"), &|_| {}).await
}

/// The error of one question that is answered like this.
async fn error(kind: MindKind, reply: Reply) -> (String, String) {
    let mind = ScriptedMind::start().await;
    mind.answers(vec![reply.clone(), reply]);
    let error = ask(&mind, kind).await.expect_err("an error");
    let class = match &error {
        MindError::Unavailable(_) => "unavailable",
        MindError::Garbage(_) => "garbage",
    };
    let (server, url) = match kind {
        MindKind::Ollama => ("Ollama", mind.url()),
        MindKind::OpenAi => ("the OpenAI-compatible server", mind.openai_url()),
    };
    (class.to_owned(), error.to_string().replace(&format!("{server} at {url}"), "SERVER"))
}

#[tokio::test]
async fn every_way_of_sending_an_answer_is_read_alike() {
    let code = "print('Grüß Gott, 世界')\nreturn \"ü\" * 3";
    for kind in KINDS {
        let mind = ScriptedMind::start().await;
        let replies = |seed| Reply::code(code).shattered(seed);
        mind.answers(vec![
            Reply::code(code),
            replies(1),
            replies(2),
            replies(3).whole(),
            Reply::code(code).whole(),
        ]);
        for _ in 0..5 {
            let heard = Mutex::new(String::new());
            let asked = mandate("greet");
            let said = |piece: &str| heard.lock().unwrap().push_str(piece);
            let answer = connect(&mind, kind, PATIENCE).ask(&asked, &said).await.unwrap();
            assert_eq!(extract::body(&answer.text, &name("greet")).unwrap().as_str(), code);
            assert_eq!(heard.into_inner().unwrap(), answer.text);
            assert_eq!(
                (answer.persona.as_str(), answer.model.as_str()),
                ("ALFRED", "qwen2:7b-instruct-q4_K_M")
            );
        }
    }
}

#[tokio::test]
async fn the_question_holds_the_mandate_the_schema_and_the_steward() {
    let mind = ScriptedMind::start().await;
    mind.by_method(|method| Some(Reply::code(&format!("return '{method}'"))));
    for kind in KINDS {
        ask(&mind, kind).await.unwrap();
    }
    let [ollama, openai] = <[_; 2]>::try_from(mind.requests()).unwrap();
    for request in [&ollama, &openai] {
        assert_eq!(request.method, "greet");
        assert_eq!(
            request.mandate(),
            "Mandate: implement method 'greet' with args [2, \"zwei\"] and kwargs {\"loud\": true}.\n\
             Object: UvmObjects/system\nArguments: args[0] (int), args[1] (str), kwargs['loud'] (bool)\n\
             Attributes: self.attributes['visits'] (number), self.attributes['name'] (str)\nMethods: introduce\n\
             Write the body of def greet(self, *args, **kwargs)."
        );
        assert_eq!(request.body["stream"], true);
        let (role, text) = &request.messages[0];
        assert_eq!(role, "system");
        assert!(text.starts_with("You are ALFRED, the steward of code"), "{text}");
        assert!(text.contains("self._p_changed = True"), "{text}");
        let roles: Vec<_> = request.messages[1..].iter().map(|(role, _)| role.as_str()).collect();
        assert!(
            roles
                .chunks(2)
                .all(|pair| pair[0] == "user" && pair.get(1).is_none_or(|role| *role == "assistant"))
        );
    }
    assert_eq!(ollama.path, "/api/chat");
    assert_eq!(ollama.authorization, None);
    assert_eq!(ollama.body["format"]["required"][0], "code");
    assert_eq!(ollama.body["options"]["num_ctx"], 4096);
    assert_eq!(openai.path, "/v1/chat/completions");
    assert_eq!(openai.authorization.as_deref(), Some("Bearer k-secret"));
    let format = &openai.body["response_format"];
    assert_eq!((&format["type"], &format["json_schema"]["strict"]), (&"json_schema".into(), &true.into()));
    assert_eq!(format["json_schema"]["schema"], ollama.body["format"]);
}

#[tokio::test]
async fn a_retry_tells_what_was_wrong_and_where() {
    let mind = ScriptedMind::start().await;
    mind.by_method(|_| Some(Reply::code("return 1")));
    let exception =
        ExceptionDetail { class: "ZeroDivisionError".into(), line: Some(2), traceback: String::new() };
    let raised = Fault {
        exception: Some(Box::new(exception)),
        ..Fault::new(Kind::ValidationFailed, "PythonException: ZeroDivisionError: division by zero")
    };
    let finding = |rule: &str, message: &str| {
        Fault::audit_rejected(vec![Finding {
            rule: rule.into(),
            message: message.into(),
            line: 1,
            column: 1,
        }])
    };
    let cases = [
        (
            "a = 0\nreturn 1 / a",
            raised,
            "That raised ZeroDivisionError at line 2, which is: return 1 / a: division by zero",
        ),
        (
            "import os",
            finding("import", "module 'os' may not be imported"),
            "That was refused by the audit:\n- module 'os' may not be imported at line 1, which is: import os",
        ),
        (
            "retrun 1",
            Fault { kind: Kind::GenerationFailed, ..finding("syntax", "invalid syntax") },
            "That is not valid Python:\n- invalid syntax at line 1, which is: retrun 1",
        ),
        (
            "while True: pass",
            Fault::new(Kind::ValidationFailed, "FuelExhausted: the fuel of 100 is used up"),
            "That used too much and was stopped: the fuel of 100 is used up\nEvery loop must end; use a cheaper way.",
        ),
        (
            "self.x = 1",
            Fault::new(Kind::ValidationFailed, "CovenantViolation: attributes changed"),
            "That broke the covenant: attributes changed\nAfter every change of self.attributes put self._p_changed = True, and keep only JSON values there.",
        ),
        (
            "",
            Fault::new(Kind::GenerationFailed, "the method body is empty"),
            "That could not be used: the method body is empty",
        ),
    ];
    for (source, fault, complaint) in cases {
        let mut asked = mandate("greet");
        asked.failed = vec![FailedAttempt { attempt: 1, source: source.into(), fault }];
        connect(&mind, MindKind::Ollama, PATIENCE).ask(&asked, &|_| {}).await.unwrap();
        let told = mind.requests().pop().unwrap().mandate();
        assert!(told.ends_with(&format!("\n{complaint}\nWrite the whole body again, corrected.")), "{told}");
        assert!(told.contains(&serde_json::to_string(source).unwrap()) || source.is_empty(), "{told}");
    }
}

#[tokio::test]
async fn an_answer_says_how_it_was_asked_for() {
    for kind in KINDS {
        let mind = ScriptedMind::start().await;
        mind.by_method(|_| Some(Reply::code("return 1")));
        let mut asked = mandate("greet");
        let connected = connect(&mind, kind, PATIENCE);
        for (failures, temperature) in [(0, 0.0), (1, 0.25), (2, 0.5)] {
            let answer = connected.ask(&asked, &|_| {}).await.unwrap();
            let request = mind.requests().pop().unwrap();
            let sent = if kind == MindKind::Ollama { &request.body["options"] } else { &request.body };
            assert_eq!((answer.temperature, answer.seed), (temperature, failures));
            assert_eq!((&sent["temperature"], &sent["seed"]), (&temperature.into(), &failures.into()));
            let text = |text: &str| serde_json::to_string(text).unwrap();
            let turns = request
                .messages
                .iter()
                .map(|(role, content)| format!("{{\"role\":{},\"content\":{}}}", text(role), text(content)));
            let conversation = format!("[{}]", turns.collect::<Vec<_>>().join(","));
            assert_eq!(answer.prompt_digest, Digest::of(conversation.as_bytes()));
            let digest = (kind == MindKind::Ollama).then_some(MODEL_DIGEST);
            assert_eq!(answer.model_digest.as_deref(), digest);
            let fault = Fault::new(Kind::GenerationFailed, "no");
            asked.failed.push(FailedAttempt { attempt: 1, source: "pass".into(), fault });
        }
    }
    let mind = ScriptedMind::start().await;
    mind.by_method(|_| Some(Reply::code("return 1")));
    mind.models(&["another"]);
    assert_eq!(ask(&mind, MindKind::Ollama).await.unwrap().model_digest, None);
}

#[tokio::test]
async fn the_longest_question_fits_the_context() {
    let mind = ScriptedMind::start().await;
    mind.by_method(|_| Some(Reply::code("return 1")));
    let long = |text: &str| text.repeat(60_000 / text.len());
    let mut asked = mandate("greet");
    asked.args = format!("[\"{}\"]", long("ä"));
    asked.attributes = vec![(long("a"), "string".into())];
    asked.methods = vec![name("introduce"); 5_000];
    let fault = Fault::new(Kind::ValidationFailed, long("too bad "));
    asked.failed = vec![FailedAttempt { attempt: 1, source: long("x = 1\n"), fault }; 9];
    // A token has three characters at the least, and the answer needs 1024 of the 4096.
    let room = 3 * (4096 - 1024);
    assert!(characters(&mind, &asked).await <= room);
    let call = RecordedCall { args: asked.args.clone(), kwargs: long("k"), result: long("r") };
    asked.improvement = Some(Improvement {
        source: Source::parse(&long("y = 2\n")).unwrap(),
        wish: Some("ü".repeat(2_000).parse().unwrap()),
        calls: vec![call; 3],
    });
    for failures in (0..9).rev() {
        asked.failed.truncate(failures);
        let all = characters(&mind, &asked).await;
        assert!(all <= room, "{all} after {failures} failures");
    }
    let improvement =
        asked.improvement.map(|longest| Improvement { wish: None, calls: Vec::new(), ..longest });
    characters(&mind, &Mandate { improvement, ..mandate("greet") }).await;
    let question = mind.requests().pop().unwrap().mandate();
    assert!(question.matches("y = 2\n").count() > 500, "much of the body is told:\n{question}");
    assert!(question.contains(" … (cut)\nWrite a better body of def greet("), "{question}");
}

/// Of the whole conversation.
async fn characters(mind: &ScriptedMind, asked: &Mandate) -> usize {
    connect(mind, MindKind::Ollama, PATIENCE).ask(asked, &|_| {}).await.unwrap();
    let request = mind.requests().pop().unwrap();
    request.messages.iter().map(|(_, text)| text.chars().count()).sum()
}

#[tokio::test]
async fn what_fails_says_what_was_tried_and_what_to_do() {
    let no_model = "SERVER does not have the model 'qwen2:7b-instruct-q4_K_M': run `ollama pull qwen2:7b-instruct-q4_K_M`";
    let no_path = "SERVER answered HTTP 404: it does not have the model 'qwen2:7b-instruct-q4_K_M' (set AURA_MIND_MODEL), or its API is elsewhere (set OPENAI_BASE_URL)";
    let broke = "SERVER broke its answer off: look into its log, then try again";
    let ollama = [
        (Reply::status(404, "{\"error\": \"model not found\"}"), "unavailable", no_model),
        (
            Reply::status(403, ""),
            "unavailable",
            "SERVER answered HTTP 403: set OLLAMA_HOST to http://USER:PASSWORD@HOST:PORT with what it accepts",
        ),
        (
            Reply::status(500, "{\"error\": \"out of memory\"}"),
            "unavailable",
            "SERVER answered HTTP 500 and said: out of memory",
        ),
        (
            Reply::raw("{\"error\": \"runner stopped\"}"),
            "unavailable",
            "SERVER failed and said: runner stopped",
        ),
        (Reply::broken("{\"code"), "unavailable", broke),
        (Reply::raw("{\"message\": {\"con"), "unavailable", broke),
        (Reply::raw("<html>\n</html>"), "garbage", "SERVER answered what is not JSON: <html>"),
        (Reply::text(""), "garbage", "SERVER answered without saying anything"),
        (Reply::text(&"x".repeat(300_000)), "garbage", "SERVER answered more than 256 KiB of text"),
        (Reply::raw(&"x".repeat(2_000_000)), "garbage", "SERVER answered too much"),
    ];
    for (reply, class, text) in ollama {
        assert_eq!(error(MindKind::Ollama, reply).await, (class.to_owned(), text.to_owned()));
    }
    let openai = [
        (Reply::status(404, "{}"), "unavailable", no_path),
        (
            Reply::status(401, "{\"error\": {\"message\": \"bad key\"}}"),
            "unavailable",
            "SERVER answered HTTP 401 and said: bad key: set OPENAI_API_KEY to a key it accepts",
        ),
        (
            Reply::status(503, "loading"),
            "unavailable",
            "SERVER answered HTTP 503 and said: loading: it is busy, try again later",
        ),
        (
            Reply::raw("data: {\"error\": {\"message\": \"slot lost\"}}\n\n"),
            "unavailable",
            "SERVER failed and said: slot lost",
        ),
        (Reply::broken("{\"code"), "unavailable", broke),
        (Reply::raw("data: oops\n\n"), "garbage", "SERVER answered what is not JSON: oops"),
    ];
    for (reply, class, text) in openai {
        assert_eq!(error(MindKind::OpenAi, reply).await, (class.to_owned(), text.to_owned()));
    }
    let (class, text) = error(MindKind::Ollama, Reply::close()).await;
    assert_eq!(class, "unavailable");
    assert!(
        text.starts_with("SERVER cannot be reached (") && text.ends_with("set OLLAMA_HOST to where it is"),
        "{text}"
    );
}

#[tokio::test]
async fn silence_ends_when_patience_does() {
    for kind in KINDS {
        let mind = ScriptedMind::start().await;
        mind.answers(vec![Reply::never()]);
        let silent = connect(&mind, kind, Duration::from_millis(250));
        let error = silent.ask(&mandate("greet"), &|_| {}).await.expect_err("no answer");
        let text = error.to_string();
        assert!(
            text.ends_with("did not finish an answer of model 'qwen2:7b-instruct-q4_K_M' within 0.25 s: set AURA_MIND_TIMEOUT_S higher or AURA_MIND_MODEL to a smaller model"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_its_cure() {
    let url = ScriptedMind::start().await.url();
    let settings = |kind, base_url: &str| MindConfig {
        kind,
        base_url: base_url.into(),
        api_key: None,
        model: Some("tiny".into()),
        timeout: PATIENCE,
    };
    // The port was free a moment ago and its server is gone or going.
    let gone = format!("{}/nowhere", url.replace("127.0.0.1", "user:pass@127.0.0.1"));
    let mind = from_config(settings(MindKind::Ollama, &gone)).unwrap();
    assert_eq!(mind.describe(), ("ALFRED".to_owned(), "tiny".to_owned()));
    let text = mind.ask(&mandate("greet"), &|_| {}).await.expect_err("nobody there").to_string();
    assert!(text.contains(&format!("Ollama at {url}/nowhere")) && !text.contains("pass"), "{text}");
    let error = from_config(settings(MindKind::OpenAi, "ftp://x")).err().unwrap().to_string();
    assert_eq!(
        error,
        "'ftp://x' is not the URL of the OpenAI-compatible server: start it, or set OPENAI_BASE_URL to where it is (it usually ends in /v1)"
    );
}

#[tokio::test]
async fn a_server_without_schemas_is_asked_again_without_one() {
    let mind = ScriptedMind::start().await;
    mind.answers(vec![Reply::status(400, "{\"error\": \"response_format\"}"), Reply::code("return 1")]);
    assert_eq!(ask(&mind, MindKind::OpenAi).await.unwrap().text, "{\"code\":\"return 1\"}");
    let asked: Vec<bool> =
        mind.requests().iter().map(|request| request.body["response_format"].is_object()).collect();
    assert_eq!(asked, [true, false]);
}

#[tokio::test]
async fn a_check_names_what_is_there() {
    let mind = ScriptedMind::start().await;
    mind.models(&["qwen2:7b-instruct-q4_K_M"]);
    let (ollama, openai) =
        (connect(&mind, MindKind::Ollama, PATIENCE), connect(&mind, MindKind::OpenAi, PATIENCE));
    let url = mind.url();
    assert_eq!(
        ollama.check().await.unwrap(),
        format!("Ollama at {url} 0.9.0, model qwen2:7b-instruct-q4_K_M")
    );
    assert_eq!(
        openai.check().await.unwrap(),
        format!("the OpenAI-compatible server at {url}/v1 has qwen2:7b-instruct-q4_K_M")
    );
    mind.models(&["phi3:latest"]);
    assert_eq!(
        ollama.check().await.unwrap_err().to_string(),
        format!(
            "Ollama at {url} does not have the model 'qwen2:7b-instruct-q4_K_M': run `ollama pull qwen2:7b-instruct-q4_K_M`"
        )
    );
    assert!(mind.requests().is_empty());
}

#[test]
fn personas_are_checked_when_they_are_read() {
    let genesis = Personas::genesis().unwrap();
    let models: Vec<_> =
        genesis.all().iter().map(|persona| (persona.name.as_str(), persona.model.as_str())).collect();
    assert_eq!(
        models,
        [
            ("BRICK", "phi3:3.8b-mini-instruct-4k-q4_K_M"),
            ("ROBIN", "llama3:8b-instruct-q4_K_M"),
            ("BABS", "gemma:7b-instruct-q4_K_M"),
            ("ALFRED", "qwen2:7b-instruct-q4_K_M"),
        ]
    );
    assert_eq!(genesis.steward().role, "steward of code");
    let text = include_str!("../../genesis/personas.toml");
    let refused =
        |from: &str, to: &str| Personas::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
    assert_eq!(
        refused("steward = \"ALFRED\"", "steward = \"EVE\""),
        "the steward EVE is not among the personas"
    );
    assert_eq!(refused("\"BRICK\"", "\"ROBIN\""), "there are two personas named ROBIN");
    assert_eq!(refused("0.4", "3.0"), "persona BRICK: its temperature must be between 0 and 2");
}

#[test]
fn a_model_is_needed_once_however_it_is_named() {
    let text = include_str!("../../genesis/personas.toml");
    let text =
        text.replace("llama3:8b-instruct-q4_K_M", "Own").replace("gemma:7b-instruct-q4_K_M", "own:latest");
    let personas = Personas::parse(&text).unwrap();
    let needed = |one| -> Vec<String> {
        let all = personas.needed(one).into_iter();
        all.map(|needed| format!("{} for {} ({})", needed.pulled, needed.model, needed.personas.join(", ")))
            .collect()
    };
    let (phi, qwen) = ("phi3:3.8b-mini-instruct-4k-q4_K_M", "qwen2:7b-instruct-q4_K_M");
    let own = "Own for Own (ROBIN, BABS)".to_owned();
    assert_eq!(
        needed(None),
        [format!("{phi} for {phi} (BRICK)"), own, format!("{qwen} for {qwen} (ALFRED)")]
    );
    assert_eq!(needed(Some("tiny")), ["tiny for tiny (BRICK, ROBIN, BABS, ALFRED)"]);
    let facet = format!("{phi} for Brick:Tamland (BRICK, ROBIN, BABS, ALFRED)");
    assert_eq!(needed(Some("Brick:Tamland")), [facet]);
}

/// Answers as models give them, and the bodies they hold for `add`.
const ANSWERS: [(&str, &str); 18] = [
    (
        r#"{"code": "import re\nreturn re.findall(r'\b\\w', 'a b')"}"#,
        "import re\nreturn re.findall(r'\\b\\w', 'a b')",
    ),
    (r#"{"code": "return len(args)}"}"#, "return len(args)"),
    (r#"{"code": "return 1 # :)"}"#, "return 1 # :)"),
    (r#"{"code": "return 1"}"#, "return 1"),
    ("Sure:\n```json\n{\"code\": \"return 1\"}\n```\nEnjoy!", "return 1"),
    ("```python\nreturn 1\n```", "return 1"),
    ("Here it is:\n```\n    x = 1\n    return x\n```\nDone.", "x = 1\nreturn x"),
    ("return {'code': 1}", "return {'code': 1}"),
    ("{\"code\": \"```python\\r\\nreturn 1\\r\\n```\"}", "return 1"),
    (
        "def add(self, *args, **kwargs):\n    \"\"\"Adds.\n\n    Both.\"\"\"\n    return sum(args)",
        "\"\"\"Adds.\n\n    Both.\"\"\"\nreturn sum(args)",
    ),
    (
        "import math\n\ndef add(self) -> int:\n    return math.floor(1.5)",
        "import math\n\nreturn math.floor(1.5)",
    ),
    (
        "def add(self, a, b=2):\n    return a + b",
        "def add(self, a, b=2):\n    return a + b\nreturn add(self, *args, **kwargs)",
    ),
    ("def add(a, b):\n    return a + b", "def add(a, b):\n    return a + b\nreturn add(*args, **kwargs)"),
    ("def add(\n    self,\n    *args,\n    **kwargs,\n): return sum(args)", "return sum(args)"),
    ("class Adder:\n    def add(self, *args, **kwargs):\n        return sum(args)", "return sum(args)"),
    (
        "def twice(x):\n    return 2 * x\n\ndef add(self, a):\n    return twice(a)",
        "def twice(x):\n    return 2 * x\n\ndef add(self, a):\n    return twice(a)\nreturn add(self, *args, **kwargs)",
    ),
    (
        "def fold(n):\n    return n\n\nreturn fold(args[0])",
        "def fold(n):\n    return n\n\nreturn fold(args[0])",
    ),
    (
        "def add(self, *args, **kwargs):\n    text = \"\"\"\nreturn (\n\"\"\"\n    return text",
        "text = \"\"\"\nreturn (\n\"\"\"\nreturn text",
    ),
];

#[test]
fn a_body_is_found_in_what_models_answer() {
    for (answer, expected) in ANSWERS {
        assert_eq!(
            extract::body(answer, &name("add")).map(String::from),
            Ok(expected.to_owned()),
            "from {answer}"
        );
    }
    let refused = |answer: &str| extract::body(answer, &name("add")).unwrap_err();
    assert_eq!(refused(r#"{"code": "  "}"#), "the method body is empty");
    assert_eq!(refused(r#"{"code": "a\u0000"}"#), "the method body contains a NUL byte");
    assert_eq!(
        refused(r#"{"code": "return"#),
        "the answer is not a complete JSON object with a text \"code\"; perhaps it was too long"
    );
    for none in [
        r#"{"answer": "I cannot do that"}"#,
        r#"{"Code": "return 1"}"#,
        "\"I cannot do that\"",
        "[]",
        "42",
        "{\"thought\": \"hm\"}\n{\"answer\": \"I cannot do that\"}",
        "{'code2': 'return 1'}",
        r#"{"Code": "return 1",}"#,
        "\"I cannot do that\"\n\"really\"",
        "```json\n{\"method\": \"return 1\"}\n```",
    ] {
        assert_eq!(refused(none), "the answer is JSON, but no object with a text \"code\"", "{none}");
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("def add(".to_owned()),
        Just("class A:".to_owned()),
        Just("self, a=':'".to_owned()),
        Just("):".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("'".to_owned()),
        Just("\\".to_owned()),
        Just("\n".to_owned()),
        Just("\n    ".to_owned()),
        Just("\t".to_owned()),
        Just("```".to_owned()),
        Just("{\"code\": \"".to_owned()),
        Just("\"}".to_owned()),
        Just("import é\n".to_owned()),
        Just("return".to_owned()),
        Just("#".to_owned()),
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_answer_panics_and_every_body_is_valid(answer in hostile(), quoted in any::<bool>()) {
        let answer = if quoted { serde_json::json!({ "code": answer }).to_string() } else { answer };
        if let Ok(body) = extract::body(&answer, &name("add")) {
            prop_assert!(Source::parse(body.as_str()).is_ok());
        }
    }

    #[test]
    fn a_plain_body_comes_out_as_it_went_in(lines in proptest::collection::vec("[a-z]{1,8} = [0-9]{1,4}", 1..9)) {
        let code = lines.join("\n");
        let answer = serde_json::json!({ "code": code }).to_string();
        prop_assert_eq!(extract::body(&answer, &name("add")).map(String::from), Ok(code));
    }
}
