//! Servers that die in the middle of their work: what was answered is there, and nothing is there twice.
//!
//! `AURA_KILLS` says how often the server is killed, 12 times if it is not set.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aura_tests::{Client, Reply, ScriptedMind, Server};
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::{JSON, NOWHERE, child, done, ended, install, read, to};

/// The client of the server that is up now.
type Up = watch::Receiver<Client>;

/// What the senders were promised.
#[derive(Default)]
struct Promised {
    ids: BTreeSet<String>,
    /// Messages sent with a key until they were answered.
    keys: u64,
    pupils: Vec<String>,
}

impl Promised {
    fn join(mut self, other: Self) -> Self {
        self.ids.extend(other.ids);
        self.keys += other.keys;
        self.pupils.extend(other.pupils);
        self
    }
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

async fn furnish(client: &Client) {
    for key in ["counter", "keyed", "left", "right", "bank", "branch"] {
        child(client, key).await;
    }
    install(client, "system", "count", "self.n = getattr(self, 'n', 0) + 1").await;
    install(client, "system", "add", "self.sum = getattr(self, 'sum', 0) + args[0]").await;
    install(client, "system", "move", "self.send('left', 'add', -1)\nself.send('right', 'add', 1)").await;
}

/// Sends until `stop`, waiting for the end half of the time.
async fn press(mut up: Up, stop: Arc<AtomicBool>, body: Value) -> Promised {
    let (mut promised, mut wait) = (Promised::default(), false);
    while !stop.load(Ordering::Relaxed) {
        wait = !wait;
        let headers = if wait { vec![JSON, ("prefer", "wait=60")] } else { vec![JSON] };
        let client = up.borrow_and_update().clone();
        let Ok(answer) = client.try_request("POST", "/message", &headers, body.to_string().into()).await
        else {
            // The server is gone: wait for the next one.
            let _ = tokio::time::timeout(Duration::from_millis(100), up.changed()).await;
            continue;
        };
        assert!(matches!(answer.status, 200 | 202 | 503), "{}", answer.text);
        if answer.status != 503 {
            promised.ids.insert(answer.json()["message_id"].as_str().expect("an id").to_owned());
        }
    }
    promised
}

/// Sends each message with a key of its own, again and again until it is answered.
async fn press_with_keys(up: Up, stop: Arc<AtomicBool>, sender: usize, keys: Arc<AtomicU64>) -> Promised {
    let mut promised = Promised::default();
    while !stop.load(Ordering::Relaxed) {
        let key = format!("{sender}-{}", keys.fetch_add(1, Ordering::Relaxed));
        promised.keys += 1;
        promised.ids.insert(until_answered(&up, &to("keyed", "count"), &key).await);
    }
    promised
}

async fn until_answered(up: &Up, body: &Value, key: &str) -> String {
    loop {
        let client = up.borrow().clone();
        let headers = [JSON, ("idempotency-key", key)];
        match client.try_request("POST", "/message", &headers, body.to_string().into()).await {
            Ok(answer) if answer.status != 503 => {
                return answer.json()["message_id"].as_str().expect("an id").to_owned();
            }
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Makes new objects learn.
async fn teach(up: Up, stop: Arc<AtomicBool>) -> Promised {
    let mut promised = Promised::default();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let pupil = format!("pupil{number}");
        loop {
            let client = up.borrow().clone();
            let body = json!({ "key": pupil, "prototypes": ["nil"] }).to_string();
            match client.try_request("POST", "/objects", &[JSON], body.into()).await {
                // It was made before the server died.
                Ok(answer) if matches!(answer.status, 201 | 409) => break,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        promised.ids.insert(until_answered(&up, &to(&pupil, "teach_yourself_to_greet"), &pupil).await);
        promised.pupils.push(pupil);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    promised
}

/// All messages of that status.
async fn all(client: &Client, status: &str) -> Vec<Value> {
    let (mut messages, mut after) = (Vec::new(), String::new());
    loop {
        let page = read(client, &format!("/messages?status={status}&limit=1000{after}")).await;
        messages.extend(page["messages"].as_array().expect("messages").iter().cloned());
        let Some(next) = page["next"].as_str() else { return messages };
        after = format!("&after={next}");
    }
}

async fn quiet(client: &Client) {
    while !all(client, "accepted").await.is_empty() || !all(client, "running").await.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn attribute(client: &Client, object: &str, name: &str) -> i64 {
    read(client, &format!("/objects/{object}")).await["attributes"][name].as_i64().unwrap_or_default()
}

/// Compares what was promised, the records and the state.
async fn balance(client: &Client, promised: &Promised) {
    for id in &promised.ids {
        let record = ended(client, id).await.record();
        assert_eq!(record.status, "completed", "{id}: {:?}", record.error);
    }
    quiet(client).await;
    assert_eq!(all(client, "failed").await, Vec::<Value>::new());
    let completed = all(client, "completed").await;
    let mut by_target: BTreeMap<&str, i64> = BTreeMap::new();
    for message in &completed {
        *by_target.entry(message["target_object_id"].as_str().expect("an id")).or_default() += 1;
    }
    let known: BTreeSet<_> =
        completed.iter().map(|message| message["message_id"].as_str().expect("an id")).collect();
    assert_eq!(known.len(), completed.len(), "each message is there once");
    assert!(promised.ids.iter().all(|id| known.contains(id.as_str())), "a message is lost");

    // Those whose answer did not arrive count as well.
    let moved =
        by_target["UvmObjects/bank"] + by_target.get("UvmObjects/branch").copied().unwrap_or_default();
    assert_eq!(attribute(client, "counter", "n").await, by_target["UvmObjects/counter"]);
    assert_eq!(
        (attribute(client, "left", "sum").await, attribute(client, "right", "sum").await),
        (-moved, moved)
    );
    let keyed = by_target.get("UvmObjects/keyed").copied().unwrap_or_default();
    assert_eq!(keyed, i64::try_from(promised.keys).expect("few"), "a key was used twice or never");
    assert_eq!(attribute(client, "keyed", "n").await, keyed);
    for pupil in &promised.pupils {
        let versions = read(client, &format!("/objects/{pupil}/methods/greet/versions")).await;
        assert_eq!(versions["versions"].as_array().map(Vec::len), Some(1), "{pupil}: {versions}");
        assert_eq!(by_target[format!("UvmObjects/{pupil}").as_str()], 1);
    }
    // The journal: each run that a record names is written down.
    for message in completed.iter().step_by(completed.len() / 100 + 1) {
        let id = message["invocation_id"].as_str().expect("an id");
        let invocation = read(client, &format!("/invocations/{id}")).await;
        assert_eq!(invocation["message_id"], message["message_id"]);
        assert_eq!(invocation["receiver"], message["target_object_id"]);
    }
}

fn kills() -> u64 {
    env::var("AURA_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_accepted_takes_effect_once_however_often_the_server_dies() {
    let mind = ScriptedMind::start().await;
    mind.by_method(|_| Some(Reply::code("return 'hello'")));
    let mut server = Server::start(&mind);
    furnish(server.client()).await;
    let (tell, up) = watch::channel(server.client().clone());
    let (stop, keys) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut senders = JoinSet::new();
    for _ in 0..4 {
        senders.spawn(press(up.clone(), stop.clone(), to("counter", "count")));
        senders.spawn(press(up.clone(), stop.clone(), to("bank", "move")));
    }
    for sender in 0..2 {
        senders.spawn(press_with_keys(up.clone(), stop.clone(), sender, keys.clone()));
    }
    senders.spawn(teach(up, stop.clone()));

    let mut dice = Dice(0x4155_5241);
    for _ in 0..kills() {
        // From its very first moments on.
        tokio::time::sleep(Duration::from_millis(dice.roll(250))).await;
        server = server.kill().restart();
        tell.send_replace(server.client().clone());
    }
    stop.store(true, Ordering::Relaxed);
    let promised = senders.join_all().await.into_iter().fold(Promised::default(), Promised::join);
    assert!(promised.ids.len() > 20, "hardly any message came through");
    balance(server.client(), &promised).await;
    println!("{} kills, {} messages answered, {} pupils", kills(), promised.ids.len(), promised.pupils.len());
}

/// Two servers on one image, of which one or the other dies.
#[tokio::test(flavor = "multi_thread")]
async fn servers_that_share_an_image_do_each_message_once() {
    let mind = ScriptedMind::start().await;
    mind.by_method(|_| Some(Reply::code("return 'hello'")));
    let first = Server::start_with(&[("OLLAMA_HOST", &mind.url()), ("AURA_LEASE_S", "1")]);
    furnish(first.client()).await;
    let mut servers = [Some(first), None];
    servers[1] = servers[0].as_ref().map(Server::beside);
    let of = |server: &Option<Server>| server.as_ref().expect("it runs").client().clone();
    let tells = [watch::Sender::new(of(&servers[0])), watch::Sender::new(of(&servers[1]))];
    let (stop, keys) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut senders = JoinSet::new();
    for (sender, tell) in tells.iter().enumerate() {
        let up = tell.subscribe();
        senders.spawn(press(up.clone(), stop.clone(), to("counter", "count")));
        // Different objects that change the same ones.
        let bank = ["bank", "branch"][sender];
        senders.spawn(press(up.clone(), stop.clone(), to(bank, "move")));
        senders.spawn(press_with_keys(up, stop.clone(), sender, keys.clone()));
    }
    senders.spawn(teach(tells[0].subscribe(), stop.clone()));
    let mut dice = Dice(1);
    for round in 0..usize::try_from(kills() / 3).expect("few") {
        tokio::time::sleep(Duration::from_millis(dice.roll(400))).await;
        let ends = round % 2;
        let server = servers[ends].take().expect("it runs").kill().restart();
        tells[ends].send_replace(server.client().clone());
        servers[ends] = Some(server);
    }
    stop.store(true, Ordering::Relaxed);
    let promised = senders.join_all().await.into_iter().fold(Promised::default(), Promised::join);
    assert!(promised.ids.len() > 20, "hardly any message came through");
    balance(&of(&servers[1]), &promised).await;
}

/// Begins a message that runs until the server ends, and waits until it runs.
async fn spin(server: &Server) -> String {
    let client = server.client();
    let endless = json!({ "source": "while True: pass", "quota": { "fuel": 1_000_000_000_000_u64, "wall_ms": 600_000 } });
    done(client, "PUT", "/objects/spinner/methods/spin", &endless, 201).await;
    let id = crate::api::accepted(&client.send("POST", "/message", &to("spinner", "spin").to_string()).await);
    runs(client, &id).await;
    id
}

async fn runs(client: &Client, id: &str) {
    while read(client, &format!("/messages/{id}")).await["status"] != "running" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_message_that_runs_whenever_the_server_dies_is_set_aside() {
    let mut server = Server::start_with(&[NOWHERE]);
    child(server.client(), "spinner").await;
    child(server.client(), "counter").await;
    install(server.client(), "system", "count", "self.n = getattr(self, 'n', 0) + 1").await;
    let id = spin(&server).await;
    let behind = crate::api::accepted(
        &server.client().send("POST", "/message", &to("spinner", "count").to_string()).await,
    );
    for _ in 0..5 {
        runs(server.client(), &id).await;
        server = server.kill().restart();
        let beside = server.client().message(&to("counter", "count").to_string()).await;
        assert_eq!(beside.status, "completed");
    }
    let record = ended(server.client(), &id).await.record();
    let error = record.error.expect("an error");
    assert_eq!(
        (error.kind.as_str(), error.message.as_str()),
        (
            "Internal",
            "set aside: the server died 5 times while this message ran; send it again if something else was the cause"
        )
    );
    assert_eq!(ended(server.client(), &behind).await.record().status, "completed");
    assert_eq!(read(server.client(), &format!("/messages/{id}")).await["restarts"], 4);
}

/// A message that is cut short by a server that is asked to stop has killed nothing.
#[tokio::test]
async fn a_server_that_stops_in_order_is_no_death() {
    let server = Server::start_with(&[NOWHERE]);
    child(server.client(), "spinner").await;
    let id = spin(&server).await;
    let server = server.kill().restart();
    let restarts = async |server: &Server| {
        runs(server.client(), &id).await;
        read(server.client(), &format!("/messages/{id}")).await["restarts"].clone()
    };
    assert_eq!(restarts(&server).await, 1);
    server.terminate();
    let stopped = server.stopped();
    assert!(stopped.log().contains("messages that were running start again"), "{}", stopped.log());
    let server = stopped.restart();
    assert_eq!(restarts(&server).await, 1);
}

#[tokio::test]
async fn the_messages_of_a_server_that_is_gone_are_done_by_another() {
    let first = Server::start_with(&[NOWHERE, ("AURA_LEASE_S", "1")]);
    let second = first.beside();
    child(first.client(), "spinner").await;
    install(first.client(), "system", "note", "self.log = getattr(self, 'log', []) + [args[0]]").await;
    let client = first.client();
    let note = |number: usize| {
        json!({ "target_object_id": "spinner", "method_name": "note", "args": [number] }).to_string()
    };
    let mut ids = Vec::new();
    // The first one is cut short by a new body: what it runs ends with its server.
    let spinning = spin(&first).await;
    for number in 0..5 {
        ids.push(crate::api::accepted(&client.send("POST", "/message", &note(number)).await));
    }
    let quick = json!({ "source": "return 'quick'" });
    done(second.client(), "PUT", "/objects/spinner/methods/spin", &quick, 201).await;
    // One that came later elsewhere waits for those that were accepted before it.
    for number in 5..8 {
        ids.push(crate::api::accepted(&second.client().send("POST", "/message", &note(number)).await));
    }
    let mut events = second.client().events(&format!("/messages/{spinning}/events")).await;
    drop(first.kill());

    assert_eq!(ended(second.client(), &spinning).await.record().result.get(), r#""quick""#);
    for id in &ids {
        assert_eq!(ended(second.client(), id).await.record().status, "completed");
    }
    let log = &read(second.client(), "/objects/spinner").await["attributes"]["log"];
    assert_eq!(log, &json!([0, 1, 2, 3, 4, 5, 6, 7]), "in the order of acceptance");
    // Who listens at the second server hears the end as well.
    while events.next().await.0 != "completed" {}
}

/// A process that sleeps in the middle of a transaction keeps all others from writing to the file.
fn freeze_outside_a_transaction(server: &Server) {
    let image = Connection::open(server.cli().folder().join("data/image.sqlite")).expect("the image");
    image.busy_timeout(Duration::from_millis(200)).expect("a timeout");
    loop {
        server.freeze();
        if image.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok() {
            return;
        }
        server.wake();
    }
}

#[tokio::test]
async fn a_server_that_slept_too_long_changes_nothing_of_what_others_took_over() {
    let first = Server::start_with(&[NOWHERE, ("AURA_LEASE_S", "1")]);
    let second = first.beside();
    child(first.client(), "counter").await;
    let slow = "n = 0\nfor _ in range(400000): n += 1\nself.n = getattr(self, 'n', 0) + 1";
    install(first.client(), "counter", "count", slow).await;
    let mut ids = Vec::new();
    for _ in 0..10 {
        let body = to("counter", "count").to_string();
        ids.push(crate::api::accepted(&first.client().send("POST", "/message", &body).await));
    }
    freeze_outside_a_transaction(&first);
    // As soon as the other one has begun with them, both want to.
    let begun = ended(second.client(), &ids[5]).await.record();
    first.wake();
    assert_eq!(begun.status, "completed");
    for id in &ids {
        assert_eq!(ended(second.client(), id).await.record().status, "completed");
    }
    assert_eq!(attribute(second.client(), "counter", "n").await, 10);
    // It joins again and works on.
    let again = loop {
        let answer = first.client().send("POST", "/message", &to("counter", "count").to_string()).await;
        if answer.status == 202 {
            break crate::api::accepted(&answer);
        }
        assert_eq!((answer.status, answer.json()["kind"].as_str()), (503, Some("StoreUnavailable")));
    };
    assert_eq!(ended(first.client(), &again).await.record().status, "completed");
    assert_eq!(attribute(first.client(), "counter", "n").await, 11);
}
