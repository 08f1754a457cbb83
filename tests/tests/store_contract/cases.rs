//! The contract as scenarios.

use std::collections::HashSet;

use aura::object::{Message, MessageStatus, ObjectId};
use aura::store::{Accepted, Commit, MessageFilter, Store, StoreError};

use crate::Image;
use crate::values::{
    accept, completed, cycle, fuel, id, install, invocation, join, json, message, name, object, resolved, rev,
};

pub async fn genesis_happens_once(image: &impl Image) {
    let store = image.open();
    assert_eq!(store.genesis().await.unwrap(), [id("nil"), id("system")]);
    assert_eq!(store.genesis().await.unwrap(), []);
    assert_eq!(store.object(&id("nil")).await.unwrap().prototypes, []);
    assert_eq!(store.object(&id("system")).await.unwrap().prototypes, [id("nil")]);
    store.ping().await.unwrap();
}

pub async fn objects_are_created_once_and_only_on_existing_prototypes(image: &impl Image) {
    let store = image.open();
    let created = store.create_object(object("b", r#"{"x":1}"#, &[])).await.unwrap();
    assert_eq!(created, store.object(&id("b")).await.unwrap());
    store.create_object(object("a", "{}", &["b"])).await.unwrap();

    let again = store.create_object(object("b", "{}", &[])).await;
    assert!(matches!(again, Err(StoreError::ObjectExists(key)) if key == id("b")));
    for (key, prototypes) in [("c", ["a", "missing"]), ("missing", ["a", "missing"])] {
        let dangling = store.create_object(object(key, "{}", &prototypes)).await;
        assert!(matches!(dangling, Err(StoreError::ObjectNotFound(key)) if key == id("missing")));
    }
    let many = store.create_object(object("c", "{}", &["a"; 101])).await;
    assert!(matches!(many, Err(StoreError::TooManyPrototypes { count: 101, .. })));
    assert!(matches!(store.object(&id("c")).await, Err(StoreError::ObjectNotFound(_))));

    let ids = async |after: Option<ObjectId>, limit| {
        let objects = store.objects(after.as_ref(), limit).await.unwrap().items;
        objects.into_iter().map(|object| object.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 9).await, [id("a"), id("b")]);
    assert_eq!(ids(None, 1).await, [id("a")]);
    assert_eq!(ids(Some(id("a")), 9).await, [id("b")]);
}

/// `leaf` -> `left` -> `top`, `leaf` -> `right` -> `far`, `top`: a diamond with a tail.
async fn diamond(store: &impl Store) {
    for (key, attributes, prototypes) in [
        ("far", r#"{"a":"far","f":1.0}"#, &[][..]),
        ("top", r#"{"a":"top","t":[ 1 ]}"#, &[]),
        ("left", r#"{"a":"left"}"#, &["top"]),
        ("right", r#"{"a":"right","r":null}"#, &["far", "top"]),
        ("leaf", r#"{"a":"leaf"}"#, &["left", "right"]),
    ] {
        store.create_object(object(key, attributes, prototypes)).await.unwrap();
    }
}

pub async fn the_nearest_method_is_found_breadth_first(image: &impl Image) {
    let store = image.open();
    diamond(&store).await;
    assert_eq!(resolved(&store, "leaf", "greet").await, None);
    // Each one is nearer than those before it: `top` is reached through `left` before `far` through `right`.
    for holder in ["far", "top", "right", "left", "leaf"] {
        store.install(install(holder, "greet", holder, None)).await.unwrap();
        assert_eq!(resolved(&store, "leaf", "greet").await, Some((holder.to_owned(), id(holder))));
    }
    store.install(install("far", "rest", "far", None)).await.unwrap();
    store.install(install("left", "rest", "left", None)).await.unwrap();

    let listed = async |inherited| {
        let methods = store.methods(&id("leaf"), inherited).await.unwrap();
        methods.into_iter().map(|method| (method.name, method.object)).collect::<Vec<_>>()
    };
    assert_eq!(listed(false).await, [(name("greet"), id("leaf"))]);
    assert_eq!(listed(true).await, [(name("greet"), id("leaf")), (name("rest"), id("left"))]);
    assert!(matches!(store.methods(&id("none"), true).await, Err(StoreError::ObjectNotFound(_))));
    assert!(matches!(store.resolve(&id("none"), &name("greet")).await, Err(StoreError::ObjectNotFound(_))));
}

pub async fn attributes_are_inherited_from_the_nearest(image: &impl Image) {
    let store = image.open();
    diamond(&store).await;
    let inherited = async |key| store.resolve(&id(key), &name("greet")).await.unwrap().inherited;
    assert_eq!(inherited("leaf").await, json(r#"{"a":"left","r":null,"t":[ 1 ],"f":1.0}"#));
    assert_eq!(inherited("left").await, json(r#"{"a":"top","t":[ 1 ]}"#));
    assert_eq!(inherited("top").await, json("{}"));
}

pub async fn attributes_keep_their_text_and_order(image: &impl Image) {
    let store = image.open();
    let text = r#"{"z": 1.10, "ä\u00e4": 123456789012345678901234567890, "a":1e300}"#;
    assert_eq!(store.create_object(object("a", text, &[])).await.unwrap().attributes, json(text));
    let patched = store.patch_attributes(&id("a"), &json(r#"{"new": -0.0, "z" : 2E0}"#), None).await.unwrap();
    let expected = r#"{"z":2E0,"ää":123456789012345678901234567890,"a":1e300,"new":-0.0}"#;
    assert_eq!(patched.attributes, json(expected));
    assert_eq!(patched, store.object(&id("a")).await.unwrap());
}

pub async fn a_patch_respects_the_revision(image: &impl Image) {
    let store = image.open();
    let first = store.create_object(object("a", r#"{"n":1}"#, &[])).await.unwrap();
    let second = store.patch_attributes(&first.id, &json(r#"{"n":2}"#), Some(&first.rev)).await.unwrap();
    let late = store.patch_attributes(&first.id, &json(r#"{"n":3}"#), Some(&first.rev)).await;
    assert!(matches!(late, Err(StoreError::Conflict(key)) if key == first.id));
    assert_eq!(store.object(&first.id).await.unwrap(), second);
    let nowhere = store.patch_attributes(&id("none"), &json("{}"), Some(&first.rev)).await;
    assert!(matches!(nowhere, Err(StoreError::ObjectNotFound(_))));
}

pub async fn versions_count_up_and_keep_their_quota(image: &impl Image) {
    let store = image.open();
    store.create_object(object("a", "{}", &[])).await.unwrap();
    let mut revs = HashSet::from([rev(&store, "a").await]);
    let first = store.install(install("a", "greet", "return 1", Some(fuel(5)))).await.unwrap();
    assert!(revs.insert(rev(&store, "a").await));
    let second = store.install(install("a", "greet", "return 2", None)).await.unwrap();
    assert!(revs.insert(rev(&store, "a").await));
    let second = {
        let changed = store.set_quota(&id("a"), &name("greet"), fuel(9)).await.unwrap();
        assert_eq!((changed.version, changed.source.clone()), (2, second.source));
        changed
    };
    assert!(revs.insert(rev(&store, "a").await));
    let third = store.install(install("a", "greet", "return 1", None)).await.unwrap();

    assert_eq!([first.version, second.version, third.version], [1, 2, 3]);
    assert_eq!([first.quota, second.quota, third.quota], [fuel(5), fuel(9), fuel(9)]);
    assert_eq!(store.versions(&id("a"), &name("greet")).await.unwrap(), [third.clone(), second, first]);
    assert_eq!(store.methods(&id("a"), false).await.unwrap(), [third]);
    assert_eq!(store.object(&id("a")).await.unwrap().methods, [name("greet")]);

    let before = rev(&store, "a").await;
    let unknown = store.set_quota(&id("a"), &name("sing"), fuel(1)).await;
    assert!(matches!(unknown, Err(StoreError::MethodNotFound { .. })));
    assert!(matches!(store.versions(&id("a"), &name("sing")).await, Err(StoreError::MethodNotFound { .. })));
    let nowhere = store.install(install("none", "greet", "return 1", None)).await;
    assert!(matches!(nowhere, Err(StoreError::ObjectNotFound(_))));
    assert_eq!(rev(&store, "a").await, before);
}

/// A cycle that changes `a` and `b`, installs a method on `a` and records a run.
async fn full_cycle(store: &impl Store) -> Commit {
    let lease = join(store, "one").await;
    store.create_object(object("a", r#"{"n":1}"#, &[])).await.unwrap();
    store.create_object(object("b", r#"{"n":1}"#, &[])).await.unwrap();
    let message = message("a");
    accept(store, &lease, &message).await;
    let (rev_a, rev_b) = (rev(store, "a").await, rev(store, "b").await);
    Commit {
        changes: vec![(id("a"), json(r#"{"n":2}"#)), (id("b"), json(r#"{"n":3}"#))],
        installs: vec![install("a", "greet", "return 100", None)],
        invocations: vec![invocation(&message, rev_a.clone())],
        preconditions: vec![(id("a"), rev_a), (id("b"), rev_b)],
        ..cycle(&lease, &message)
    }
}

/// That nothing of the cycle happened.
async fn assert_untouched(store: &impl Store, commit: &Commit) {
    let message = store.message(commit.message.message_id).await.unwrap().unwrap();
    assert_eq!(message.status, MessageStatus::Accepted);
    assert_eq!(rev(store, "a").await, commit.preconditions[0].1);
    assert_eq!(store.object(&id("a")).await.unwrap().attributes, json(r#"{"n":1}"#));
    assert_eq!(resolved(store, "a", "greet").await, None);
    assert_eq!(store.invocation(commit.invocations[0].invocation_id).await.unwrap(), None);
}

pub async fn a_cycle_is_committed_whole(image: &impl Image) {
    let store = image.open();
    let commit = full_cycle(&store).await;
    store.commit(commit.clone()).await.unwrap();
    drop(store);

    let store = image.open();
    let (a, b) = (store.object(&id("a")).await.unwrap(), store.object(&id("b")).await.unwrap());
    assert_eq!((a.attributes, b.attributes), (json(r#"{"n":2}"#), json(r#"{"n":3}"#)));
    assert_ne!((&a.rev, &b.rev), (&commit.preconditions[0].1, &commit.preconditions[1].1));
    assert_eq!(resolved(&store, "a", "greet").await, Some(("return 100".to_owned(), id("a"))));
    assert_eq!(store.message(commit.message.message_id).await.unwrap(), Some(commit.message));
    let [invocation] = &commit.invocations[..] else { panic!("one invocation") };
    assert_eq!(store.invocation(invocation.invocation_id).await.unwrap().as_ref(), Some(invocation));
}

pub async fn a_failing_precondition_changes_nothing(image: &impl Image) {
    let store = image.open();
    let commit = full_cycle(&store).await;
    store.patch_attributes(&id("b"), &json(r#"{"n":9}"#), None).await.unwrap();
    let outcome = store.commit(commit.clone()).await;
    assert!(matches!(outcome, Err(StoreError::Conflict(key)) if key == id("b")));
    assert_untouched(&store, &commit).await;
    assert_eq!(store.object(&id("b")).await.unwrap().attributes, json(r#"{"n":9}"#));
}

pub async fn a_failing_change_undoes_what_went_before(image: &impl Image) {
    let store = image.open();
    let mut commit = full_cycle(&store).await;
    commit.installs.push(install("none", "greet", "return 1", None));
    let outcome = store.commit(commit.clone()).await;
    assert!(matches!(outcome, Err(StoreError::ObjectNotFound(key)) if key == id("none")));
    assert_untouched(&store, &commit).await;
}

pub async fn a_message_takes_effect_once(image: &impl Image) {
    let store = image.open();
    let commit = full_cycle(&store).await;
    store.commit(commit.clone()).await.unwrap();
    let after = store.object(&id("a")).await.unwrap();

    let again = Commit {
        preconditions: vec![(id("a"), after.rev.clone()), (id("b"), rev(&store, "b").await)],
        ..commit.clone()
    };
    for repeated in [commit, again] {
        let message = repeated.message.message_id;
        let outcome = store.commit(repeated).await;
        assert!(matches!(outcome, Err(StoreError::AlreadyFinished(id)) if id == message));
    }
    assert_eq!(store.object(&id("a")).await.unwrap(), after);
}

/// A message that ends at once need not have been accepted before.
pub async fn a_commit_may_bring_its_message(image: &impl Image) {
    let store = image.open();
    let lease = join(&store, "one").await;
    store.create_object(object("a", "{}", &[])).await.unwrap();
    let message = message("a");
    store.commit(cycle(&lease, &message)).await.unwrap();
    assert_eq!(store.message(message.message_id).await.unwrap(), Some(completed(&message)));
    assert!(store.unfinished(&lease.server).await.unwrap().is_empty());
    let again = store.commit(cycle(&lease, &message)).await;
    assert!(matches!(again, Err(StoreError::AlreadyFinished(id)) if id == message.message_id));
    let before = store.accept(&message, None, &lease).await.unwrap();
    assert!(matches!(before, Accepted::Before(before) if before == completed(&message)));
}

/// Twelve writers add one to the same number, each trying again when another was faster.
pub async fn concurrent_cycles_lose_no_update(image: &impl Image) {
    const WRITERS: u32 = 12;
    let store = image.open();
    let lease = join(&store, "one").await;
    store.create_object(object("a", r#"{"n":0}"#, &[])).await.unwrap();
    let add_one = async |store: &dyn Store| {
        // Not accepted before: the order of turns is another matter.
        let message = message("a");
        loop {
            let read = store.object(&id("a")).await.unwrap();
            let number: u32 = read.attributes.get()[5..].trim_end_matches('}').parse().unwrap();
            tokio::task::yield_now().await;
            let commit = Commit {
                changes: vec![(id("a"), json(&format!(r#"{{"n":{}}}"#, number + 1)))],
                preconditions: vec![(id("a"), read.rev)],
                ..cycle(&lease, &message)
            };
            match store.commit(commit).await {
                Ok(()) => return,
                Err(StoreError::Conflict(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    futures::future::join_all((0..WRITERS).map(|_| add_one(&store))).await;
    assert_eq!(store.object(&id("a")).await.unwrap().attributes, json(&format!(r#"{{"n":{WRITERS}}}"#)));
    assert!(store.unfinished(&lease.server).await.unwrap().is_empty());
}

pub async fn an_idempotency_key_names_one_message(image: &impl Image) {
    let store = image.open();
    let lease = join(&store, "one").await;
    let (first, second, third) = (message("a"), message("b"), message("a"));
    assert!(matches!(store.accept(&first, Some("key"), &lease).await.unwrap(), Accepted::New));
    store.commit(cycle(&lease, &first)).await.unwrap();
    drop(store);
    let store = image.open();
    let again = store.accept(&second, Some("key"), &lease).await.unwrap();
    assert!(matches!(again, Accepted::Before(before) if before == completed(&first)));
    assert_eq!(store.message(second.message_id).await.unwrap(), None);
    assert!(matches!(store.accept(&third, Some("other"), &lease).await.unwrap(), Accepted::New));
    let same = store.accept(&third, None, &lease).await.unwrap();
    assert!(matches!(same, Accepted::Before(before) if before == third));
}

pub async fn accepted_messages_survive_a_restart(image: &impl Image) {
    let store = image.open();
    let (first, second, third) = (message("a"), message("b"), message("a"));
    let lease = join(&store, "one").await;
    for message in [&first, &second, &third] {
        accept(&store, &lease, message).await;
    }
    store.commit(cycle(&lease, &second)).await.unwrap();
    let noted = Message { status: MessageStatus::Running, restarts: 1, ..third };
    store.note(&noted, &lease).await.unwrap();
    assert!(matches!(store.note(&second, &lease).await, Err(StoreError::AlreadyFinished(_))));
    drop(store);
    assert_eq!(image.open().unfinished(&lease.server).await.unwrap(), [first, noted]);
}

pub async fn messages_are_listed_newest_first(image: &impl Image) {
    let store = image.open();
    let sent: Vec<_> = ["a", "b", "a", "a", "b"].into_iter().map(message).collect();
    let lease = join(&store, "one").await;
    for message in &sent {
        accept(&store, &lease, message).await;
    }
    store.commit(cycle(&lease, &sent[2])).await.unwrap();
    let listed = async |target: Option<&str>, status, after: Option<usize>, limit| {
        let after = after.map(|index: usize| sent[index].message_id);
        let filter = MessageFilter { target: target.map(id), status, after, limit };
        let messages = store.messages(&filter).await.unwrap().items;
        let position = |id| sent.iter().position(|message| message.message_id == id).unwrap();
        messages.iter().map(|message| position(message.message_id)).collect::<Vec<_>>()
    };
    let accepted = Some(MessageStatus::Accepted);
    assert_eq!(listed(None, None, None, 9).await, [4, 3, 2, 1, 0]);
    assert_eq!(listed(None, None, None, 2).await, [4, 3]);
    assert_eq!(listed(None, None, Some(3), 2).await, [2, 1]);
    assert_eq!(listed(Some("a"), None, None, 9).await, [3, 2, 0]);
    assert_eq!(listed(Some("a"), accepted, None, 9).await, [3, 0]);
    assert_eq!(listed(None, accepted, Some(3), 9).await, [1, 0]);
    assert_eq!(listed(None, Some(MessageStatus::Completed), None, 9).await, [2]);
    assert!(listed(None, None, Some(0), 9).await.is_empty());
    // An id that is not there is a moment in time.
    let now = MessageFilter { after: Some(message("a").message_id), limit: 9, ..MessageFilter::default() };
    assert_eq!(store.messages(&now).await.unwrap().items.len(), sent.len());
}
