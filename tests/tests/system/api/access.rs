//! Who may ask: tokens, addresses, names.

use aura_tests::{Instance, Server};
use serde_json::json;

use super::{NOWHERE, each, is_problem};

const SHOW_TOKEN: &str = "Show the server's token (AURA_API_TOKEN): Authorization: Bearer TOKEN.";

#[tokio::test]
async fn a_server_with_a_token_answers_only_to_those_who_show_it() {
    let server = Server::start_with(&[NOWHERE, ("AURA_API_TOKEN", "open-sesame")]);
    let client = server.client();
    let long = format!("Bearer open-sesame{}", "e".repeat(10_000));
    let wrong = [
        "Bearer open",
        "Bearer open-sesames",
        "Bearer Open-Sesame",
        "Bearer open-sesame, Bearer open-sesame",
        "Bearer open-\tsesame",
        "Bearer\topen-sesame",
        "Beareropen-sesame",
        "Bearer ",
        "Bearer",
        "",
        "Bearer öpen-sesame",
        "Basic open-sesame",
        "open-sesame",
        &long,
    ];
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
    let twice = [("authorization", "Bearer open-sesame"), ("authorization", "Bearer open-sesame")];
    let answer = client.request("GET", "/objects", &twice, Vec::new()).await;
    is_problem(&answer, 401, "Unauthorized", SHOW_TOKEN);
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(client.get(probe).await.status, 200, "{probe}");
    }
    let told = client.get("/readyz").await.json();
    assert_eq!(told["store"], json!({ "state": "ok" }), "strangers are not told what is behind");
    let shown = [("authorization", "Bearer open-sesame")];
    let told = client.request("GET", "/readyz", &shown, Vec::new()).await.json();
    assert_eq!(told["store"], json!({ "state": "ok", "detail": "it answers" }));
    for right in ["Bearer open-sesame", "bearer open-sesame", "BEARER   open-sesame"] {
        let headers = [("authorization", right), ("host", "aura.example")];
        let answer = client.request("GET", "/objects", &headers, Vec::new()).await;
        assert_eq!(each(&answer.json()["objects"], "id"), ["UvmObjects/nil", "UvmObjects/system"]);
    }

    let listed = server.cli().run(&["object", "list"]);
    assert_eq!((listed.code, listed.stdout.as_str()), (Some(0), "UvmObjects/nil\nUvmObjects/system\n"));
    let mut stranger = server.cli().clone();
    stranger.set("AURA_API_TOKEN", "open");
    let refused = stranger.run(&["object", "list"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""));
    assert_eq!(refused.stderr, format!("error: Unauthorized: {SHOW_TOKEN}\n"));
}

#[test]
fn serve_refuses_to_be_reached_from_other_machines_without_a_token() {
    let tokenless: [&[(&str, &str)]; 2] = [&[], &[("AURA_API_TOKEN", "")]];
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    let hosts = [
        "0.0.0.0",
        "0",
        "::",
        "[::]",
        "::ffff:0.0.0.0",
        "::ffff:192.0.2.1",
        "192.0.2.1",
        "fe80::1",
        "aura.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        machine.trim(),
    ];
    for settings in tokenless {
        let alone = Instance::new(settings);
        for host in hosts {
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
