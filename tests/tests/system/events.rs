//! The monologue as server-sent events.

use aura_tests::{Client, ScriptedMind, Server};

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
    let source = serde_json::json!({"source": "return [10 ** 40, 0.1]"}).to_string();
    assert_eq!(server.client().send("PUT", "/objects/system/methods/much", &source).await.status, 201);
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
