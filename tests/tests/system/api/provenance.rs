//! Where versions come from, and what differs between them.

use aura_tests::{MODEL_DIGEST, Reply, ScriptedMind, Server};
use serde_json::json;

use super::{NOWHERE, done, install, is_problem, read, to};

/// A digest in lower-case hexadecimal.
fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[tokio::test]
async fn a_version_the_mind_wrote_says_how_it_came_about() {
    let mind = ScriptedMind::start().await;
    mind.answers(vec![Reply::code("import os\nreturn eval('1')"), Reply::code("return 'Hello'")]);
    let server = Server::start(&mind);
    let client = server.client();
    let record = client.message(&to("system", "greet").to_string()).await;
    assert_eq!((record.result.get(), record.attempts), ("\"Hello\"", 2));
    let path = "/objects/system/methods/greet";
    let method = read(client, path).await;
    let provenance = &method["provenance"];
    for (field, expected) in [
        ("author", json!("mind")),
        ("persona", json!("ALFRED")),
        ("model", json!("qwen2:7b-instruct-q4_K_M")),
        ("model_digest", json!(MODEL_DIGEST)),
        ("temperature", json!(0.25)),
        ("mind_seed", json!(1)),
        ("mandate", json!("implement method 'greet' with args [] and kwargs {}")),
        ("message_id", json!(record.message_id)),
    ] {
        assert_eq!(provenance[field], expected, "{field}");
    }
    assert!(provenance["answered_in_ms"].is_u64(), "{provenance}");
    assert!(provenance["prompt_digest"].as_str().is_some_and(is_digest), "{provenance}");
    let failed = &provenance["failed_attempts"];
    assert_eq!(
        (failed.as_array().map(Vec::len), &failed[0]["fault"]["kind"]),
        (Some(1), &json!("AuditRejected"))
    );
    assert_eq!(failed[0]["fault"]["findings"].as_array().map(Vec::len), Some(2));
    let run = read(client, &format!("/invocations/{}", record.invocation_id.expect("a run"))).await;
    let proved = json!({
        "invocation_id": run["invocation_id"], "fuel_used": record.fuel_used,
        "peak_memory_bytes": run["peak_memory_bytes"],
    });
    assert_eq!(provenance["validation"], proved);

    let versions = server.cli().run(&["method", "versions", "system", "greet"]);
    let lines: Vec<&str> = versions.stdout.lines().collect();
    let ["", date, ""] = lines[0]
        .split("UvmObjects/system greet version 1, written by ALFRED (qwen2:7b-instruct-q4_K_M), ")
        .flat_map(|part| part.split('Z'))
        .collect::<Vec<_>>()[..]
    else {
        panic!("{versions:?}");
    };
    assert_eq!(date.len(), "2026-01-01 00:00".len(), "{date}");
    assert_eq!(lines[1], "  mandate   implement method 'greet' with args [] and kwargs {}");
    let model = "  model     qwen2:7b-instruct-q4_K_M 2c1ce5a8b2f0, temperature 0.25, answered in ";
    assert!(lines[2].starts_with(model), "{versions:?}");
    let failed =
        "  failed    attempt 1: AuditRejected: Disallowed import of module 'os' at line 1. (and 1 more)";
    assert_eq!(lines[3], failed);
    let id = run["invocation_id"].as_str().expect("an id");
    assert!(
        lines[4].starts_with(&format!("  proved    by run {id}, ")) && lines[4].ends_with(" fuel"),
        "{versions:?}"
    );
    assert_eq!(lines.len(), 5, "{versions:?}");
    let shown = server.cli().run(&["method", "show", "system", "greet"]);
    assert_eq!(shown.stdout, format!("{}return 'Hello'\n", versions.stdout));
}

#[tokio::test]
async fn versions_are_kept_as_they_were_and_compared() {
    let server = Server::start_with(&[NOWHERE]);
    let (client, cli) = (server.client(), server.cli());
    let path = "/objects/system/methods/greet";
    let first = install(client, "system", "greet", "name = args[0]\nreturn 'Hello ' + name").await.json();
    let body = json!({ "source": "name = args[0]\nreturn 'Bye ' + name\n", "quota": { "fuel": 90_000_000 } });
    let second = done(client, "PUT", path, &body, 201).await.json();
    assert_eq!(read(client, &format!("{path}/versions/1")).await, first);
    assert_eq!(read(client, &format!("{path}/versions/2")).await, second);

    let unified = "--- greet version 1, installed by hand\n+++ greet version 2, installed by hand\n\
                   @@ -1,2 +1,2 @@\n name = args[0]\n-return 'Hello ' + name\n+return 'Bye ' + name\n\
                   @@ quota @@\n+fuel 90000000\n";
    let diff = read(client, &format!("{path}/diff")).await;
    assert_eq!(diff, json!({ "from": 1, "to": 2, "unified": unified }));
    assert_eq!(read(client, &format!("{path}/diff?from=1&to=2")).await, diff);
    done(client, "POST", &format!("{path}/rollback"), &json!({ "version": 1 }), 200).await;
    let shown = cli.run(&["method", "diff", "system", "greet"]);
    let back = "--- greet version 2, installed by hand\n+++ greet version 3, restored from version 1\n\
                @@ -1,2 +1,2 @@\n name = args[0]\n-return 'Bye ' + name\n+return 'Hello ' + name\n\
                @@ quota @@\n-fuel 90000000\n";
    assert_eq!((shown.code, shown.stdout.as_str(), shown.stderr.as_str()), (Some(0), back, ""));
    let same = cli.run(&["method", "diff", "system", "greet", "1", "3"]);
    let header = "--- greet version 1, installed by hand\n+++ greet version 3, restored from version 1\n";
    let told = "Versions 1 and 3 do not differ.\n";
    assert_eq!((same.code, same.stdout.as_str(), same.stderr.as_str()), (Some(0), header, told));
    let earlier = cli.run(&["method", "show", "system", "greet", "--version", "2"]);
    assert!(
        earlier.stdout.ends_with(", fuel 90000000\nname = args[0]\nreturn 'Bye ' + name\n\n"),
        "{earlier:?}"
    );

    let unknown = "method 'greet' of 'UvmObjects/system' has no version 9";
    for query in ["diff?from=9", "diff?to=9", "versions/9"] {
        is_problem(&client.get(&format!("{path}/{query}")).await, 404, "MethodNotFound", unknown);
    }
    let none = "method 'greet' of 'UvmObjects/system' has no version before version 1";
    is_problem(&client.get(&format!("{path}/diff?to=1")).await, 404, "MethodNotFound", none);
    let other = "object 'UvmObjects/nil' has no method 'greet' of its own";
    is_problem(&client.get("/objects/nil/methods/greet/diff").await, 404, "MethodNotFound", other);
    let before = read(client, &format!("{path}/versions")).await;
    let refused = cli.run(&["method", "rollback", "system", "greet", "9"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert_eq!(refused.stderr, format!("error: MethodNotFound: {unknown}\n"));
    assert_eq!(read(client, &format!("{path}/versions")).await, before);
}
