//! Messages and the records of their runs.

use aura_tests::{Answer, Server};
use serde_json::{Value, json};

use super::{JSON, NOWHERE, accepted, child, done, each, ended, install, is_problem, read, to};

#[tokio::test]
async fn messages_are_listed_newest_first_by_target_and_status() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    child(client, "child").await;
    install(client, "system", "pass_on", "return args").await;
    install(client, "system", "break_off", "raise ValueError('no')").await;
    assert_eq!(read(client, "/messages").await, json!({ "messages": [] }));
    let mut ids = Vec::new();
    for (target, method, status) in [
        ("system", "pass_on", "completed"),
        ("child", "pass_on", "completed"),
        ("system", "break_off", "failed"),
        ("child", "pass_on", "completed"),
        ("child", "break_off", "failed"),
    ] {
        let answer = done(client, "POST", "/message", &to(target, method), 202).await;
        assert_eq!(answer.header("preference-applied"), None);
        let id = accepted(&answer);
        let end = ended(client, &id).await;
        assert_eq!(end.header("preference-applied"), Some("wait=60"));
        assert_eq!(end.record().status, status, "{target} {method}");
        ids.insert(0, id);
    }
    let listed = async |query: &str| {
        each(&read(client, &format!("/messages?{query}")).await["messages"], "message_id")
    };
    let chosen = |places: &[usize]| places.iter().map(|place| ids[*place].clone()).collect::<Vec<_>>();
    for (query, places) in [
        ("", vec![0, 1, 2, 3, 4]),
        ("target=child", vec![0, 1, 3]),
        ("target=UvmObjects/system", vec![2, 4]),
        ("target=nobody", vec![]),
        ("status=completed", vec![1, 3, 4]),
        ("status=failed", vec![0, 2]),
        ("status=accepted", vec![]),
        ("status=running", vec![]),
        ("target=child&status=completed", vec![1, 3]),
        ("target=child&status=completed&limit=1", vec![1]),
        (format!("after={}", ids[1]).as_str(), vec![2, 3, 4]),
        (format!("after={}&target=child", ids[1]).as_str(), vec![3]),
        (format!("after={}", ids[4]).as_str(), vec![]),
    ] {
        assert_eq!(listed(query).await, chosen(&places), "{query}");
    }
    let page = read(client, "/messages?limit=2").await;
    assert_eq!((each(&page["messages"], "message_id"), &page["next"]), (chosen(&[0, 1]), &json!(ids[1])));
    let last = read(client, &format!("/messages?limit=2&after={}", ids[2])).await;
    assert_eq!((each(&last["messages"], "message_id"), last.get("next")), (chosen(&[3, 4]), None));
    assert_eq!(page["messages"][0], ended(client, &ids[0]).await.json(), "a page holds the whole records");

    for path in ["/messages?status=asleep", "/messages?limit=0", "/messages?limit=1001", "/messages?before=x"]
    {
        let answer = client.get(path).await;
        assert_eq!((answer.status, &answer.json()["kind"]), (400, &json!("Malformed")), "{path}");
    }
    for path in ["", "/events"].map(|rest| format!("/messages/01890a5d-ac96-774b-bcce-b302099a8057{rest}")) {
        let none = "There is no message '01890a5d-ac96-774b-bcce-b302099a8057'.";
        is_problem(&client.get(&path).await, 404, "ObjectNotFound", none);
    }
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_message() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    install(client, "system", "count", "self.n = getattr(self, 'n', 0) + 1\nself._p_changed = True").await;
    let send = async |key: &str, more: &[(&str, &str)]| {
        let headers = [&[JSON, ("idempotency-key", key)][..], more].concat();
        client.request("POST", "/message", &headers, to("system", "count").to_string().into()).await
    };
    let first = accepted(&send("one", &[]).await);
    assert_eq!(ended(client, &first).await.record().status, "completed");
    assert_eq!(accepted(&send("one", &[]).await), first);
    let record = send("one", &[("prefer", "wait=60")]).await.record();
    assert_eq!((record.message_id, record.status.as_str()), (first.clone(), "completed"));
    let other = send("two", &[("prefer", "wait=60")]).await.record();
    assert_ne!(other.message_id, first);
    assert_eq!(read(client, "/objects/system").await["attributes"], json!({ "n": 2 }));
    let refused = send("with space", &[]).await;
    let rule = "Idempotency-Key must be 1 to 255 visible ASCII characters, given once.";
    is_problem(&refused, 400, "Malformed", rule);
}

/// A server on which a message runs far longer than anybody here waits.
async fn spinning() -> (Server, Answer) {
    let server = Server::start_with(&[NOWHERE]);
    let quota = json!({ "wall_ms": 20_000, "fuel": 1_000_000_000_000_u64 });
    let body = json!({ "source": "while True: pass", "quota": quota });
    done(server.client(), "PUT", "/objects/system/methods/spin", &body, 201).await;
    let body = to("system", "spin").to_string();
    let answer =
        server.client().request("POST", "/message", &[JSON, ("prefer", "wait=1")], body.into()).await;
    (server, answer)
}

#[tokio::test]
async fn a_wait_that_runs_out_is_answered_while_the_method_still_runs() {
    let (server, answer) = spinning().await;
    let client = server.client();
    assert_eq!(answer.header("preference-applied"), Some("wait=1"));
    let id = accepted(&answer);
    let path = format!("/messages/{id}");
    let running = read(client, &path).await;
    for (field, value) in [
        ("message_id", json!(id)),
        ("status", json!("running")),
        ("target_object_id", json!("UvmObjects/system")),
        ("method_name", json!("spin")),
        ("result", Value::Null),
        ("finished_at", Value::Null),
    ] {
        assert_eq!(running[field], value, "{field}");
    }
    let waited = client.request("GET", &path, &[("prefer", "wait=1")], Vec::new()).await;
    assert_eq!((waited.status, waited.header("preference-applied")), (200, Some("wait=1")));
    assert_eq!(waited.json()["status"], "running");
}

#[tokio::test]
async fn a_running_message_is_listed_as_running_behind_those_that_wait() {
    let (server, answer) = spinning().await;
    let client = server.client();
    let mut ids = vec![accepted(&answer)];
    for _ in 0..3 {
        ids.insert(0, accepted(&done(client, "POST", "/message", &to("system", "spin"), 202).await));
    }
    let all = read(client, "/messages").await;
    assert_eq!(each(&all["messages"], "message_id"), ids);
    assert_eq!(each(&all["messages"], "status"), ["accepted", "accepted", "accepted", "running"]);
    for (status, expected) in [("running", &ids[3..]), ("accepted", &ids[..3])] {
        for limit in [1, 2, 100] {
            let (mut found, mut after) = (Vec::new(), String::new());
            loop {
                let page = read(client, &format!("/messages?status={status}&limit={limit}{after}")).await;
                found.extend(each(&page["messages"], "message_id"));
                let Some(next) = page["next"].as_str() else { break };
                after = format!("&after={next}");
            }
            assert_eq!(found, expected, "status={status}&limit={limit}");
        }
    }
}

#[tokio::test]
async fn the_record_of_a_run_says_what_went_in_and_what_came_out() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    child(client, "child").await;
    let source =
        "print('adding')\nself.n = getattr(self, 'n', 0) + args[0]\nself._p_changed = True\nreturn self.n";
    install(client, "system", "add", source).await;
    let send = async |fields: Value| {
        let mut body = to("child", "add");
        body.as_object_mut().expect("an object").extend(fields.as_object().expect("fields").clone());
        let answer =
            client.request("POST", "/message", &[JSON, ("prefer", "wait=60")], body.to_string().into()).await;
        let message = answer.json();
        let id = message["invocation_id"].as_str().expect("an id").to_owned();
        let invocation = read(client, &format!("/invocations/{id}")).await;
        assert_eq!(invocation["invocation_id"], json!(id));
        (message, invocation)
    };
    let rev = read(client, "/objects/child").await["rev"].clone();
    let fields = json!({ "args": [2], "kwargs": { "k": "v" }, "seed": 7, "fuel": 50_000_000 });
    let (message, first) = send(fields).await;
    let method = read(client, "/objects/system/methods/add").await;
    for (field, value) in [
        ("message_id", &message["message_id"]),
        ("parent", &Value::Null),
        ("receiver", &json!("UvmObjects/child")),
        ("receiver_rev", &rev),
        ("source_object_id", &json!("UvmObjects/system")),
        ("method_name", &json!("add")),
        ("method_version", &method["version"]),
        ("args", &json!([2])),
        ("kwargs", &json!({ "k": "v" })),
        ("seed", &json!(7)),
        ("time", &message["accepted_at"]),
        ("output", &json!("adding\n")),
        ("fuel_used", &message["fuel_used"]),
    ] {
        assert_eq!(&first[field], value, "{field}");
    }
    let quota = json!({
        "fuel": 50_000_000, "wall_ms": 5000, "memory_bytes": 134_217_728, "output_bytes": 65536,
    });
    assert_eq!(first["quota"], quota);
    assert!(first["peak_memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{first}");
    assert_eq!(first["outcome"]["returned"]["result"], 2);
    assert_eq!((&message["result"], &message["output"]), (&json!(2), &json!("adding\n")));
    assert_eq!(message["state_changed"], true);

    let (_, second) = send(json!({ "args": [3] })).await;
    assert_eq!(second["outcome"]["returned"]["result"], 5);
    assert_eq!(second["attributes_before"], first["outcome"]["returned"]["attributes_after"]);
    assert_ne!(second["attributes_before"], first["attributes_before"]);
    for digest in ["source_digest", "guest_digest", "config_digest"] {
        assert!(first[digest].as_str().is_some_and(|digest| digest.len() == 64), "{digest}: {first}");
        assert_eq!(first[digest], second[digest], "{digest}");
    }

    let (message, failed) = send(json!({ "args": ["no number"] })).await;
    assert_eq!(
        (&message["status"], &message["error"]["kind"]),
        (&json!("failed"), &json!("PythonException"))
    );
    assert_eq!(failed["outcome"]["failed"], message["error"]);
    assert_eq!(failed["attributes_before"], second["outcome"]["returned"]["attributes_after"]);
    let none = client.get("/invocations/no-id").await;
    is_problem(&none, 404, "ObjectNotFound", "There is no invocation 'no-id'.");
}

/// What is refused leaves no trace, and there is room again as soon as something ends.
#[tokio::test]
async fn a_full_queue_refuses_and_says_when_to_come_again() {
    let server = Server::start_with(&[NOWHERE, ("AURA_QUEUE", "2")]);
    let client = server.client();
    child(client, "busy").await;
    let spin = json!({ "source": "while True: pass", "quota": { "fuel": 1_000_000_000_000_u64, "wall_ms": 600_000 } });
    done(client, "PUT", "/objects/busy/methods/spin", &spin, 201).await;
    install(client, "system", "quick", "return 1").await;
    let mut spinning = Vec::new();
    for _ in 0..2 {
        spinning.push(accepted(&done(client, "POST", "/message", &to("busy", "spin"), 202).await));
    }
    let refused = client.send("POST", "/message", &to("system", "quick").to_string()).await;
    is_problem(&refused, 503, "Busy", "2 messages are in work or waiting: send it again later");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let metrics = client.get("/metrics").await.text;
    for line in ["aura_queue_running 1", "aura_queue_waiting 1", "aura_queue_capacity 2"] {
        assert!(metrics.lines().any(|given| given == line), "{line}: {metrics}");
    }
    let kept = read(client, "/messages").await;
    spinning.reverse();
    assert_eq!(each(&kept["messages"], "message_id"), spinning);
}
