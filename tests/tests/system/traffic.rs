//! Many messages at once.

use std::time::Duration;

use aura_tests::{Client, Reply, ScriptedMind, Server};
use futures::future::join_all;

use crate::api::{self, install};

const GREET: &str = r#"{"target_object_id":"system","method_name":"greet"}"#;

/// Sends a message without waiting for it; its id.
async fn accepted(client: &Client, body: &str) -> String {
    let answer = client.send("POST", "/message", body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    answer.json()["message_id"].as_str().expect("an id").to_owned()
}

async fn attribute(client: &Client, object: &str, name: &str) -> serde_json::Value {
    client.get(&format!("/objects/{object}")).await.json()["attributes"][name].clone()
}

/// Waits until a message has ended; its status.
async fn ended(client: &Client, id: &str) -> String {
    api::ended(client, id).await.json()["status"].as_str().expect("a status").to_owned()
}

#[tokio::test]
async fn one_generation_answers_all_who_asked_at_once() {
    let mind = ScriptedMind::start().await;
    mind.by_method(|_| Some(Reply::code("return 'hello'").after(Duration::from_millis(300))));
    let server = Server::start(&mind);
    let records = join_all((0..20).map(|_| server.client().message(GREET))).await;
    assert!(records.iter().all(|record| record.result.get() == r#""hello""#));
    assert_eq!(records.iter().filter(|record| record.generated).count(), 1);
    assert_eq!(mind.requests().len(), 1);
}

/// The heavy method ends with the server and not before.
#[tokio::test]
async fn a_heavy_method_does_not_hold_up_the_others() {
    let mind = ScriptedMind::start().await;
    let server = Server::start(&mind);
    let client = server.client();
    client.send("POST", "/objects", r#"{"key":"heavy","prototypes":["nil"]}"#).await;
    let endless = r#"{"source":"while True: pass","quota":{"fuel":1000000000000,"wall_ms":600000}}"#;
    assert_eq!(client.send("PUT", "/objects/heavy/methods/spin", endless).await.status, 201);
    install(client, "system", "quick", "return 1").await;
    let heavy = accepted(client, r#"{"target_object_id":"heavy","method_name":"spin"}"#).await;
    while client.get(&format!("/messages/{heavy}")).await.json()["status"] != "running" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..20 {
        let quick = client.message(r#"{"target_object_id":"system","method_name":"quick"}"#).await;
        assert_eq!(quick.status, "completed");
    }
    assert_eq!(client.get("/healthz").await.status, 200);
    let running = client.get("/messages?status=running").await.json();
    assert_eq!(running["messages"][0]["message_id"], heavy.as_str());
    assert_eq!(running["messages"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn messages_to_one_object_run_in_the_order_accepted() {
    let mind = ScriptedMind::start().await;
    let server = Server::start(&mind);
    let client = server.client();
    install(client, "system", "note", "self.log = getattr(self, 'log', []) + [args[0]]").await;
    let mut ids = Vec::new();
    for number in 0..30 {
        let body = format!(r#"{{"target_object_id":"system","method_name":"note","args":[{number}]}}"#);
        ids.push(accepted(client, &body).await);
    }
    for id in &ids {
        assert_eq!(ended(client, id).await, "completed");
    }
    let log: Vec<u32> = (0..30).collect();
    assert_eq!(attribute(client, "system", "log").await, serde_json::json!(log));
}

#[tokio::test]
async fn a_server_asked_to_stop_finishes_what_runs_and_keeps_the_rest() {
    let mind = ScriptedMind::start().await;
    let server = Server::start(&mind);
    let client = server.client();
    install(client, "system", "work", "for _ in range(200000): pass\nself.n = getattr(self, 'n', 0) + 1")
        .await;
    let body = r#"{"target_object_id":"system","method_name":"work"}"#;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(accepted(client, body).await);
    }
    server.terminate();
    let stopped = server.stopped();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log());
    let server = stopped.restart();
    for id in &ids {
        assert_eq!(ended(server.client(), id).await, "completed");
    }
    assert_eq!(attribute(server.client(), "system", "n").await, serde_json::json!(20));
}
