//! The bombs of the guard's corpus, sent to a server: each ends as what it is, and the server stays within bounds.

use std::thread::available_parallelism;

use aura_tests::{Client, Server, proc, root};
use futures::stream::{self, StreamExt as _};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::NOWHERE;

/// What the server has, in KiB, beside the runs: itself, the mapped guest, isolates made ready, what is being written.
const OWN: u64 = 256 << 10;
/// What a run has, in KiB: the memory of its quota, and twice as much again for what goes in and comes out.
const RUN: u64 = 384 << 10;

/// Messages that are sent at once.
const AT_ONCE: usize = 8;

#[derive(Deserialize)]
struct Corpus {
    attack: Vec<Bomb>,
}

#[derive(Deserialize)]
struct Bomb {
    name: String,
    body: String,
    #[serde(default)]
    args: Vec<Value>,
    #[serde(default)]
    kwargs: Map<String, Value>,
    #[serde(default)]
    attributes: Map<String, Value>,
}

fn bombs() -> Vec<Bomb> {
    let folder = root().join("tests/corpus/attacks");
    let files = std::fs::read_dir(folder).expect("the corpus").map(|file| file.expect("a file").path());
    files
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bomb_")))
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).expect("text");
            toml::from_str::<Corpus>(&text).expect("attacks").attack
        })
        .collect()
}

/// How a bomb ends: as it completes, or by the kind of error. The method has the name by which some send to themselves.
async fn explode(client: &Client, number: usize, bomb: &Bomb) -> String {
    let key = format!("bomb{number}");
    let object = json!({ "key": key, "attributes": bomb.attributes });
    let made = client.send("POST", "/objects", &object.to_string()).await;
    assert_eq!(made.status, 201, "{}: {}", bomb.name, made.text);
    let path = format!("/objects/{key}/methods/attack");
    let installed = client.send("PUT", &path, &json!({ "source": bomb.body }).to_string()).await;
    if installed.status != 201 {
        return installed.json()["kind"].as_str().unwrap_or(&installed.text).to_owned();
    }
    let message = json!({
        "target_object_id": key, "method_name": "attack", "args": bomb.args, "kwargs": bomb.kwargs, "seed": 7
    });
    let record = client.message(&message.to_string()).await;
    record.error.map_or(record.status, |failure| failure.kind)
}

#[tokio::test]
async fn bombs_end_and_leave_the_server_within_bounds() {
    // Fuel enough to explode; the clock is no part of this.
    let server = Server::start_with(&[NOWHERE, ("AURA_FUEL", "400000000"), ("AURA_WALL_MS", "60000")]);
    let client = server.client();
    let bombs = bombs();
    assert!(bombs.len() > 300, "only {} bombs", bombs.len());
    let ends: Vec<(&str, String)> = stream::iter(bombs.iter().enumerate())
        .map(async |(number, bomb)| (bomb.name.as_str(), explode(client, number, bomb).await))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let expected = [
        "completed",
        "AuditRejected",
        "CovenantViolation",
        "DepthLimit",
        "FuelExhausted",
        "MemoryLimit",
        // One teaches, and there is nobody to learn from.
        "MindUnavailable",
        "OutputLimit",
        "PythonException",
    ];
    let others: Vec<_> = ends.iter().filter(|(_, end)| !expected.contains(&end.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
    let at_once = available_parallelism().map_or(2, |cores| cores.get().clamp(2, AT_ONCE)) as u64;
    let peak = proc::peak(server.id());
    assert!(peak < OWN + at_once * RUN, "the server had {} MiB", peak >> 10);
    let answer = client.get("/objects/bomb0").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}
