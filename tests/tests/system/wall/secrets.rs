//! Secrets stay where they were put: in no log, answer, event or report.

use std::fs;

use aura_tests::{Instance, Reply, ScriptedMind, Server};

use crate::api::{JSON, to};

const TOKEN: &str = "token-hush-1";
const KEY: &str = "key-hush-2";
const PASSWORD: &str = "url-hush-3";
const CLUSTER: &str = "arango-hush-4";

/// None of them, nor what HTTP makes of a user with that password.
#[track_caller]
fn is_clean(what: &str, text: &str) {
    // `me:url-hush-3` in base64.
    for secret in [TOKEN, KEY, PASSWORD, CLUSTER, "bWU6dXJsLWh1c2gtMw=="] {
        let at =
            text.find(secret).map(|at| text[at.saturating_sub(200)..].chars().take(400).collect::<String>());
        assert_eq!(at, None, "{secret} in {what}");
    }
}

#[tokio::test]
async fn secrets_are_in_no_log_and_in_no_answer() {
    let mind = ScriptedMind::start().await;
    mind.answers(vec![
        Reply::code("return 'hello'"),
        Reply::status(500, r#"{"error":"no"}"#),
        Reply::status(401, r#"{"error":{"message":"who are you?"}}"#),
        Reply::close(),
        Reply::text("no code"),
    ]);
    let url = format!("{}/v1", mind.url().replace("http://", &format!("http://me:{PASSWORD}@")));
    let settings = [
        ("AURA_LOG", "trace"),
        ("AURA_API_TOKEN", TOKEN),
        ("AURA_MIND", "openai"),
        ("OPENAI_BASE_URL", &url),
        ("OPENAI_API_KEY", KEY),
        ("ARANGO_PASS", CLUSTER),
        ("AURA_MIND_ATTEMPTS", "1"),
    ];
    let server = Server::start_with(&settings);
    let client = server.client();
    let shown = format!("Bearer {TOKEN}");
    let mut all = String::new();
    for method in ["greet", "fail", "refuse", "close", "babble", "not_scripted"] {
        let headers = [JSON, ("prefer", "wait=60"), ("authorization", &shown)];
        let body = to("system", method).to_string();
        all += &client.request("POST", "/message", &headers, body.into()).await.text;
    }
    assert!(all.contains(r#""result":"hello""#), "the mind was asked: {all}");
    assert!(mind.requests()[0].authorization.is_some());
    for path in ["/metrics", "/openapi.json", "/readyz", "/messages", "/invocations", "/nothing/here"] {
        for token in [shown.as_str(), "Bearer wrong"] {
            let answer = client.request("GET", path, &[("authorization", token)], Vec::new()).await;
            is_clean("the head of an answer", &format!("{:?}", answer.headers));
            all += &answer.text;
        }
    }
    is_clean("an answer", &all);
    for command in [&["doctor"][..], &["doctor", "--json"], &["object", "list"], &["mind", "check"]] {
        let done = server.cli().run(command);
        is_clean("what a command says", &format!("{}{}", done.stdout, done.stderr));
    }
    let arguments = fs::read(format!("/proc/{}/cmdline", server.id())).expect("the server runs");
    is_clean("the command line", &String::from_utf8_lossy(&arguments));
    server.terminate();
    let log = server.stopped().log();
    assert!(log.contains("TRACE"), "all is logged");
    is_clean("the log", &log);
}

#[tokio::test]
async fn the_password_of_the_cluster_is_in_no_log() {
    let instance = Instance::new(&[
        ("AURA_LOG", "trace"),
        ("AURA_STORE", "arango"),
        ("ARANGO_HOST", "http://127.0.0.1:1"),
        ("ARANGO_PASS", CLUSTER),
    ]);
    let done = instance.run(&["genesis"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    is_clean("what is said", &format!("{}{}", done.stdout, done.stderr));
}

/// All users of a machine see its command lines.
#[test]
fn a_secret_is_no_flag() {
    let instance = Instance::new(&[]);
    for setting in [
        format!("AURA_API_TOKEN={TOKEN}"),
        format!("OPENAI_API_KEY={KEY}"),
        format!("ARANGO_PASS={CLUSTER}"),
        format!("OPENAI_BASE_URL=http://me:{PASSWORD}@mind.example"),
        format!("OLLAMA_HOST=me:{PASSWORD}@mind.example"),
    ] {
        let refused = instance.run(&["doctor", "--set", &setting]);
        let name = setting.split('=').next().expect("a name");
        let text = format!(
            "error: {name} is given as a flag, where other users of this machine can read it: put the secret into \
             the environment, .env or aura.toml.\n"
        );
        assert_eq!((refused.code, refused.stderr), (Some(2), text));
    }
}

/// A line that cannot be read is not repeated: it may be the one with the secret.
#[test]
fn a_file_of_settings_that_cannot_be_read_is_named_without_its_secrets() {
    for (name, content, text) in [
        (
            ".env",
            format!("A=1\nAURA_API_TOKEN={TOKEN} x\n"),
            ".env: the line after A cannot be read; write NAME='VALUE'",
        ),
        (".env", format!("{TOKEN} x\n"), ".env: the first line cannot be read; write NAME='VALUE'"),
        (
            "aura.toml",
            format!("AURA_FUEL = 1\nAURA_API_TOKEN = {TOKEN}\n"),
            "aura.toml: line 2 cannot be read: ",
        ),
        ("aura.toml", format!("AURA_API_TOKEN = \"{TOKEN}\n"), "aura.toml: line 1 cannot be read: "),
    ] {
        let instance = Instance::new(&[]);
        fs::write(instance.folder().join(name), content).expect("a file");
        let refused = instance.run(&["doctor"]);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
        assert!(refused.stderr.starts_with(&format!("error: {text}")), "{refused:?}");
        is_clean("what is said", &refused.stderr);
    }
}

#[tokio::test]
async fn a_token_may_be_in_a_file() {
    let mut instance = Instance::new(&[("AURA_API_TOKEN_FILE", "token")]);
    let missing = instance.run(&["serve", "--port", "0"]);
    let text = "error: AURA_API_TOKEN_FILE (environment): there is no file token\n";
    assert_eq!((missing.code, missing.stderr.as_str()), (Some(2), text));
    fs::write(instance.folder().join("token"), format!("{TOKEN}\n")).expect("a file");
    instance.set("OLLAMA_HOST", "http://127.0.0.1:1");
    let server = Server::serve(instance);
    let shown = format!("Bearer {TOKEN}");
    for (headers, status) in [(&[("authorization", shown.as_str())][..], 200), (&[], 401)] {
        assert_eq!(server.client().request("GET", "/objects", headers, Vec::new()).await.status, status);
    }
    let done = server.cli().run(&["doctor"]);
    let line = done.stdout.lines().find(|line| line.starts_with("AURA_API_TOKEN ")).expect("the setting");
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words, ["AURA_API_TOKEN", "********", "file", "token"]);
    is_clean("what a command says", &format!("{}{}", done.stdout, done.stderr));
}

#[test]
fn a_token_that_no_header_can_carry_is_refused_at_the_start() {
    for token in [" ", "\t\n", "two words", "line\nline", "söt", "\u{7f}", &"x".repeat(513)] {
        let refused = Instance::new(&[("AURA_API_TOKEN", token)]).run(&["serve", "--port", "0"]);
        let text = "error: AURA_API_TOKEN='********' (environment) is not valid: use 1 to 512 visible ASCII characters, without spaces\n";
        assert_eq!((refused.code, refused.stderr.as_str()), (Some(2), text), "{token:?}");
    }
}
