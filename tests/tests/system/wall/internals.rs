//! What a server that is in trouble says of its insides: nothing.

use aura_tests::Server;
use rusqlite::Connection;
use serde_json::json;

use crate::api::{NOWHERE, done, is_problem};
use crate::damage;

/// No file, no statement, no type.
#[track_caller]
fn is_clean(server: &Server, text: &str) {
    let folder = server.cli().folder().display().to_string();
    let words =
        [folder.as_str(), "image.sqlite", "SELECT", "INSERT", "UPDATE", "rusqlite", "src/", "::", "panicked"];
    for word in words {
        assert!(!text.contains(word), "{word} is in {text}");
    }
}

/// Another program that changes what is none of its business.
fn meddle(server: &Server, sql: &str) {
    let image = Connection::open(damage::image(server.cli())).expect("the image");
    image.execute_batch(sql).expect("it can be changed");
}

#[tokio::test]
async fn an_image_that_was_meddled_with_is_not_shown_to_clients() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    done(client, "POST", "/objects", &json!({ "key": "mine" }), 201).await;
    meddle(&server, "UPDATE UvmObjects SET attributes = '{' WHERE key = 'mine'");
    let unreadable = client.get("/objects/mine").await;
    let text =
        "the store cannot be used: the image holds a value that cannot be read; restore it from a copy";
    is_problem(&unreadable, 503, "StoreUnavailable", text);
    meddle(&server, "ALTER TABLE Messages RENAME COLUMN record TO gone");
    let gone = client.get("/messages").await;
    let text = "the store cannot be used: the image and this version do not fit; the log says why";
    is_problem(&gone, 503, "StoreUnavailable", text);
    for path in ["/messages", "/objects", "/objects/mine", "/readyz", "/metrics", "/invocations"] {
        is_clean(&server, &client.get(path).await.text);
    }
    let sent =
        client.send("POST", "/message", r#"{"target_object_id":"system","method_name":"greet"}"#).await;
    is_clean(&server, &sent.text);
    server.terminate();
    let log = server.stopped().log();
    assert!(log.contains("the image cannot be used: "), "the log says why: {log}");
}
