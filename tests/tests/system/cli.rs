//! The command line against a running server.

use aura_tests::{Instance, Reply, ScriptedMind, Server};

fn mind() -> ScriptedMind {
    let mind = ScriptedMind::start_blocking();
    mind.by_method(|name| match name {
        "greet" => Some(Reply::code("print('Good day.')\nreturn 'Hello, ' + (args[0] if args else 'you')")),
        "list_files" => Some(Reply::code("import os\nreturn os.listdir()")),
        _ => Some(Reply::code("raise ValueError('no')")),
    });
    mind
}

#[test]
fn send_prints_output_and_result_and_says_what_happened() {
    let mind = mind();
    let server = Server::start(&mind);
    let taught = server.cli().run(&["send", "system", "teach_yourself_to_greet"]);
    assert_eq!((taught.code, taught.stdout.as_str()), (Some(0), "Good day.\n\"Hello, you\"\n"), "{taught:?}");
    assert!(taught.stderr.contains("UvmObjects/system learnt 'greet'"), "{taught:?}");
    let greeted = server.cli().run(&["send", "UvmObjects/system", "greet", "[\"Ada\"]"]);
    assert_eq!(
        (greeted.code, greeted.stdout.as_str()),
        (Some(0), "Good day.\n\"Hello, Ada\"\n"),
        "{greeted:?}"
    );
    assert!(greeted.stderr.contains("answered 'greet'"), "{greeted:?}");
    let record = server.cli().run(&["send", "--json", "system", "greet"]);
    let record: serde_json::Value = serde_json::from_str(&record.stdout).expect("a record");
    assert_eq!((&record["status"], &record["generated"]), (&"completed".into(), &false.into()));
    assert_eq!(mind.requests().len(), 1);
}

#[test]
fn exit_status_tells_how_it_went() {
    let mind = mind();
    let server = Server::start(&mind);
    let refused = server.cli().run(&["send", "system", "teach_yourself_to_list_files"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("Disallowed import of module 'os' at line 1."), "{refused:?}");
    assert_eq!(server.cli().run(&["send", "system", "greet", "{not json"]).code, Some(2));
    assert_eq!(server.cli().run(&["send"]).code, Some(2));
    let alone = Instance::new(&[("AURA_URL", "http://127.0.0.1:1")]);
    let unreachable = alone.run(&["send", "system", "greet"]);
    assert_eq!(unreachable.code, Some(3), "{unreachable:?}");
}

#[test]
fn a_proxy_stands_before_all_but_this_machine() {
    let proxy = ScriptedMind::start_blocking();
    let mut instance = Instance::new(&[("http_proxy", &proxy.url())]);
    for (url, code, text) in [
        ("http://127.0.0.1:1", 3, "AURA does not answer at http://127.0.0.1:1. "),
        (
            "http://127.example.invalid",
            1,
            "What answers at http://127.example.invalid is not AURA (HTTP 404 Not Found).\n",
        ),
    ] {
        instance.set("AURA_URL", url);
        let done = instance.run(&["send", "system", "greet"]);
        assert!(done.code == Some(code) && done.stderr.starts_with(&format!("error: {text}")), "{done:?}");
    }
}

#[test]
fn repl_makes_first_contact() {
    let mind = mind();
    let server = Server::start(&mind);
    let script = "help\nsend UvmObjects/system teach_yourself_to_greet\nsend system greet '[\"dear Ada\"]' '{}'\n\
                  send system teach_yourself_to_list_files\nexit\n";
    let done = server.cli().run_with(&["repl"], script);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.stdout.contains("\"Hello, you\"") && done.stdout.contains("\"Hello, dear Ada\""),
        "{done:?}"
    );
    let all = format!("{}{}", done.stdout, done.stderr);
    assert!(all.contains("Disallowed import of module 'os' at line 1."), "{done:?}");
    let methods = server.cli().run(&["object", "show", "system", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&methods.stdout).expect("an object");
    assert_eq!(object["methods"], serde_json::json!(["greet"]));
    let mut alone = Instance::new(&[]);
    alone.set("AURA_URL", "http://127.0.0.1:1");
    let done = alone.run_with(&["repl"], "send system greet\nhelp\n");
    assert!(done.code == Some(3) && done.stdout.starts_with("send TARGET METHOD"), "{done:?}");
}

#[test]
fn a_program_that_does_not_wait_any_longer_has_the_id() {
    let server = Server::start_with(&[("OLLAMA_HOST", "http://127.0.0.1:1")]);
    let endless =
        ["method", "install", "system", "spin", "-", "--wall-ms", "60000", "--fuel", "1000000000000"];
    let done = server.cli().run_with(&endless, "while True: pass");
    assert_eq!(done.code, Some(0), "{done:?}");
    let done = server.cli().run(&["send", "system", "spin", "--timeout", "1", "--json"]);
    let receipt: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    let id = receipt["message_id"].as_str().expect("an id");
    assert_eq!((done.code, &receipt["status"]), (Some(1), &"accepted".into()));
    assert!(done.stderr.ends_with(&format!("/messages/{id}.\n")), "{done:?}");
}

#[test]
fn audit_reads_a_file_or_a_pipe() {
    let alone = Instance::new(&[]);
    let good = alone.run_with(&["audit", "-"], "return 1");
    assert_eq!((good.code, good.stdout.as_str()), (Some(0), "Accepted.\n"), "{good:?}");
    let file = alone.folder().join("method.py");
    std::fs::write(&file, "import os\nreturn 1").expect("a file");
    let bad = alone.run(&["audit", file.to_str().expect("UTF-8")]);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert_eq!(bad.stdout, "1:1 import: Disallowed import of module 'os' at line 1.\n");
    let deep = alone.run_with(&["audit", "-"], &format!("x = {}1", "-".repeat(60_000)));
    assert_eq!(deep.code, Some(1), "{deep:?}");
}

#[test]
fn genesis_twice_changes_nothing() {
    let alone = Instance::new(&[]);
    assert_eq!(alone.run(&["genesis", "--no-models"]).code, Some(0));
    let again = alone.run(&["genesis", "--no-models"]);
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(!again.stdout.contains("Created"), "{again:?}");
}
