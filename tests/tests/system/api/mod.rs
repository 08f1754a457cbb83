//! What the HTTP API and the command line promise around the messages, and short words for asking.

mod access;
mod messages;
mod methods;
mod objects;
mod operation;
mod provenance;
mod regenerate;

use aura_tests::{Answer, Client};
use serde_json::{Value, json};

/// Where no mind is.
pub const NOWHERE: (&str, &str) = ("OLLAMA_HOST", "http://127.0.0.1:1");

pub const JSON: (&str, &str) = ("content-type", "application/json");

/// Sends JSON and expects that status.
pub async fn done(client: &Client, verb: &str, path: &str, body: &Value, status: u16) -> Answer {
    let answer = client.send(verb, path, &body.to_string()).await;
    assert_eq!(answer.status, status, "{verb} {path}: {}", answer.text);
    answer
}

/// What there is at a path.
pub async fn read(client: &Client, path: &str) -> Value {
    let answer = client.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()
}

pub async fn install(client: &Client, object: &str, method: &str, source: &str) -> Answer {
    let path = format!("/objects/{object}/methods/{method}");
    done(client, "PUT", &path, &json!({ "source": source }), 201).await
}

/// An object that inherits from `system`.
pub async fn child(client: &Client, key: &str) {
    done(client, "POST", "/objects", &json!({ "key": key, "prototypes": ["system"] }), 201).await;
}

pub fn to(target: &str, method: &str) -> Value {
    json!({ "target_object_id": target, "method_name": method })
}

/// The id in an answer that says no more than that the message is accepted.
#[track_caller]
pub fn accepted(answer: &Answer) -> String {
    let receipt = answer.json();
    let id = receipt["message_id"].as_str().expect("an id").to_owned();
    assert_eq!((answer.status, &receipt), (202, &json!({ "message_id": id, "status": "accepted" })));
    assert_eq!(answer.location, Some(format!("/messages/{id}")));
    id
}

/// The answer for a message once it has ended.
pub async fn ended(client: &Client, id: &str) -> Answer {
    client.request("GET", &format!("/messages/{id}"), &[("prefer", "wait=60")], Vec::new()).await
}

#[track_caller]
pub fn is_problem(answer: &Answer, status: u16, kind: &str, detail: &str) {
    let seen = (answer.status, answer.content_type.as_str());
    assert_eq!(seen, (status, "application/problem+json"), "{}", answer.text);
    let problem = answer.json();
    assert_eq!(
        [&problem["status"], &problem["kind"], &problem["detail"]],
        [&json!(status), &json!(kind), &json!(detail)]
    );
}

/// One member of each item in a list.
pub fn each(list: &Value, member: &str) -> Vec<String> {
    let items = list.as_array().expect("a list");
    items.iter().map(|item| item[member].as_str().expect("a text").to_owned()).collect()
}
