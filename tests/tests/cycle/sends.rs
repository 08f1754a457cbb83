//! Sends between objects: one cycle, one commit, and faults that take back what they did.

use aura::object::{InvocationOutcome, Kind, MessageStatus};

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_send_leaves_no_change_and_what_succeeded_stays() {
    let scene = Scene::new();
    scene.object("account", r#"{"n":0}"#);
    scene.object("log", r#"{"n":0}"#);
    scene.method("account", "deposit", "add n 1").await;
    scene.method("account", "spoil", "add n 100\nsend log note\nraise no").await;
    scene.method("log", "note", "add n 1").await;
    scene.method("system", "go", "set seen 1\ntry account spoil\nsend account deposit\nreturn .caught").await;
    let message = scene.send("system", "go").await;

    assert_eq!((message.error, message.result.get()), (None, "\"PythonException\""));
    assert_eq!(scene.attributes("account"), r#"{"n":1}"#);
    assert_eq!(scene.attributes("log"), r#"{"n":0}"#);
    assert_eq!(scene.attributes("system"), r#"{"caught":"PythonException","seen":1}"#);

    let state = scene.image.state();
    let runs: Vec<_> = state.invocations.values().collect();
    let names: Vec<_> = runs.iter().map(|run| run.method_name.as_str()).collect();
    assert_eq!(names, ["go", "spoil", "note", "deposit"]);
    let parents: Vec<_> = runs.iter().map(|run| run.parent).collect();
    let (go, spoil) = (Some(runs[0].invocation_id), Some(runs[1].invocation_id));
    assert_eq!(parents, [None, go, spoil, go]);
    assert!(
        matches!(&runs[1].outcome, InvocationOutcome::Failed(fault) if fault.kind == Kind::PythonException)
    );
    assert_eq!(message.invocation_id, go);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_to_self_shows_its_changes_to_the_sender() {
    let scene = Scene::new();
    scene.object("o", r#"{"n":1}"#);
    scene.object("p", "{}");
    scene.method("o", "bump", "add n 10").await;
    scene.method("p", "back", "send o bump").await;
    scene.method("o", "go", "add n 100\nsend self bump\nsend p back\nreturn .n").await;
    let message = scene.send("o", "go").await;
    assert_eq!((message.result.get(), message.state_changed), ("121", true));
    assert_eq!(scene.attributes("o"), r#"{"n":121}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_changes_nothing() {
    let scene = Scene::new();
    scene.object("account", r#"{"n":0}"#);
    scene.method("account", "deposit", "add n 1").await;
    scene.method("system", "go", "set x 1\nsend account deposit\nprint so far\nraise at the end").await;
    let before = scene.image.state().objects.clone();
    let message = scene.send("system", "go").await;
    assert_eq!((message.status, message.output.as_str()), (MessageStatus::Failed, "so far"));
    assert_eq!((message.method_version, message.state_changed), (Some(1), false));
    assert_eq!(message.error.unwrap().message, "RuntimeError: at the end");
    assert_eq!(scene.image.state().objects, before);
    assert_eq!(scene.image.state().invocations.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nested_send_nobody_understands_is_learnt_by_its_receiver() {
    let scene = Scene::new();
    scene.object("pet", r#"{"mood":"calm"}"#);
    scene.method("system", "go", "set x 1\nsend pet cheer [1]\nreturn .x").await;
    scene.mind.writes("cheer", "set mood \"glad\"");
    let message = scene.send("system", "go").await;
    assert_eq!((message.result.get(), message.generated), ("1", true));
    assert_eq!(scene.attributes("pet"), r#"{"mood":"glad"}"#);
    assert_eq!(scene.versions("pet", "cheer").await.len(), 1);
    let mandate = scene.mind.mandates.lock().unwrap()[0].clone();
    assert_eq!((mandate.receiver.key(), mandate.args.as_str()), ("pet", "[1]"));
    assert_eq!(mandate.attributes, [("mood".to_owned(), "string".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_stop_what_would_not_end() {
    let scene = Scene::new();
    scene.method("system", "dive", "send self dive").await;
    assert_eq!(scene.send("system", "dive").await.error.unwrap().kind, Kind::DepthLimit);
    assert_eq!(scene.image.state().invocations.len(), 33);

    scene.method("system", "lost", "send nowhere x").await;
    let fault = scene.send("system", "lost").await.error.unwrap();
    assert_eq!(fault.kind, Kind::ObjectNotFound);
    assert_eq!(fault.message, "object 'UvmObjects/nowhere' does not exist");

    // Running out of time cannot be caught; running out of fuel can.
    scene.method("system", "slow", "overtime").await;
    scene.method("system", "patient", "try system slow").await;
    assert_eq!(scene.send("system", "patient").await.error.unwrap().kind, Kind::TimeLimit);

    let mut short = crate::scene::message("system", "dive", "[]");
    short.fuel = Some(25);
    let id = scene.orchestrator.accept(short).await.unwrap().message_id;
    let message = scene.end_of(id).await;
    assert_eq!((message.error.unwrap().kind, message.fuel_limit), (Kind::FuelExhausted, Some(25)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_every_run_the_same_seed_again() {
    let scene = Scene::new();
    scene.method("system", "draw", "return seed").await;
    scene.method("system", "go", "send self draw\nsend self draw").await;
    let mut drawn = Vec::new();
    for _ in 0..2 {
        scene.send("system", "go").await;
        let runs = std::mem::take(&mut scene.image.state().invocations);
        drawn.push(runs.into_values().map(|run| run.seed).collect::<Vec<_>>());
    }
    assert_eq!(drawn[0], drawn[1]);
    assert_eq!(drawn[0][0], 7);
    assert_ne!(drawn[0][1], drawn[0][2]);
}
