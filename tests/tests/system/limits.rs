//! What a limit ends leaves nothing behind, and limits are exact to the last unit, across sends too.

use aura_tests::{Client, Record, ScriptedMind, Server};
use serde_json::{Value, json};

/// A kind of limit, a body that runs into it after it changed its object, and a quota.
const GREEDY: [(&str, &str, &str); 6] = [
    (
        "FuelExhausted",
        "self.n += 1\nself.send('other', 'bump')\nwhile True:\n    pass",
        r#"{"fuel":30000000}"#,
    ),
    (
        "TimeLimit",
        "self.n += 1\nself.send('other', 'bump')\nwhile True:\n    pass",
        r#"{"fuel":1000000000000,"wall_ms":100}"#,
    ),
    (
        "MemoryLimit",
        "self.n += 1\nself.send('other', 'bump')\nkept = []\nwhile True:\n    kept.append(bytearray(1000000))",
        r#"{"memory_bytes":67108864}"#,
    ),
    (
        "OutputLimit",
        "self.n += 1\nself.send('other', 'bump')\nwhile True:\n    print('x' * 99)",
        r#"{"output_bytes":1000}"#,
    ),
    ("DepthLimit", "self.n += 1\nself.send('other', 'bump')\nself.greedy()", "{}"),
    // The limit of one that it sends to, which it does not catch.
    ("FuelExhausted", "self.n += 1\nself.send('other', 'bump')\nself.send('other', 'spin')", "{}"),
];

async fn install(client: &Client, object: &str, method: &str, source: &str, quota: &str) {
    let quota: Value = serde_json::from_str(quota).expect("JSON");
    let body = json!({ "source": source, "quota": quota }).to_string();
    let answer = client.send("PUT", &format!("/objects/{object}/methods/{method}"), &body).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
}

async fn send(client: &Client, method: &str, fuel: Option<u64>) -> Record {
    let body = json!({ "target_object_id": "greedy", "method_name": method, "seed": 5, "fuel": fuel });
    client.message(&body.to_string()).await
}

/// Both objects as they stand: revisions and attributes.
async fn state(client: &Client) -> [Value; 2] {
    let object = async |key: &str| {
        let object = client.get(&format!("/objects/{key}")).await.json();
        json!([object["rev"], object["attributes"]])
    };
    [object("greedy").await, object("other").await]
}

async fn start(mind: &ScriptedMind) -> Server {
    let server = Server::start(mind);
    let client = server.client();
    for key in ["greedy", "other"] {
        let body = json!({ "key": key, "attributes": { "n": 0 } }).to_string();
        assert_eq!(client.send("POST", "/objects", &body).await.status, 201);
    }
    install(client, "other", "bump", "self.n += 1\nreturn self.n", "{}").await;
    install(client, "other", "spin", "self.n += 1\nwhile True:\n    pass", r#"{"fuel":30000000}"#).await;
    install(client, "greedy", "modest", "self.n += 1\nreturn self.n", "{}").await;
    server
}

#[tokio::test]
async fn what_a_limit_ends_leaves_nothing_behind() {
    let mind = ScriptedMind::start().await;
    let server = start(&mind).await;
    let client = server.client();
    for (number, (kind, source, quota)) in (1..).zip(GREEDY) {
        install(client, "greedy", "greedy", source, quota).await;
        let before = state(client).await;
        let record = send(client, "greedy", None).await;
        assert_eq!(record.error.expect("a limit").kind, kind, "{source}");
        assert_eq!((record.status.as_str(), record.state_changed), ("failed", false), "{source}");
        assert_eq!(state(client).await, before, "{source}");
        let next = send(client, "modest", None).await;
        assert_eq!(next.result.get(), number.to_string(), "{source}");
    }
}

#[tokio::test]
async fn the_fuel_a_message_needs_is_enough_and_a_unit_less_is_not() {
    let mind = ScriptedMind::start().await;
    let server = start(&mind).await;
    let client = server.client();
    install(client, "other", "set", "self.n = args[0]\nreturn self.n", "{}").await;
    let source = "self.n = 1\nfor _ in range(3):\n    self.send('other', 'set', 7)\nreturn self.down(4)";
    install(client, "greedy", "nesting", source, "{}").await;
    let source = "return args[0] and self.down(args[0] - 1) + self.send('other', 'set', 8)";
    install(client, "greedy", "down", source, "{}").await;
    // The first run leaves the objects as it finds them from then on.
    send(client, "nesting", None).await;
    let needed = send(client, "nesting", None).await.fuel_used;
    let before = state(client).await;
    for less in [1, 2, 1_000, needed / 2] {
        let record = send(client, "nesting", Some(needed - less)).await;
        assert_eq!(record.error.expect("no fuel left").kind, "FuelExhausted");
        assert_eq!((record.fuel_used, record.fuel_limit), (needed - less, Some(needed - less)));
        assert_eq!(state(client).await, before);
    }
    let exact = send(client, "nesting", Some(needed)).await;
    assert_eq!((exact.result.get(), exact.fuel_used), ("32", needed));
}

/// Each holds on to some memory and sends to itself: the runs of one message have together what the first may have.
#[tokio::test]
async fn nested_sends_share_the_memory_of_the_first() {
    const GREEDY: &str = "kept = bytearray(16 << 20)\ntry:\n    return self.deepen() + 1\nexcept SendError as error:\n    return 1 if error.kind == 'MemoryLimit' else -99";
    let mind = ScriptedMind::start().await;
    let server = start(&mind).await;
    let client = server.client();
    install(client, "greedy", "deepen", GREEDY, "{}").await;
    let deep: u64 = send(client, "deepen", None).await.result.get().parse().expect("a number");
    // Of 128 MiB an isolate has some 40 from the start, a few of them free.
    assert!((3..=9).contains(&deep), "{deep} runs had 16 MiB each at once");
    // They give it back.
    let again = send(client, "deepen", None).await;
    assert_eq!(again.result.get(), deep.to_string());
}
