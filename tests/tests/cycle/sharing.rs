//! What happens beside a cycle: changes by hand, of prototypes, and other servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aura::object::{Json, MessageStatus, ObjectId};

use crate::scene::{ROOM, Scene, message};

#[tokio::test(flavor = "multi_thread")]
async fn a_method_replaced_on_a_prototype_meanwhile_is_the_one_that_counts() {
    let scene = Scene::new();
    scene.object("leaf", "{}");
    scene.method("system", "go", "gate\nset x 1").await;
    let id = scene.accept("leaf", "go").await.unwrap().message_id;
    scene.at_the_gate(1).await;
    scene.method("system", "go", "set x 2").await;
    scene.gate.open();
    assert_eq!(scene.end_of(id).await.method_version, Some(2));
    assert_eq!(scene.attributes("leaf"), r#"{"x":2}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_read_counts_as_well() {
    let scene = Scene::new();
    scene.object("other", "{}");
    scene.method("other", "look", "return 1").await;
    scene.method("system", "go", "send other look\ngate\nset x 1").await;
    let id = scene.accept("system", "go").await.unwrap().message_id;
    scene.at_the_gate(1).await;
    let (other, patch) = (ObjectId::parse("other").unwrap(), Json::parse(r#"{"y":1}"#.to_owned()).unwrap());
    scene.orchestrator.patch_attributes(&other, &patch, None).await.unwrap();
    scene.gate.open();
    assert_eq!(scene.end_of(id).await.error, None);
    scene.at_the_gate(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_by_hand_do_not_keep_a_cycle_from_ending() {
    let scene = Scene::new();
    scene.object("counter", r#"{"n":0}"#);
    scene.method("counter", "bump", "add n 1").await;
    let stop = Arc::new(AtomicBool::new(false));
    let patching = {
        let (stop, orchestrator) = (stop.clone(), scene.orchestrator.clone());
        tokio::spawn(async move {
            let (counter, mut patches) = (ObjectId::parse("counter").unwrap(), 0);
            while !stop.load(Ordering::Relaxed) {
                patches += 1;
                let patch = Json::parse(format!(r#"{{"p":{patches}}}"#)).unwrap();
                orchestrator.patch_attributes(&counter, &patch, None).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    for _ in 0..10 {
        assert_eq!(scene.send("counter", "bump").await.error, None);
    }
    stop.store(true, Ordering::Relaxed);
    patching.await.unwrap();
    assert!(scene.attributes("counter").starts_with(r#"{"n":10,"#), "{}", scene.attributes("counter"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_waits_for_an_earlier_one_of_another_server() {
    let scene = Scene::new();
    scene.object("list", r#"{"items":[]}"#);
    scene.method("list", "push", "gate\nappend items").await;
    let other = scene.beside();
    other.gate.open();
    let first = scene.orchestrator.accept(message("list", "push", "[1]")).await.unwrap().message_id;
    let second = other.orchestrator.accept(message("list", "push", "[2]")).await.unwrap().message_id;
    scene.at_the_gate(1).await;
    // It has run and was refused, and can be waited for anywhere.
    other.at_the_gate(1).await;
    assert_eq!(scene.image.state().messages[&second].status, MessageStatus::Accepted);
    scene.gate.open();
    other.end_of(first).await;
    scene.end_of(second).await;
    assert_eq!(scene.attributes("list"), r#"{"items":[1,2]}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lost_its_lease_leaves_its_messages_to_the_next() {
    let scene = Scene::new();
    scene.object("list", r#"{"items":[]}"#);
    scene.method("list", "push", "gate\nappend items").await;
    let ids = [1, 2, 3].map(|number| message("list", "push", &format!("[{number}]")));
    let mut accepted = Vec::new();
    for new in ids {
        accepted.push(scene.orchestrator.accept(new).await.unwrap().message_id);
    }
    scene.at_the_gate(1).await;
    let other = scene.beside();
    other.gate.open();
    scene.image.state().leases.remove("server");
    assert_eq!(other.orchestrator.recover().await.unwrap(), 3);
    scene.gate.open();
    for id in accepted {
        assert_eq!(other.end_of(id).await.error, None);
    }
    assert_eq!(scene.attributes("list"), r#"{"items":[1,2,3]}"#);
    let refused = scene.accept("list", "push").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "StoreUnavailable: this server's lease on the image has ended; its messages are another's now"
    );
}

/// Both servers are about to learn the same, and the one whose message came later is done first.
#[tokio::test(flavor = "multi_thread")]
async fn a_lesson_is_given_up_while_an_earlier_message_is_waited_for() {
    let scene = Scene::new();
    let other = scene.beside();
    let thinking = scene.mind.thinking.acquire_many(ROOM).await.unwrap();
    let first = scene.accept("system", "greet").await.unwrap().message_id;
    while scene.mind.asked() == 0 {
        tokio::task::yield_now().await;
    }
    other.mind.writes("greet", "return 1");
    other.mind.writes("greet", "return 2");
    let second = other.accept("system", "greet").await.unwrap().message_id;
    while scene.image.commits_refused() == 0 {
        tokio::task::yield_now().await;
    }
    scene.image.state().leases.remove("server");
    assert_eq!(other.orchestrator.recover().await.unwrap(), 1);
    let (first, second) = (other.end_of(first).await, other.end_of(second).await);
    assert_eq!((first.error, second.error), (None, None));
    assert_eq!((first.result, first.generated, second.generated), (second.result, true, false));
    assert_eq!(other.versions("system", "greet").await.len(), 1);
    drop(thinking);
}
