//! Many messages: order, conflict, refusal, recovery, shutdown, and faults of the parts themselves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aura::object::{Kind, Message, MessageStatus};
use tokio::task::JoinSet;

use crate::image::Image;
use crate::scene::{ROOM, Scene, message};

#[tokio::test(flavor = "multi_thread")]
async fn messages_to_one_object_are_worked_on_in_the_order_of_acceptance() {
    let scene = Scene::new();
    scene.object("list", r#"{"items":[]}"#);
    scene.method("list", "push", "append items").await;
    let mut last = None;
    for number in 0..50 {
        let new = message("list", "push", &format!("[{number}]"));
        last = Some(scene.orchestrator.accept(new).await.unwrap());
    }
    scene.end_of(last.unwrap().message_id).await;
    let numbers: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    assert_eq!(scene.attributes("list"), format!(r#"{{"items":[{}]}}"#, numbers.join(",")));
    assert_eq!(scene.orchestrator.load().running, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_change_the_same_object_all_succeed() {
    let scene = Scene::new();
    scene.object("counter", r#"{"n":0}"#);
    scene.method("counter", "bump", "add n 1").await;
    let mut ids = Vec::new();
    for number in 0..60 {
        let object = format!("o{number}");
        scene.object(&object, "{}");
        scene.method(&object, "go", "send counter bump").await;
        ids.push((object, "go"));
    }
    let mut sends = JoinSet::new();
    for (object, method) in ids {
        let orchestrator = scene.orchestrator.clone();
        sends.spawn(async move { orchestrator.accept(message(&object, method, "[]")).await.unwrap() });
    }
    for accepted in sends.join_all().await {
        assert_eq!(scene.end_of(accepted.message_id).await.error, None);
    }
    assert_eq!(scene.attributes("counter"), r#"{"n":60}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_tried_again_but_not_for_ever() {
    let scene = Scene::new();
    scene.object("counter", r#"{"n":0}"#);
    scene.method("counter", "bump", "add n 1").await;
    scene.image.conflicts.store(33, Ordering::SeqCst);
    assert_eq!(scene.send("counter", "bump").await.error, None);
    scene.image.conflicts.store(34, Ordering::SeqCst);
    assert_eq!(scene.send("counter", "bump").await.error.unwrap().kind, Kind::RevisionConflict);
    assert_eq!(scene.attributes("counter"), r#"{"n":1}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_takes_effect_once() {
    let scene = Scene::new();
    scene.object("counter", r#"{"n":0}"#);
    scene.method("counter", "bump", "add n 1").await;
    scene.image.lost_answers.store(1, Ordering::SeqCst);
    assert_eq!(scene.send("counter", "bump").await.status, MessageStatus::Completed);
    assert_eq!(scene.attributes("counter"), r#"{"n":1}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_is_one_message() {
    let scene = Scene::new();
    scene.object("counter", r#"{"n":0}"#);
    scene.method("counter", "bump", "add n 1").await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut new = message("counter", "bump", "[]");
        new.idempotency_key = Some("once".to_owned());
        ids.push(scene.orchestrator.accept(new).await.unwrap().message_id);
    }
    assert_eq!(ids, [ids[0]; 3]);
    scene.end_of(ids[0]).await;
    assert_eq!(scene.attributes("counter"), r#"{"n":1}"#);
    assert_eq!(scene.image.state().messages.len(), 1);
}

/// The run may come before the acceptance is on disk, its effects may not.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_accepted_has_no_effect() {
    let scene = Scene::new();
    scene.method("system", "go", "set x 1\ngate").await;
    scene.image.refusals.store(1, Ordering::SeqCst);
    let writing = scene.image.accepting.acquire_many(ROOM).await.unwrap();
    let orchestrator = scene.orchestrator.clone();
    let accepting = tokio::spawn(async move { orchestrator.accept(message("system", "go", "[]")).await });
    scene.at_the_gate(1).await;
    drop(writing);
    let fault = accepting.await.unwrap().unwrap_err();
    assert_eq!(fault.to_string(), "StoreUnavailable: the store cannot be used: the disk is full");
    scene.gate.open();
    scene.orchestrator.shutdown().await.unwrap();
    assert_eq!(scene.attributes("system"), "{}");
    assert!(scene.image.state().messages.is_empty());
}

/// Nobody gets as far as writing down an acceptance, and yet the message ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_at_once_is_written_down_once() {
    let scene = Scene::new();
    scene.object("counter", r#"{"n":0}"#);
    scene.method("counter", "bump", "add n 1").await;
    let writing = scene.image.accepting.acquire_many(ROOM).await.unwrap();
    let id = scene.orchestrator.deliver(message("counter", "bump", "[]")).await.unwrap().message_id;
    drop(writing);
    assert_eq!(scene.end_of(id).await.error, None);
    assert_eq!(scene.image.state().messages[&id].status, MessageStatus::Completed);
    assert_eq!(scene.attributes("counter"), r#"{"n":1}"#);
    let said = scene.orchestrator.monologue().of(id).0;
    let steps: Vec<_> = said.iter().map(|event| event.step.as_str()).collect();
    assert_eq!(steps, ["accepted", "resolved", "completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_longer_is_written_down_before() {
    let image = Arc::new(Image::new());
    image.add("system", "{}", &[]);
    let scene = Scene::with(image, ROOM as usize, Duration::ZERO);
    scene.method("system", "go", "gate\nreturn 1").await;
    let id = scene.orchestrator.deliver(message("system", "go", "[]")).await.unwrap().message_id;
    assert_eq!(scene.image.state().messages[&id].status, MessageStatus::Accepted);
    scene.gate.open();
    assert_eq!(scene.end_of(id).await.result.get(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_too_late_is_written_down_and_tried_again() {
    let scene = Scene::new();
    scene.object("counter", r#"{"n":0}"#);
    scene.method("counter", "bump", "add n 1").await;
    for (faults, lost) in [(&scene.image.conflicts, false), (&scene.image.lost_answers, true)] {
        faults.store(1, Ordering::SeqCst);
        let id = scene.orchestrator.deliver(message("counter", "bump", "[]")).await.unwrap().message_id;
        assert_eq!(scene.end_of(id).await.status, MessageStatus::Completed, "an answer was lost: {lost}");
    }
    assert_eq!(scene.attributes("counter"), r#"{"n":2}"#);
    // A store that is away refuses the message, which then has no effect.
    scene.image.conflicts.store(1, Ordering::SeqCst);
    scene.image.refusals.store(1, Ordering::SeqCst);
    let fault = scene.orchestrator.deliver(message("counter", "bump", "[]")).await.unwrap_err();
    assert_eq!(fault.kind, Kind::StoreUnavailable);
    assert_eq!(scene.attributes("counter"), r#"{"n":2}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_objects_and_a_full_queue_are_refused_before_acceptance() {
    let image = Arc::new(Image::new());
    image.add("system", "{}", &[]);
    let scene = Scene::around(image, 2);
    scene.method("system", "go", "gate").await;
    assert_eq!(scene.accept("nobody", "go").await.unwrap_err().kind, Kind::ObjectNotFound);

    let first = scene.accept("system", "go").await.unwrap();
    let second = scene.accept("system", "go").await.unwrap();
    let fault = scene.accept("system", "go").await.unwrap_err();
    assert_eq!(fault.to_string(), "Busy: 2 messages are in work or waiting: send it again later");
    assert_eq!(scene.image.state().messages.len(), 2);

    let none = Duration::ZERO;
    scene.at_the_gate(1).await;
    let status = |message: Option<Message>| message.unwrap().status;
    assert_eq!(
        status(scene.orchestrator.wait(first.message_id, none).await.unwrap()),
        MessageStatus::Running
    );
    assert_eq!(
        status(scene.orchestrator.wait(second.message_id, none).await.unwrap()),
        MessageStatus::Accepted
    );
    scene.gate.open();
    scene.end_of(second.message_id).await;
    assert_eq!(scene.send("system", "go").await.status, MessageStatus::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_what_runs_and_the_next_process_takes_up_the_rest_in_order() {
    let scene = Scene::new();
    scene.object("list", r#"{"items":[]}"#);
    scene.method("list", "push", "gate\nappend items").await;
    for number in 0..4 {
        scene.orchestrator.accept(message("list", "push", &format!("[{number}]"))).await.unwrap();
    }
    scene.at_the_gate(1).await;
    let orchestrator = scene.orchestrator.clone();
    let stopping = tokio::spawn(async move { orchestrator.shutdown().await.unwrap() });
    // Not yet seen as closed, it takes messages; those stay for the next process too.
    let mut left = 3;
    while scene.orchestrator.accept(message("list", "push", &format!("[{}]", left + 1))).await.is_ok() {
        left += 1;
    }
    scene.gate.open();
    assert_eq!(stopping.await.unwrap(), left);
    assert_eq!(scene.attributes("list"), r#"{"items":[0]}"#);

    let next = Scene::around(scene.image.clone(), 2);
    next.gate.open();
    let waiting: Vec<_> = scene.image.state().messages.keys().copied().collect();
    assert_eq!(next.orchestrator.recover().await.unwrap(), left);
    for id in waiting {
        next.end_of(id).await;
    }
    let numbers: Vec<_> = (0..=left).map(|number| number.to_string()).collect();
    assert_eq!(next.attributes("list"), format!(r#"{{"items":[{}]}}"#, numbers.join(",")));
    assert_eq!(next.orchestrator.recover().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_one_message() {
    let scene = Scene::new();
    scene.method("system", "crash", "panic").await;
    scene.method("system", "work", "return 1").await;
    assert_eq!(scene.send("system", "crash").await.error.unwrap().kind, Kind::Internal);
    assert_eq!(scene.send("system", "work").await.result.get(), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_monologue_has_no_gap_and_no_repeat() {
    let scene = Scene::new();
    scene.method("system", "go", "gate\nreturn 1").await;
    let id = scene.accept("system", "go").await.unwrap().message_id;
    let (mut events, mut live) = scene.orchestrator.monologue().of(id);
    scene.gate.open();
    while !events.last().is_some_and(|event| event.step.is_final()) {
        events.push(live.recv().await.unwrap());
    }
    let texts: Vec<_> = events.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "UvmObjects/system received 'go'",
            "'go' is version 1 on UvmObjects/system",
            "answered: 1 (20 fuel)"
        ]
    );
    assert_eq!(scene.orchestrator.monologue().of(id).0, events);
}
