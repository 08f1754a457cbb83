//! What those who run a server see: probes, metrics, the description of the API, the log, how it starts and stops.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use aura_tests::models::ALFRED;
use aura_tests::{Reply, ScriptedMind, Server};
use serde_json::{Value, json};

use super::{NOWHERE, accepted, done, ended, install, read, to};

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn probes_tell_how_each_dependency_is() {
    let mind = ScriptedMind::start().await;
    let server = Server::start(&mind);
    let live = server.client().get("/healthz").await;
    assert_eq!((live.status, live.text.as_str()), (200, "ok\n"));
    assert_eq!(live.content_type, "text/plain; charset=utf-8");
    let detail = format!("ALFRED ({ALFRED}): Ollama at {} 0.9.0, model {ALFRED}", mind.url());
    let mut expected = json!({
        "ready": true,
        "store": { "state": "ok", "detail": "it answers" },
        "sandbox": { "state": "ok", "detail": "a fresh isolate works" },
        "mind": { "state": "ok", "detail": detail },
    });
    assert_eq!(read(server.client(), "/readyz").await, expected);

    let alone = Server::start_with(&[NOWHERE]);
    let report = read(alone.client(), "/readyz").await;
    expected["mind"] = json!({ "state": "unavailable", "detail": report["mind"]["detail"] });
    assert_eq!(report, expected, "what is understood already goes on");
    let detail = report["mind"]["detail"].as_str().expect("a text");
    assert!(detail.starts_with("Ollama at http://127.0.0.1:1 cannot be reached ("), "{detail}");
    let advice = "): start it with `ollama serve`, or set OLLAMA_HOST to where it is";
    assert!(detail.ends_with(advice), "{detail}");
}

#[tokio::test]
async fn metrics_count_what_was_done() {
    let mind = ScriptedMind::start().await;
    mind.answers(vec![Reply::code("import os"), Reply::code("return 'hello'")]);
    let server = Server::start(&mind);
    let record = server.client().message(&to("system", "greet").to_string()).await;
    assert_eq!(record.status, "completed");
    let metrics = server.client().get("/metrics").await;
    assert_eq!(
        (metrics.status, metrics.content_type.as_str()),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    let lines: BTreeSet<&str> = metrics.text.lines().collect();
    for line in [
        r#"aura_http_requests_total{method="POST",route="/message",status="200"} 1"#,
        r#"aura_messages_total{status="completed",kind=""} 1"#,
        r#"aura_generations_total{outcome="audit_rejected"} 1"#,
        r#"aura_generations_total{outcome="written"} 1"#,
        format!("aura_fuel_used_total {}", record.fuel_used).as_str(),
        "aura_cycle_duration_seconds_count 1",
        r#"aura_cycle_duration_seconds_bucket{le="+Inf"} 1"#,
        "aura_queue_running 0",
        "aura_queue_waiting 0",
        "aura_queue_capacity 1024",
        "# TYPE aura_messages_total counter",
        "# TYPE aura_cycle_duration_seconds histogram",
        "# TYPE aura_queue_running gauge",
    ] {
        assert!(lines.contains(line), "{line} is not in:\n{}", metrics.text);
    }
}

#[tokio::test]
async fn the_api_describes_all_its_routes() {
    let server = Server::start_with(&[NOWHERE]);
    let document = read(server.client(), "/openapi.json").await;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1.")), "{document}");
    let key = "/objects/{key}";
    let method = "/objects/{key}/methods/{name}";
    for (verb, path) in [
        ("post", "/message"),
        ("get", "/messages/{id}"),
        ("get", "/messages"),
        ("get", "/messages/{id}/events"),
        ("get", "/events"),
        ("post", "/objects"),
        ("get", "/objects"),
        ("get", key),
        ("patch", key),
        ("get", "/objects/{key}/methods"),
        ("get", method),
        ("put", method),
        ("get", "/objects/{key}/methods/{name}/versions"),
        ("post", "/objects/{key}/methods/{name}/rollback"),
        ("put", "/objects/{key}/methods/{name}/quota"),
        ("get", "/invocations/{id}"),
        ("post", "/audit"),
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/metrics"),
    ] {
        let responses = &document["paths"][path][verb]["responses"];
        assert!(responses.is_object(), "{verb} {path} is not described");
        let problem = &responses["default"]["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(problem, "#/components/schemas/Problem", "{verb} {path}");
    }
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[tokio::test]
async fn send_without_waiting_prints_the_id_and_nothing_else() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    install(client, "system", "pass_on", "print('passing on')\nreturn args").await;
    let sent = server.cli().run(&["send", "--no-wait", "system", "pass_on", "[1]"]);
    assert_eq!((sent.code, sent.stderr.as_str()), (Some(0), ""), "{sent:?}");
    let id = sent.stdout.strip_suffix('\n').expect("a line");
    let record = ended(client, id).await.record();
    assert_eq!((record.message_id.as_str(), record.result.get()), (id, "[1]"));
    let sent = server.cli().run(&["send", "--no-wait", "--json", "system", "pass_on"]);
    let receipt: Value = serde_json::from_str(&sent.stdout).expect("JSON");
    let record = ended(client, receipt["message_id"].as_str().expect("an id")).await.record();
    assert_eq!(receipt, json!({ "message_id": record.message_id, "status": "accepted" }));
    let refused = server.cli().run(&["send", "--no-wait", "nobody", "pass_on"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert_eq!(refused.stderr, "error: ObjectNotFound: object 'UvmObjects/nobody' does not exist\n");
}

/// Waits until the server has logged a text.
async fn logged(server: &Server, text: &str) {
    let log = server.cli().folder().join("log");
    let wait = async {
        while !std::fs::read_to_string(&log).expect("the log is UTF-8").contains(text) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("the log does not say {text}"));
}

#[tokio::test]
async fn a_log_for_programs_is_json_line_by_line() {
    let server = Server::start_with(&[NOWHERE, ("AURA_LOG_FORMAT", "json")]);
    install(server.client(), "system", "greet", "return 'hello'").await;
    let record = server.client().message(&to("system", "greet").to_string()).await;
    logged(&server, r#""step":"completed""#).await;
    server.terminate();
    let stopped = server.stopped();
    assert_eq!(stopped.status.code(), Some(0));
    let log = stopped.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}")))
        .collect();
    for line in &lines {
        for field in ["timestamp", "level", "target"] {
            assert!(line[field].is_string(), "{field}: {line}");
        }
    }
    let steps: Vec<&Value> = lines
        .iter()
        .map(|line| &line["fields"])
        .filter(|fields| fields["message_id"] == json!(record.message_id))
        .map(|fields| &fields["step"])
        .collect();
    assert_eq!(steps, ["accepted", "resolved", "completed"]);
    assert_eq!(lines.last().expect("a line")["fields"]["message"], "AURA stopped; no message is waiting.");
}

#[tokio::test]
async fn a_server_that_stops_says_how_many_messages_it_leaves_and_then_takes_them_up() {
    let says = |log: &str, text: &str| log.lines().any(|line| line == text);
    let mind = ScriptedMind::start().await;
    let (ask, asked) = mpsc::channel();
    let (go, gone) = mpsc::channel::<()>();
    // The mind holds its answer back until the server has begun to stop.
    mind.by_method(move |name| {
        ask.send(name.to_owned()).ok()?;
        gone.recv_timeout(PATIENCE).ok()?;
        Some(Reply::code("return 'hello'"))
    });
    let server = Server::start(&mind);
    let client = server.client();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(accepted(&done(client, "POST", "/message", &to("system", "greet"), 202).await));
    }
    assert_eq!(asked.recv_timeout(PATIENCE).as_deref(), Ok("greet"));
    server.terminate();
    while client.try_request("GET", "/healthz", &[], Vec::new()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    go.send(()).expect("the mind waits");
    let stopped = server.stopped();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.log());
    let log = stopped.log();
    assert!(says(&log, "AURA stopped; queued on disk for the next start: 3 messages."), "{log}");

    let server = stopped.restart();
    for (place, id) in ids.iter().enumerate() {
        let record = ended(server.client(), id).await.record();
        assert_eq!((record.result.get(), record.generated), (r#""hello""#, place == 0));
    }
    server.terminate();
    let log = server.stopped().log();
    assert!(says(&log, "Taken up again from an earlier run: 3 messages."), "{log}");
    assert!(says(&log, "AURA stopped; no message is waiting."), "{log}");
    assert_eq!(mind.requests().len(), 1);
}
