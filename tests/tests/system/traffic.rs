//! Many messages at once, and servers that end in the middle of them.

use std::collections::HashSet;
use std::time::Duration;

use aura_tests::{Client, Reply, ScriptedMind, Server};
use futures::future::join_all;
use tokio::task::JoinSet;

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

/// Kills the server again and again while messages come in, with and without waiting for their end: each one that
/// was answered took effect exactly once, and each that took effect is there.
#[tokio::test]
async fn every_accepted_message_survives_the_servers_death_and_takes_effect_once() {
    const BODY: &str = r#"{"target_object_id":"system","method_name":"count"}"#;
    let mind = ScriptedMind::start().await;
    let mut server = Server::start(&mind);
    install(server.client(), "system", "count", "self.n = getattr(self, 'n', 0) + 1").await;
    let mut answered = Vec::new();
    for round in 0..12_u64 {
        let client = server.client().clone();
        let mut senders = JoinSet::new();
        for sender in 0..8 {
            let client = client.clone();
            senders.spawn(async move {
                let mut headers = vec![("content-type", "application/json")];
                if sender % 2 == 0 {
                    headers.push(("prefer", "wait=60"));
                }
                let mut ids = Vec::new();
                // Until the server is gone.
                while let Ok(answer) = client.try_request("POST", "/message", &headers, BODY.into()).await {
                    assert!(matches!(answer.status, 200 | 202 | 503), "{}", answer.text);
                    if answer.status != 503 {
                        ids.push(answer.json()["message_id"].as_str().expect("an id").to_owned());
                    }
                }
                ids
            });
        }
        tokio::time::sleep(Duration::from_millis(10 + 17 * round)).await;
        server = server.kill().restart();
        answered.extend(senders.join_all().await.into_iter().flatten());
    }
    let client = server.client();
    for id in &answered {
        assert_eq!(ended(client, id).await, "completed");
    }
    assert!(!answered.is_empty(), "no message came through");
    while client.get("/messages?status=accepted").await.json()["messages"] != serde_json::json!([])
        || client.get("/messages?status=running").await.json()["messages"] != serde_json::json!([])
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Those whose answer did not arrive count as well.
    let (mut completed, mut after) = (HashSet::new(), String::new());
    loop {
        let page = client.get(&format!("/messages?status=completed&limit=1000{after}")).await.json();
        for message in page["messages"].as_array().expect("messages") {
            completed.insert(message["message_id"].as_str().expect("an id").to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert!(answered.iter().all(|id| completed.contains(id)));
    assert_eq!(attribute(client, "system", "n").await, serde_json::json!(completed.len()));
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
