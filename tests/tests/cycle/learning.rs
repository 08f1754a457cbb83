//! What nobody understands is learnt: once, audited, validated by the run that is committed, or not at all.

use aura::mind::MindError;
use aura::object::{Author, Kind, MessageStatus, Step};
use tokio::task::JoinSet;

use crate::scene::{ROOM, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_nobody_understands_is_learnt_and_answered_in_one_commit() {
    let scene = Scene::new();
    scene.mind.writes("greet", "set greeted true\nprint hello\nreturn \"hi\"");
    let message = scene.send("system", "greet").await;

    assert_eq!(message.status, MessageStatus::Completed);
    assert_eq!((message.result.get(), message.output.as_str()), ("\"hi\"", "hello"));
    assert_eq!((message.generated, message.attempts, message.state_changed), (true, 1, true));
    assert_eq!((message.method_version, message.fuel_used), (Some(1), 30));
    assert_eq!(scene.attributes("system"), r#"{"greeted":true}"#);
    let method = &scene.versions("system", "greet").await[0];
    assert_eq!((method.version, method.provenance.author), (1, Author::Mind));
    assert_eq!(method.provenance.message_id, Some(message.message_id));

    let (events, _) = scene.orchestrator.monologue().of(message.message_id);
    let steps: Vec<Step> = events.iter().map(|event| event.step).collect();
    assert_eq!(
        steps,
        [
            Step::Accepted,
            Step::NotUnderstood,
            Step::MindAsked,
            Step::MindSaid,
            Step::Generated,
            Step::AuditPassed,
            Step::ValidationPassed,
            Step::Installed,
            Step::Completed,
        ]
    );
    assert_eq!(events[7].text, "installed 'greet' version 1 on UvmObjects/system");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_messages_at_once_make_one_method() {
    let scene = Scene::new();
    scene.mind.writes("greet", "return 1");
    let mut sends = JoinSet::new();
    for _ in 0..20 {
        let orchestrator = scene.orchestrator.clone();
        sends.spawn(async move { orchestrator.accept(crate::scene::message("system", "greet", "[]")).await });
    }
    let mut generated = 0;
    for accepted in sends.join_all().await {
        let message = scene.end_of(accepted.unwrap().message_id).await;
        assert_eq!(message.status, MessageStatus::Completed);
        generated += u32::from(message.generated);
    }
    assert_eq!((generated, scene.mind.asked()), (1, 1));
    assert_eq!(scene.versions("system", "greet").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn different_objects_that_need_the_same_lesson_make_one_method() {
    let scene = Scene::new();
    scene.object("shared", r#"{"n":0}"#);
    scene.mind.writes("count", "add n 1");
    let mut ids = Vec::new();
    for object in ["a", "b", "c", "d", "e"] {
        scene.object(object, "{}");
        scene.method(object, "go", "send shared count").await;
        ids.push(scene.accept(object, "go").await.unwrap().message_id);
    }
    for id in ids {
        assert_eq!(scene.end_of(id).await.error, None);
    }
    assert_eq!((scene.mind.asked(), scene.attributes("shared").as_str()), (1, r#"{"n":5}"#));
}

/// Two cycles, each of which learns first what the other needs second.
#[tokio::test(flavor = "multi_thread")]
async fn lessons_that_cross_do_not_wait_for_each_other() {
    let scene = Scene::new();
    for (object, first, second) in [("a", "x", "y"), ("b", "y", "x")] {
        scene.object(object, "{}");
        scene.method(object, "go", &format!("send system {first}\nsend system {second}")).await;
    }
    for lesson in ["x", "y", "x", "y"] {
        scene.mind.writes(lesson, "return 1");
    }
    let thinking = scene.mind.thinking.acquire_many(ROOM).await.unwrap();
    let a = scene.accept("a", "go").await.unwrap().message_id;
    let b = scene.accept("b", "go").await.unwrap().message_id;
    while scene.mind.asked() < 2 {
        tokio::task::yield_now().await;
    }
    drop(thinking);
    assert_eq!(scene.end_of(a).await.error, None);
    assert_eq!(scene.end_of(b).await.error, None);
    assert_eq!(scene.versions("system", "x").await.len(), 1);
    assert_eq!(scene.versions("system", "y").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn teaching_makes_the_lesson_answer_and_later_needs_no_mind() {
    let scene = Scene::new();
    scene.mind.writes("sing", "return \"la\"");
    let taught = scene.send("system", "teach_yourself_to_sing").await;
    assert_eq!((taught.result.get(), taught.generated), ("\"la\"", true));
    assert!(scene.versions("system", "teach_yourself_to_sing").await.is_empty());

    for method in ["teach_yourself_to_sing", "sing"] {
        let again = scene.send("system", method).await;
        assert_eq!((again.result.get(), again.generated, again.attempts), ("\"la\"", false, 0));
        assert_eq!(again.source_object_id.unwrap().key(), "system");
    }
    assert_eq!(scene.mind.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_failed_attempt_is_told_to_the_mind_as_it_was() {
    let scene = Scene::new();
    scene.mind.answers("fix", Err(MindError::Garbage("the answer is not JSON".to_owned())));
    scene.mind.writes("fix", "import os");
    scene.mind.writes("fix", "set broken true\nraise no such thing");
    scene.mind.writes("fix", "return 1");
    let message = scene.send("system", "fix").await;
    assert_eq!((message.status, message.attempts), (MessageStatus::Completed, 4));
    assert_eq!(scene.attributes("system"), "{}");

    let told = scene.mind.mandates.lock().unwrap()[3].failed.clone();
    let said: Vec<_> = told
        .iter()
        .map(|failed| (failed.attempt, failed.fault.kind, failed.fault.message.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (1, Kind::GenerationFailed, "the answer is not JSON"),
            (2, Kind::AuditRejected, "Disallowed import of module 'os' at line 1."),
            (3, Kind::ValidationFailed, "PythonException: RuntimeError: no such thing"),
        ]
    );
    assert_eq!(told[2].source, "set broken true\nraise no such thing");
    assert_eq!(told[2].fault.exception.as_ref().unwrap().line, Some(2));
    assert_eq!(scene.versions("system", "fix").await[0].provenance.failed_attempts, told);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_attempts_run_out_the_last_failure_speaks_and_nothing_is_kept() {
    for (body, kind, text) in [
        ("import os", Kind::AuditRejected, "Disallowed import of module 'os' at line 1."),
        ("!", Kind::GenerationFailed, "invalid syntax at line 1."),
        ("set x 1\nraise bad", Kind::ValidationFailed, "PythonException: RuntimeError: bad"),
    ] {
        let scene = Scene::new();
        for _ in 0..4 {
            scene.mind.writes("fix", body);
        }
        let before = scene.image.state().objects.clone();
        let message = scene.send("system", "fix").await;
        let fault = message.error.unwrap();
        assert_eq!((fault.kind, fault.message.as_str()), (kind, text));
        assert_eq!((fault.attempts.len(), message.attempts, message.generated), (4, 4, false));
        assert_eq!(message.method_version, None);
        assert_eq!(scene.image.state().objects, before);
        assert!(scene.image.state().methods.is_empty());
    }
}

/// Whoever catches the failure: a method that only ever failed was not validated.
#[tokio::test(flavor = "multi_thread")]
async fn a_caught_failure_does_not_validate() {
    let scene = Scene::new();
    scene.method("system", "go", "try system risky\nreturn .caught").await;
    scene.mind.writes("risky", "raise first");
    scene.mind.writes("risky", "return 1");
    let message = scene.send("system", "go").await;
    assert_eq!((message.result.get(), message.attempts), ("null", 2));
    assert_eq!(scene.versions("system", "risky").await[0].source.as_str(), "return 1");
}

/// The caller fails over what the new method returned: the new method is asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_after_a_new_method_ran_is_told_to_the_mind() {
    let scene = Scene::new();
    scene.method("system", "go", "send system helper\nraise cannot use that").await;
    for _ in 0..4 {
        scene.mind.writes("helper", "return \"success\"");
    }
    let fault = scene.send("system", "go").await.error.unwrap();
    assert_eq!(fault.kind, Kind::ValidationFailed);
    assert_eq!(fault.message, "PythonException: RuntimeError: cannot use that");
    assert!(scene.versions("system", "helper").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mind_that_is_away_fails_the_message_at_once() {
    let scene = Scene::new();
    let text = "nothing listens on http://localhost:11434";
    scene.mind.answers("fix", Err(MindError::Unavailable(text.to_owned())));
    let message = scene.send("system", "fix").await;
    assert_eq!(message.attempts, 1);
    let fault = message.error.unwrap();
    assert_eq!((fault.kind, fault.message.as_str()), (Kind::MindUnavailable, text));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_installs_meanwhile_is_used_instead() {
    let scene = Scene::new();
    scene.mind.writes("greet", "return \"mind\"");
    let thinking = scene.mind.thinking.acquire_many(ROOM).await.unwrap();
    let id = scene.accept("system", "greet").await.unwrap().message_id;
    while scene.mind.asked() == 0 {
        tokio::task::yield_now().await;
    }
    scene.method("system", "greet", "return \"hand\"").await;
    drop(thinking);
    let message = scene.end_of(id).await;
    assert_eq!((message.result.get(), message.generated, message.attempts), ("\"hand\"", false, 1));
    assert_eq!(scene.versions("system", "greet").await.len(), 1);
}
