//! Methods, their versions, where they come from, and their quotas.

use std::collections::BTreeSet;

use aura_tests::Server;
use serde_json::{Value, json};

use super::{NOWHERE, child, done, each, install, is_problem, read, to};

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
    let mut audited = audited.json();
    let fuel = audited.as_object_mut().and_then(|audit| audit.remove("fuel_used"));
    assert!(fuel.and_then(|fuel| fuel.as_u64()).is_some_and(|fuel| fuel > 0), "{audited}");
    assert_eq!(audited, json!({ "accepted": false, "findings": findings }));
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
