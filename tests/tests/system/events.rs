//! The monologue as server-sent events.

use aura_tests::{Client, Reply, ScriptedMind, Server};
use serde_json::{Value, json};

use crate::api::{NOWHERE, install, is_problem, to};

/// The steps of a message that has ended, and what the last one says.
async fn told(client: &Client, id: &str) -> (Vec<String>, String) {
    let answer = client.get(&format!("/messages/{id}/events")).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "text/event-stream"));
    let lines = |prefix| answer.text.lines().filter_map(move |line| line.strip_prefix(prefix));
    let last = lines("data: ").next_back().expect("an event");
    // All but when it was said.
    let last = last.split(r#","at":"#).next().expect("a text").to_owned();
    (lines("event: ").map(str::to_owned).collect(), last)
}

#[tokio::test]
async fn the_last_event_holds_the_exact_result_also_after_a_restart() {
    let mind = ScriptedMind::start().await;
    let server = Server::start(&mind);
    install(server.client(), "system", "much", "return [10 ** 40, 0.1]").await;
    let record = server.client().message(r#"{"target_object_id":"system","method_name":"much"}"#).await;
    let exact = format!(r#""data":{{"result":[1{},0.1]}}"#, "0".repeat(40));

    let (steps, last) = told(server.client(), &record.message_id).await;
    assert_eq!(steps, ["accepted", "resolved", "completed"]);
    assert!(last.contains(&exact), "{last}");

    let server = server.kill().restart();
    let (steps, again) = told(server.client(), &record.message_id).await;
    assert_eq!(steps, ["completed"]);
    assert_eq!(again, last);
}

#[tokio::test]
async fn the_monologue_is_heard_while_it_is_spoken() {
    let mind = ScriptedMind::start().await;
    mind.answers(vec![Reply::code("import os"), Reply::code("return 'hello'")]);
    let server = Server::start(&mind);
    let client = server.client();
    let mut events = client.events("/events").await;
    let message = to("system", "greet").to_string();

    let listen = async {
        let (mut steps, mut heard) = (Vec::<String>::new(), Vec::<Value>::new());
        while steps.last().is_none_or(|step| step != "completed") {
            let (step, data) = events.next().await;
            assert_eq!(data["step"], json!(step));
            steps.push(step);
            heard.push(data);
        }
        (steps, heard)
    };
    let (record, (steps, heard)) = tokio::join!(client.message(&message), listen);
    let answered = format!("answered: \"hello\" ({} fuel)", record.fuel_used);
    let expected = [
        ("accepted", "UvmObjects/system received 'greet'"),
        ("not_understood", "UvmObjects/system does not understand 'greet'"),
        ("mind_asked", "asking ALFRED (qwen2:7b-instruct-q4_K_M) to write 'greet'"),
        ("mind_said", r#"{"code":"import os"}"#),
        ("generated", "ALFRED wrote 'greet', 1 line"),
        ("audit_failed", "audit refused: Disallowed import of module 'os' at line 1."),
        ("mind_asked", "asking ALFRED (qwen2:7b-instruct-q4_K_M) to write 'greet', attempt 2"),
        ("mind_said", r#"{"code":"return 'hello'"}"#),
        ("generated", "ALFRED wrote 'greet', 1 line"),
        ("audit_passed", "audit passed"),
        ("validation_passed", "'greet' ran without an error"),
        ("installed", "installed 'greet' version 1 on UvmObjects/system"),
        ("completed", answered.as_str()),
    ];
    let said = steps
        .iter()
        .zip(&heard)
        .map(|(step, data)| (step.as_str(), data["text"].as_str().unwrap_or_default()));
    assert_eq!(said.collect::<Vec<_>>(), expected);
    assert!(heard.iter().all(|data| data["message_id"] == json!(record.message_id)), "{heard:?}");
    assert_eq!(heard.last().expect("an end")["data"], json!({ "result": "hello" }));

    // The same stream goes on with what comes after.
    let record = client.message(&message).await;
    for expected in ["accepted", "resolved", "completed"] {
        let (step, data) = events.next().await;
        assert_eq!((step.as_str(), &data["message_id"]), (expected, &json!(record.message_id)));
    }
}

/// Each listener holds a connection; others must get through.
#[tokio::test]
async fn listeners_do_not_lock_the_others_out() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    let mut listeners = Vec::new();
    for _ in 0..256 {
        listeners.push(client.events("/events").await);
    }
    let refused = client.get("/events").await;
    is_problem(&refused, 503, "Busy", "256 clients listen to events already: try again later");
    assert_eq!(client.get("/healthz").await.status, 200);
}
