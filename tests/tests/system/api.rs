//! What the HTTP API and the command line promise around the messages: who may ask, objects and their
//! revisions, methods and their versions and quotas, pages, records, probes, live events, and how a server
//! starts and stops.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use aura_tests::{Answer, Client, Instance, Reply, ScriptedMind, Server};
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

/// Where no mind is.
const NOWHERE: (&str, &str) = ("OLLAMA_HOST", "http://127.0.0.1:1");

/// The model that writes if no other is set.
const MODEL: &str = "qwen2:7b-instruct-q4_K_M";

const JSON: (&str, &str) = ("content-type", "application/json");

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

const SHOW_TOKEN: &str = "Show the server's token (AURA_API_TOKEN): Authorization: Bearer TOKEN.";

/// Sends JSON and expects that status.
async fn done(client: &Client, verb: &str, path: &str, body: &Value, status: u16) -> Answer {
    let answer = client.send(verb, path, &body.to_string()).await;
    assert_eq!(answer.status, status, "{verb} {path}: {}", answer.text);
    answer
}

/// What there is at a path.
async fn read(client: &Client, path: &str) -> Value {
    let answer = client.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json()
}

async fn install(client: &Client, object: &str, method: &str, source: &str) -> Answer {
    let path = format!("/objects/{object}/methods/{method}");
    done(client, "PUT", &path, &json!({ "source": source }), 201).await
}

/// An object that inherits from `system`.
async fn child(client: &Client, key: &str) {
    done(client, "POST", "/objects", &json!({ "key": key, "prototypes": ["system"] }), 201).await;
}

fn to(target: &str, method: &str) -> Value {
    json!({ "target_object_id": target, "method_name": method })
}

/// The id in an answer that says no more than that the message is accepted.
#[track_caller]
fn accepted(answer: &Answer) -> String {
    let receipt = answer.json();
    let id = receipt["message_id"].as_str().expect("an id").to_owned();
    assert_eq!((answer.status, &receipt), (202, &json!({ "message_id": id, "status": "accepted" })));
    assert_eq!(answer.location, Some(format!("/messages/{id}")));
    id
}

/// The answer for a message once it has ended.
async fn ended(client: &Client, id: &str) -> Answer {
    client.request("GET", &format!("/messages/{id}"), &[("prefer", "wait=60")], Vec::new()).await
}

#[track_caller]
fn is_problem(answer: &Answer, status: u16, kind: &str, detail: &str) {
    let seen = (answer.status, answer.content_type.as_str());
    assert_eq!(seen, (status, "application/problem+json"), "{}", answer.text);
    let problem = answer.json();
    assert_eq!(
        [&problem["status"], &problem["kind"], &problem["detail"]],
        [&json!(status), &json!(kind), &json!(detail)]
    );
}

/// One member of each item in a list.
fn each(list: &Value, member: &str) -> Vec<String> {
    let items = list.as_array().expect("a list");
    items.iter().map(|item| item[member].as_str().expect("a text").to_owned()).collect()
}

#[tokio::test]
async fn a_server_with_a_token_answers_only_to_those_who_show_it() {
    let server = Server::start_with(&[NOWHERE, ("AURA_API_TOKEN", "open-sesame")]);
    let client = server.client();
    let wrong = ["Bearer open", "Bearer open-sesames", "Bearer", "Basic open-sesame", "open-sesame"];
    for path in ["/objects", "/messages", "/events", "/metrics", "/openapi.json", "/nothing/here"] {
        for shown in wrong.map(Some).into_iter().chain([None]) {
            let headers: Vec<_> = shown.into_iter().map(|shown| ("authorization", shown)).collect();
            let answer = client.request("GET", path, &headers, Vec::new()).await;
            is_problem(&answer, 401, "Unauthorized", SHOW_TOKEN);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path} {shown:?}");
        }
    }
    is_problem(
        &client.send("POST", "/objects", r#"{"key":"burglar"}"#).await,
        401,
        "Unauthorized",
        SHOW_TOKEN,
    );
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(client.get(probe).await.status, 200, "{probe}");
    }
    for right in ["Bearer open-sesame", "bearer open-sesame"] {
        let headers = [("authorization", right), ("host", "aura.example")];
        let answer = client.request("GET", "/objects", &headers, Vec::new()).await;
        assert_eq!(each(&answer.json()["objects"], "id"), ["UvmObjects/nil", "UvmObjects/system"]);
    }

    let listed = server.cli().run(&["object", "list"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (Some(0), "UvmObjects/nil\nUvmObjects/system\n"));
    let refused = server.cli().run(&["object", "list", "--set", "AURA_API_TOKEN=open"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert_eq!(refused.stderr, format!("error: Unauthorized: {SHOW_TOKEN}\n"));
}

#[test]
fn serve_refuses_to_be_reached_from_other_machines_without_a_token() {
    let tokenless: [&[(&str, &str)]; 3] = [&[], &[("AURA_API_TOKEN", "")], &[("AURA_API_TOKEN", " ")]];
    for settings in tokenless {
        let alone = Instance::new(settings);
        for host in ["0.0.0.0", "::", "aura.example"] {
            let refused = alone.run(&["serve", "--host", host, "--port", "0"]);
            assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{refused:?}");
            let expected = format!(
                "error: AURA_API_HOST={host} can be reached from other machines: set AURA_API_TOKEN, or \
                 listen on 127.0.0.1.\n"
            );
            assert_eq!(refused.stderr, expected);
        }
        assert!(!alone.folder().join("data").exists(), "what is refused leaves nothing behind");
    }
}

/// A web page may point its own name here (DNS rebinding); its requests then carry that name.
#[tokio::test]
async fn a_server_without_a_token_does_not_answer_to_foreign_names() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    let named = async |path: &'static str, host: &'static str| {
        client.request("GET", path, &[("host", host)], Vec::new()).await
    };
    for foreign in ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"] {
        is_problem(
            &named("/objects", foreign).await,
            403,
            "Unauthorized",
            "This server has no token (AURA_API_TOKEN) and answers only to localhost and to addresses.",
        );
        assert_eq!(named("/healthz", foreign).await.status, 200, "{foreign}");
    }
    for own in ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000"] {
        assert_eq!(named("/objects", own).await.status, 200, "{own}");
    }
}

#[tokio::test]
async fn objects_are_created_once_and_changed_by_those_who_know_the_revision() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    let body = json!({
        "key": "UvmObjects/first", "attributes": { "n": 1, "deep": { "a": [1, null] } },
        "prototypes": ["system", "UvmObjects/nil"],
    });
    let created = done(client, "POST", "/objects", &body, 201).await;
    let object = created.json();
    let rev = object["rev"].as_str().expect("a revision");
    let expected = json!({
        "id": "UvmObjects/first", "rev": rev, "attributes": { "n": 1, "deep": { "a": [1, null] } },
        "methods": [], "prototypes": ["UvmObjects/system", "UvmObjects/nil"],
    });
    assert_eq!(object, expected);
    assert_eq!(created.location.as_deref(), Some("/objects/first"));
    let etag = format!("\"{rev}\"");
    assert_eq!(created.etag.as_ref(), Some(&etag));
    for path in ["/objects/first", "/objects/UvmObjects%2Ffirst"] {
        let answer = client.get(path).await;
        assert_eq!(
            (answer.status, answer.etag.as_ref(), answer.json()),
            (200, Some(&etag), expected.clone())
        );
    }
    let odd = done(client, "POST", "/objects", &json!({ "key": "50%+1" }), 201).await;
    assert_eq!(odd.location.as_deref(), Some("/objects/50%25+1"));
    assert_eq!(read(client, "/objects/50%25+1").await["id"], "UvmObjects/50%+1");

    let again = client.send("POST", "/objects", r#"{"key":"first"}"#).await;
    is_problem(&again, 409, "ObjectExists", "object 'UvmObjects/first' exists already");
    let orphan =
        client.send("POST", "/objects", r#"{"key":"orphan","prototypes":["system","nobody"]}"#).await;
    is_problem(&orphan, 404, "ObjectNotFound", "object 'UvmObjects/nobody' does not exist");
    let none = "object 'UvmObjects/orphan' does not exist";
    is_problem(&client.get("/objects/orphan").await, 404, "ObjectNotFound", none);
    let patch = client.send("PATCH", "/objects/orphan", r#"{"attributes":{}}"#).await;
    is_problem(&patch, 404, "ObjectNotFound", none);

    let patch = async |tag: &str, attributes: Value| {
        let body = json!({ "attributes": attributes }).to_string();
        client.request("PATCH", "/objects/first", &[JSON, ("if-match", tag)], body.into()).await
    };
    let merged = patch(&etag, json!({ "n": 2, "new": null })).await;
    assert_eq!(merged.status, 200, "{}", merged.text);
    assert_eq!(merged.json()["attributes"], json!({ "n": 2, "deep": { "a": [1, null] }, "new": null }));
    assert_ne!(merged.etag.as_ref(), Some(&etag));
    assert_eq!(merged.etag, Some(format!("\"{}\"", merged.json()["rev"].as_str().expect("a revision"))));
    let stale = patch(&etag, json!({ "n": 3 })).await;
    let changed = "object 'UvmObjects/first' was changed by another message in the meantime";
    is_problem(&stale, 412, "RevisionConflict", changed);
    let unreadable = patch("\"", json!({ "n": 3 })).await;
    is_problem(&unreadable, 400, "Malformed", "If-Match must be one ETag as it was answered, or *.");
    let now = client.get("/objects/first").await;
    assert_eq!(
        (now.etag.as_ref(), now.json()),
        (merged.etag.as_ref(), merged.json()),
        "what is refused changes nothing"
    );

    // The methods are part of what the tag stands for.
    install(client, "first", "greet", "self.n = 5").await;
    let tag = merged.etag.expect("a tag");
    is_problem(&patch(&tag, json!({ "n": 3 })).await, 412, "RevisionConflict", changed);
    assert_eq!(patch("*", json!({ "n": 4 })).await.json()["attributes"]["n"], 4);
}

/// The ids on all pages of `/objects`, and how many are on each.
async fn paged(client: &Client, limit: u32) -> (Vec<String>, Vec<usize>) {
    let (mut ids, mut sizes, mut after) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = read(client, &format!("/objects?limit={limit}{after}")).await;
        let found = each(&page["objects"], "id");
        sizes.push(found.len());
        ids.extend(found);
        assert!(sizes.len() <= 1007, "the pages do not end");
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", next.replace('+', "%2B")),
            None => return (ids, sizes),
        }
    }
}

/// Their keys hold a `+`, which means a space in a query if it is sent as it is.
#[tokio::test]
async fn more_objects_than_a_page_holds_are_listed_completely() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    let created: Vec<u16> = stream::iter(0..1005)
        .map(|number| async move {
            let body = json!({ "key": format!("many+{number:04}") }).to_string();
            client.send("POST", "/objects", &body).await.status
        })
        .buffer_unordered(32)
        .collect()
        .await;
    assert_eq!(created, [201; 1005]);
    let many = (0..1005).map(|number| format!("UvmObjects/many+{number:04}"));
    let roots = ["UvmObjects/nil", "UvmObjects/system"].map(str::to_owned);
    let all: Vec<String> = many.chain(roots).collect();

    for (limit, sizes) in [(1000, vec![1000, 7]), (500, vec![500, 500, 7]), (53, vec![53; 19])] {
        assert_eq!(paged(client, limit).await, (all.clone(), sizes), "limit={limit}");
    }
    let usual = read(client, "/objects").await;
    assert_eq!((each(&usual["objects"], "id"), &usual["next"]), (all[..100].to_vec(), &json!(all[99])));
    for after in ["many%2B1003", "UvmObjects/many%2B1003", "UvmObjects%2Fmany%2B1003"] {
        let rest = read(client, &format!("/objects?after={after}")).await;
        assert_eq!((each(&rest["objects"], "id"), &rest["next"]), (all[1004..].to_vec(), &Value::Null));
    }
    for limit in [0, 1001] {
        let answer = client.get(&format!("/objects?limit={limit}")).await;
        is_problem(&answer, 400, "Malformed", "The parameter 'limit' must be between 1 and 1000.");
    }

    let listed = server.cli().run(&["object", "list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    assert_eq!(listed.stdout.lines().collect::<Vec<_>>(), all);
    let listed = server.cli().run(&["object", "list", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert_eq!(each(&listed["objects"], "id"), all);
}

#[tokio::test]
async fn each_change_of_a_method_is_a_version_and_can_be_returned_to() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    let path = "/objects/system/methods/greet";
    let first = install(client, "system", "greet", "return 1").await;
    assert_eq!(first.location.as_deref(), Some(path));
    let first = first.json();
    let expected = json!({
        "object": "UvmObjects/system", "name": "greet", "version": 1, "source": "return 1", "quota": {},
        "provenance": { "author": "hand" }, "installed_at": first["installed_at"],
    });
    assert_eq!(first, expected);
    let second = install(client, "system", "greet", "return 2").await.json();
    assert_eq!(second["version"], 2);

    let source = "import os\nreturn eval('1')";
    let rejected = client.send("PUT", path, &json!({ "source": source }).to_string()).await;
    let (import, call) =
        ("Disallowed import of module 'os' at line 1.", "Disallowed function call to 'eval' at line 2.");
    is_problem(&rejected, 422, "AuditRejected", &format!("{import}\n{call}"));
    let findings = json!([
        { "rule": "import", "message": import, "line": 1, "column": 1 },
        { "rule": "builtin", "message": call, "line": 2, "column": 8 },
    ]);
    assert_eq!(rejected.json()["findings"], findings);
    let audited = done(client, "POST", "/audit", &json!({ "source": source }), 200).await;
    assert_eq!(audited.json(), json!({ "accepted": false, "findings": findings }));
    assert_eq!(read(client, path).await, second, "what is rejected changes nothing");

    let third = done(client, "POST", &format!("{path}/rollback"), &json!({ "version": 1 }), 200).await.json();
    assert_eq!((&third["version"], &third["source"]), (&json!(3), &json!("return 1")));
    assert_eq!(third["provenance"], json!({ "author": "rollback", "restored_version": 1 }));
    assert_eq!(read(client, path).await, third);
    let versions = read(client, &format!("{path}/versions")).await;
    assert_eq!(versions, json!({ "versions": [third, second, first] }));
    let record = client.message(&to("system", "greet").to_string()).await;
    assert_eq!((record.result.get(), record.method_version), ("1", Some(3)));

    let rollback = client.send("POST", &format!("{path}/rollback"), r#"{"version":9}"#).await;
    is_problem(&rollback, 404, "MethodNotFound", "method 'greet' of 'UvmObjects/system' has no version 9");
    let nobody =
        client.send("PUT", "/objects/nobody/methods/greet", &json!({ "source": "pass" }).to_string()).await;
    is_problem(&nobody, 404, "ObjectNotFound", "object 'UvmObjects/nobody' does not exist");
}

#[tokio::test]
async fn inherited_methods_are_listed_where_they_come_from() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    child(client, "child").await;
    let greet = install(client, "system", "greet", "return 'system'").await.json();
    let hidden = install(client, "system", "part", "return 'system'").await.json();
    let part = install(client, "child", "part", "return 'child'").await.json();
    let methods = "/objects/child/methods";
    assert_eq!(read(client, methods).await, json!({ "methods": [part] }));
    let all = read(client, &format!("{methods}?inherited=true")).await;
    assert_eq!(each(&all["methods"], "name").into_iter().collect::<BTreeSet<_>>().len(), 2, "{all}");
    for (name, method) in [("greet", &greet), ("part", &part)] {
        assert!(all["methods"].as_array().is_some_and(|all| all.contains(method)), "{name}: {all}");
        assert_eq!(&read(client, &format!("{methods}/{name}?inherited=true")).await, method);
    }
    assert_eq!(read(client, "/objects/system/methods/part").await, hidden);
    for path in [format!("{methods}/greet"), format!("{methods}/greet/versions")] {
        let answer = client.get(&path).await;
        let none = "object 'UvmObjects/child' has no method 'greet' of its own";
        is_problem(&answer, 404, "MethodNotFound", none);
    }
}

#[tokio::test]
async fn a_methods_quota_is_enforced_until_it_is_lifted() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    child(client, "child").await;
    let method = "/objects/system/methods/count";
    let quota = format!("{method}/quota");
    let starved = async |message: Value| {
        let record = client.message(&message.to_string()).await;
        let error = record.error.expect("an error");
        assert_eq!((record.status.as_str(), record.result.get()), ("failed", "null"));
        assert_eq!((record.fuel_used, record.fuel_limit), (1000, Some(1000)));
        assert_eq!(error.kind, "FuelExhausted");
        assert_eq!(error.message, "the method used up its 1000 fuel");
    };
    install(client, "system", "count", "return 1").await;
    let set = done(client, "PUT", &quota, &json!({ "fuel": 1000, "wall_ms": 2000 }), 200).await.json();
    assert_eq!((&set["quota"], &set["version"]), (&json!({ "fuel": 1000, "wall_ms": 2000 }), &json!(1)));
    starved(to("child", "count")).await;
    let kept = install(client, "system", "count", "return 2").await.json();
    assert_eq!(kept["quota"], json!({ "fuel": 1000, "wall_ms": 2000 }));
    starved(to("system", "count")).await;

    assert_eq!(done(client, "PUT", &quota, &json!({}), 200).await.json()["quota"], json!({}));
    let record = client.message(&to("child", "count").to_string()).await;
    assert_eq!((record.result.get(), record.fuel_limit), ("2", Some(2_000_000_000)));
    let mut frugal = to("system", "count");
    frugal["fuel"] = json!(1000);
    starved(frugal).await;
    let body = json!({ "source": "return 3", "quota": { "fuel": 1000 } });
    done(client, "PUT", method, &body, 201).await;
    starved(to("system", "count")).await;

    for (limit, text) in [
        (json!({ "fuel": 0 }), "fuel must be between 1 and 1000000000000"),
        (json!({ "wall_ms": 600_001 }), "wall_ms must be between 1 and 600000"),
        (json!({ "memory_bytes": 1_073_741_825 }), "memory_bytes must be between 1 and 1073741824"),
        (json!({ "output_bytes": 16_777_217 }), "output_bytes must be between 1 and 16777216"),
    ] {
        let text = format!("The quota is not valid: {text}.");
        is_problem(&client.send("PUT", &quota, &limit.to_string()).await, 422, "Malformed", &text);
        let body = json!({ "source": "return 4", "quota": limit }).to_string();
        is_problem(&client.send("PUT", method, &body).await, 422, "Malformed", &text);
    }
    let unknown = client.send("PUT", &quota, r#"{"speed":1}"#).await;
    assert_eq!((unknown.status, &unknown.json()["kind"]), (422, &json!("Malformed")));
    let now = read(client, method).await;
    assert_eq!((&now["version"], &now["quota"]), (&json!(3), &json!({ "fuel": 1000 })));
    let none = "object 'UvmObjects/child' has no method 'count' of its own";
    let inherited = client.send("PUT", "/objects/child/methods/count/quota", "{}").await;
    is_problem(&inherited, 404, "MethodNotFound", none);
}

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

#[tokio::test]
async fn probes_tell_how_each_dependency_is() {
    let mind = ScriptedMind::start().await;
    let server = Server::start(&mind);
    let live = server.client().get("/healthz").await;
    assert_eq!((live.status, live.text.as_str()), (200, "ok\n"));
    assert_eq!(live.content_type, "text/plain; charset=utf-8");
    let detail = format!("ALFRED ({MODEL}): Ollama at {} 0.9.0, model {MODEL}", mind.url());
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

#[test]
fn a_folder_is_served_by_one_server() {
    let server = Server::start_with(&[NOWHERE]);
    let second = server.cli().run(&["serve", "--port", "0"]);
    assert_eq!((second.code, second.stdout.as_str()), (Some(1), ""), "{second:?}");
    let folder = server.cli().folder().join("data");
    let begin = format!("error: The folder {} is served already, by process ", folder.display());
    let rest = second.stderr.strip_prefix(&begin).unwrap_or_else(|| panic!("{}", second.stderr));
    assert!(rest.contains(" at http://127.0.0.1:"), "{rest}");
    assert!(rest.ends_with(". Stop that one, or choose another folder with --data.\n"), "{rest}");
    let listed = server.cli().run(&["object", "list"]);
    assert_eq!(listed.stdout, "UvmObjects/nil\nUvmObjects/system\n", "the first goes on");
    drop(server.kill().restart());
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
