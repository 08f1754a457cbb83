//! What hostile or mistaken clients send: each is answered with its status and kind, and the server goes on.

use aura_tests::{Client, Reply, ScriptedMind, Server};

const JSON: &str = "application/json";

/// Sends a body and expects a problem of that status and kind.
async fn refused(client: &Client, verb: &str, path: &str, body: Vec<u8>, status: u16, kind: &str) {
    let answer = client.request(verb, path, &[("content-type", JSON)], body).await;
    assert_eq!(answer.status, status, "{verb} {path}: {}", answer.text);
    assert_eq!(answer.content_type, "application/problem+json", "{verb} {path}");
    let problem = answer.json();
    assert_eq!(problem["kind"], kind, "{verb} {path}: {problem}");
    assert_eq!(problem["status"], status, "{verb} {path}: {problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{verb} {path}: {problem}");
}

/// The same for `POST /message`.
async fn message_refused(client: &Client, body: impl Into<Vec<u8>>, status: u16, kind: &str) {
    refused(client, "POST", "/message", body.into(), status, kind).await;
}

/// The same for a method body given by hand.
async fn source_refused(client: &Client, source: &str, kind: &str) {
    let body = serde_json::json!({ "source": source }).to_string();
    refused(client, "PUT", "/objects/system/methods/hostile", body.into(), 422, kind).await;
}

async fn still_serves(client: &Client) {
    let record = client.message(r#"{"target_object_id":"system","method_name":"greet"}"#).await;
    assert_eq!((record.status.as_str(), record.result.get()), ("completed", r#""hello""#));
}

#[tokio::test]
async fn everything_malformed_is_refused_and_the_server_goes_on() {
    let mind = ScriptedMind::start().await;
    mind.by_method(|_| Some(Reply::code("return 'hello'")));
    let server = Server::start(&mind);
    let client = server.client();
    still_serves(client).await;

    message_refused(client, r#"{"target_object_id""#, 400, "Malformed").await;
    message_refused(client, "[]", 422, "Malformed").await;
    message_refused(client, "{}", 422, "Malformed").await;
    message_refused(client, b"\xff\xfe".to_vec(), 400, "Malformed").await;
    message_refused(client, r#"{"target_object_id":"nobody","method_name":"greet"}"#, 404, "ObjectNotFound")
        .await;
    for name in
        ["", "a b", "1st", "class", "__init__", "söt", "send", "teach_yourself_to_", "teach_yourself_to_if"]
    {
        let body = serde_json::json!({ "target_object_id": "system", "method_name": name }).to_string();
        message_refused(client, body, 422, "Malformed").await;
    }
    for field in [
        r#""args":{}"#,
        r#""kwargs":[]"#,
        r#""seed":-1"#,
        r#""fuel":0"#,
        r#""unknown":1"#,
        r#""args":[1e999]"#,
        r#""args":["\ud800"]"#,
    ] {
        let body = format!(r#"{{"target_object_id":"system","method_name":"greet",{field}}}"#);
        let answer = client.send("POST", "/message", &body).await;
        assert!([400, 422].contains(&answer.status), "{field}: {}", answer.text);
        assert_eq!(answer.json()["kind"], "Malformed", "{field}");
    }
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let body = format!(r#"{{"target_object_id":"system","method_name":"greet","args":{deep}}}"#);
    message_refused(client, body, 422, "Malformed").await;
    let large = format!(
        r#"{{"target_object_id":"system","method_name":"greet","args":["{}"]}}"#,
        "x".repeat(10 << 20)
    );
    message_refused(client, large, 413, "Malformed").await;

    refused(client, "GET", "/nothing/here", Vec::new(), 404, "Malformed").await;
    refused(client, "DELETE", "/message", Vec::new(), 405, "Malformed").await;
    refused(client, "GET", "/objects/nobody", Vec::new(), 404, "ObjectNotFound").await;
    refused(client, "GET", "/messages/no-id", Vec::new(), 404, "ObjectNotFound").await;
    let plain = client.request("POST", "/message", &[("content-type", "text/plain")], b"{}".to_vec()).await;
    assert_eq!((plain.status, plain.content_type.as_str()), (415, "application/problem+json"));

    still_serves(client).await;
    assert_eq!(mind.requests().len(), 1, "nothing refused was brought before the mind");
}

#[tokio::test]
async fn hostile_sources_are_refused_and_the_server_goes_on() {
    let mind = ScriptedMind::start().await;
    mind.by_method(|_| Some(Reply::code("return 'hello'")));
    let server = Server::start(&mind);
    let client = server.client();

    source_refused(client, &"(".repeat(1_000_000), "Malformed").await;
    source_refused(client, "", "Malformed").await;
    source_refused(client, "return '\0'", "Malformed").await;
    let hostile = [
        "(".repeat(60_000),
        format!("x = {}1", "-".repeat(60_000)),
        format!("x = {}1", "not ".repeat(15_000)),
        format!("x = {}1", "1+".repeat(30_000)),
        format!("x = {}1", "lambda: ".repeat(7_000)),
        format!("x = 1{}", "**1".repeat(20_000)),
        format!("x = a{}", ".a".repeat(30_000)),
        "return 1 +".to_owned(),
        "import os\nreturn os.listdir()".to_owned(),
        "return getattr(self, '__cla' + 'ss__')".to_owned(),
        "return ().__class__.__mro__[1].__subclasses__()".to_owned(),
        "return eval('1')".to_owned(),
    ];
    for source in &hostile {
        source_refused(client, source, "AuditRejected").await;
    }
    let answer = client.get("/objects/system").await;
    assert_eq!(answer.json()["methods"], serde_json::json!([]));
    still_serves(client).await;
}
