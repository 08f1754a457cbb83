//! The contract where several work on one image: leases, turns, and what one reads while another writes.

use std::time::Duration;

use aura::object::{Contents, Json, Message, MessageStatus};
use aura::store::{Accepted, Commit, Entry, Imported, MAX_ATTRIBUTE_BYTES, MessageFilter, Store, StoreError};
use futures::future::join_all;
use tokio::sync::mpsc;

use crate::Image;
use crate::values::{
    accept, completed, cycle, fuel, id, install, invocation, join, json, message, name, object, rev, server,
};

pub async fn a_new_lease_ends_the_one_before(image: &impl Image) {
    let store = image.open();
    store.create_object(object("a", "{}", &[])).await.unwrap();
    let old = join(&store, "one").await;
    let message = message("a");
    accept(&store, &old, &message).await;
    let new = join(&store, "one").await;
    let before = store.object(&id("a")).await.unwrap();

    let late = Commit {
        changes: vec![(id("a"), json(r#"{"n":1}"#))],
        preconditions: vec![(id("a"), before.rev.clone())],
        ..cycle(&old, &message)
    };
    assert!(matches!(store.commit(late).await, Err(StoreError::Fenced)));
    assert!(matches!(store.note(&message, &old).await, Err(StoreError::Fenced)));
    assert!(matches!(store.renew(&old, Duration::from_hours(1)).await, Err(StoreError::Fenced)));
    assert!(matches!(store.take_over(&old).await, Err(StoreError::Fenced)));
    let another = crate::values::message("a");
    assert!(matches!(store.accept(&another, None, &old).await, Err(StoreError::Fenced)));
    // What is known already is told to anybody.
    assert!(matches!(store.accept(&message, None, &old).await, Ok(Accepted::Before(_))));
    store.leave(&old).await.unwrap();

    assert_eq!(store.object(&id("a")).await.unwrap(), before);
    assert_eq!(store.message(another.message_id).await.unwrap(), None);
    assert_eq!(store.unfinished(&server("one")).await.unwrap(), std::slice::from_ref(&message));
    store.renew(&new, Duration::from_hours(1)).await.unwrap();
    store.commit(cycle(&new, &message)).await.unwrap();
}

pub async fn messages_of_a_server_that_is_gone_are_taken_over(image: &impl Image) {
    let store = image.open();
    let (one, two) = (join(&store, "one").await, join(&store, "two").await);
    let sent: Vec<_> = ["a", "b", "a"].into_iter().map(message).collect();
    for message in &sent {
        accept(&store, &one, message).await;
    }
    store.commit(cycle(&one, &sent[1])).await.unwrap();
    assert_eq!(store.take_over(&two).await.unwrap(), 0, "the lease lasts");

    store.renew(&one, Duration::ZERO).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    // Nobody has taken over yet: a lease that ran out still holds.
    store.note(&sent[0], &one).await.unwrap();
    assert_eq!(store.take_over(&two).await.unwrap(), 2);
    assert_eq!(store.take_over(&two).await.unwrap(), 0);
    assert_eq!(store.unfinished(&server("one")).await.unwrap(), []);
    assert_eq!(store.unfinished(&server("two")).await.unwrap(), [sent[0].clone(), sent[2].clone()]);
    assert!(matches!(store.commit(cycle(&one, &sent[0])).await, Err(StoreError::Fenced)));
    store.commit(cycle(&two, &sent[0])).await.unwrap();

    let one = join(&store, "one").await;
    assert_eq!(store.take_over(&one).await.unwrap(), 0);
    store.leave(&two).await.unwrap();
    assert_eq!(store.take_over(&one).await.unwrap(), 1);
    assert_eq!(store.unfinished(&server("one")).await.unwrap(), [sent[2].clone()]);
}

/// As two servers have it: what one writes the other one sees at once, and neither keeps the other one out.
pub async fn an_image_can_be_open_twice(image: &impl Image) {
    let (first, second) = (image.open(), image.open());
    let (one, two) = (join(&first, "one").await, join(&second, "two").await);
    first.create_object(object("a", r#"{"n":0}"#, &[])).await.unwrap();
    let add = async |store: &dyn Store, lease: &aura::store::Lease| {
        for _ in 0..20 {
            let message = message("a");
            loop {
                let read = store.object(&id("a")).await.unwrap();
                let number: u32 = read.attributes.get()[5..].trim_end_matches('}').parse().unwrap();
                let commit = Commit {
                    changes: vec![(id("a"), json(&format!(r#"{{"n":{}}}"#, number + 1)))],
                    preconditions: vec![(id("a"), read.rev)],
                    ..cycle(lease, &message)
                };
                match store.commit(commit).await {
                    Ok(()) => break,
                    Err(StoreError::Conflict(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            store.renew(lease, Duration::from_hours(1)).await.unwrap();
        }
    };
    tokio::join!(add(&first, &one), add(&second, &two));
    assert_eq!(second.object(&id("a")).await.unwrap().attributes, json(r#"{"n":40}"#));
    let waiting = message("a");
    accept(&first, &one, &waiting).await;
    drop(first);
    assert_eq!(second.unfinished(&one.server).await.unwrap(), [waiting]);
}

/// A listing for `accepted` has all that is not finished, noted as running or not.
pub async fn what_runs_is_listed_as_unfinished(image: &impl Image) {
    let store = image.open();
    let lease = join(&store, "one").await;
    let [first, second, third] = ["a", "b", "c"].map(message);
    for message in [&first, &second, &third] {
        accept(&store, &lease, message).await;
    }
    let noted = Message { status: MessageStatus::Running, restarts: 1, ..second };
    store.note(&noted, &lease).await.unwrap();
    store.commit(cycle(&lease, &third)).await.unwrap();
    let listed = async |status| {
        let filter = MessageFilter { status: Some(status), limit: 9, ..MessageFilter::default() };
        store.messages(&filter).await.unwrap().items
    };
    assert_eq!(listed(MessageStatus::Accepted).await, [noted.clone(), first]);
    assert_eq!(listed(MessageStatus::Running).await, [noted]);
}

pub async fn a_message_takes_its_turn(image: &impl Image) {
    let store = image.open();
    for key in ["a", "b"] {
        store.create_object(object(key, "{}", &[])).await.unwrap();
    }
    let (one, two) = (join(&store, "one").await, join(&store, "two").await);
    let [first, second, elsewhere, third] = ["a", "a", "b", "a"].map(message);
    for (lease, message) in [(&one, &first), (&two, &second), (&two, &elsewhere), (&two, &third)] {
        accept(&store, lease, message).await;
    }
    let rev_a = vec![(id("a"), rev(&store, "a").await)];
    let early = Commit { preconditions: rev_a.clone(), ..cycle(&two, &second) };
    let refused = store.commit(early.clone()).await;
    assert!(matches!(refused, Err(StoreError::NotItsTurn(earlier)) if earlier == first.message_id));
    let rev_b = vec![(id("b"), rev(&store, "b").await)];
    store.commit(Commit { preconditions: rev_b, ..cycle(&two, &elsewhere) }).await.unwrap();
    // One that changes nothing waits for nobody.
    store.commit(cycle(&two, &third)).await.unwrap();
    store.commit(Commit { preconditions: rev_a, ..cycle(&one, &first) }).await.unwrap();
    store.commit(early).await.unwrap();
}

/// Two doctors, of whom one at least has to stay on duty: each reads both and writes itself.
pub async fn write_skew_is_prevented(image: &impl Image) {
    let store = image.open();
    let lease = join(&store, "one").await;
    for round in 0..10 {
        let keys = [format!("a{round}"), format!("b{round}")];
        let mut revs = Vec::new();
        for key in &keys {
            let created = store.create_object(object(key, r#"{"on":true}"#, &[])).await.unwrap();
            revs.push((created.id, created.rev));
        }
        let outcomes = join_all(keys.iter().map(|key| {
            let commit = Commit {
                changes: vec![(id(key), json(r#"{"on":false}"#))],
                preconditions: revs.clone(),
                ..cycle(&lease, &message(key))
            };
            store.commit(commit)
        }))
        .await;
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!(done <= 1, "both left");
        for outcome in outcomes {
            assert!(matches!(outcome, Ok(()) | Err(StoreError::Conflict(_))), "{outcome:?}");
        }
        // With nobody else about, the second one sees the first.
        let stale = Commit { preconditions: revs, ..cycle(&lease, &message(&keys[0])) };
        assert_eq!(store.commit(stale).await.is_err(), done == 1);
    }
}

pub async fn what_was_inherited_is_a_precondition(image: &impl Image) {
    let store = image.open();
    let lease = join(&store, "one").await;
    for (key, prototypes) in
        [("top", &[][..]), ("other", &[]), ("middle", &["top"]), ("leaf", &["middle", "other"])]
    {
        store.create_object(object(key, "{}", prototypes)).await.unwrap();
    }
    let resolution = store.resolve(&id("leaf"), &name("greet")).await.unwrap();
    let mut expected = Vec::new();
    for key in ["middle", "other", "top"] {
        expected.push((id(key), rev(&store, key).await));
    }
    assert_eq!(resolution.lineage, expected);

    let depends = |message: &Message| Commit { preconditions: expected.clone(), ..cycle(&lease, message) };
    let reader = message("leaf");
    store.commit(depends(&reader)).await.unwrap();
    assert_eq!(rev(&store, "top").await, expected[2].1, "to be read is no change");
    store.install(install("top", "greet", "return 1", None)).await.unwrap();
    let late = store.commit(depends(&message("leaf"))).await;
    assert!(matches!(late, Err(StoreError::Conflict(key)) if key == id("top")));
}

pub async fn prototypes_can_be_replaced_and_form_circles(image: &impl Image) {
    let store = image.open();
    for key in ["a", "b", "c"] {
        store.create_object(object(key, &format!(r#"{{"{key}":1}}"#), &[])).await.unwrap();
    }
    let before = rev(&store, "a").await;
    let linked = store.set_prototypes(&id("a"), &[id("b"), id("c")], Some(&before)).await.unwrap();
    assert_eq!(
        (&linked.prototypes[..], &linked),
        (&[id("b"), id("c")][..], &store.object(&id("a")).await.unwrap())
    );
    assert_ne!(linked.rev, before);
    let late = store.set_prototypes(&id("a"), &[], Some(&before)).await;
    assert!(matches!(late, Err(StoreError::Conflict(key)) if key == id("a")));
    store.set_prototypes(&id("b"), &[id("a"), id("b")], None).await.unwrap();
    store.set_prototypes(&id("c"), &[id("b")], None).await.unwrap();
    let resolution = store.resolve(&id("c"), &name("greet")).await.unwrap();
    assert_eq!(resolution.inherited, json(r#"{"b":1,"a":1}"#));
    assert_eq!(resolution.lineage.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), [id("b"), id("a")]);

    let now = store.object(&id("a")).await.unwrap();
    let dangling = store.set_prototypes(&id("a"), &[id("none")], None).await;
    assert!(matches!(dangling, Err(StoreError::ObjectNotFound(key)) if key == id("none")));
    let many = store.set_prototypes(&id("a"), &vec![id("b"); 101], None).await;
    assert!(matches!(many, Err(StoreError::TooManyPrototypes { count: 101, .. })));
    let nowhere = store.set_prototypes(&id("none"), &[], None).await;
    assert!(matches!(nowhere, Err(StoreError::ObjectNotFound(key)) if key == id("none")));
    assert_eq!(store.object(&id("a")).await.unwrap(), now);
}

pub async fn limits_are_kept(image: &impl Image) {
    let store = image.open();
    // 1 + 10 + 990 objects to be searched.
    let mut tops = Vec::new();
    for number in 0..10 {
        let keys: Vec<_> = (0..99).map(|below| format!("o{number}.{below}")).collect();
        join_all(keys.iter().map(|key| store.create_object(object(key, "{}", &[])))).await;
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        tops.push(format!("o{number}"));
        store.create_object(object(&tops[number], "{}", &keys)).await.unwrap();
    }
    let tops: Vec<_> = tops.iter().map(String::as_str).collect();
    store.create_object(object("widest", "{}", &tops[..9])).await.unwrap();
    store.create_object(object("too_wide", "{}", &tops)).await.unwrap();
    assert_eq!(store.resolve(&id("widest"), &name("greet")).await.unwrap().lineage.len(), 900);
    let wide = store.resolve(&id("too_wide"), &name("greet")).await;
    assert!(matches!(wide, Err(StoreError::LineageTooLong(key)) if key == id("too_wide")));
    assert!(matches!(store.methods(&id("too_wide"), true).await, Err(StoreError::LineageTooLong(_))));

    let large = |bytes: usize| json(&format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes - 8)));
    store.patch_attributes(&id("o1"), &large(MAX_ATTRIBUTE_BYTES), None).await.unwrap();
    let before = store.object(&id("o1")).await.unwrap();
    let refused = store.patch_attributes(&id("o1"), &json(r#"{"y":1}"#), None).await;
    assert!(matches!(refused, Err(StoreError::AttributesTooLarge { object, .. }) if object == id("o1")));
    assert_eq!(store.object(&id("o1")).await.unwrap(), before);
    store.set_prototypes(&id("o1"), &[id("o2")], None).await.unwrap();
    store.set_prototypes(&id("o2"), &[], None).await.unwrap();
    store.patch_attributes(&id("o2"), &large(MAX_ATTRIBUTE_BYTES), None).await.unwrap();
    store.resolve(&id("o1"), &name("greet")).await.unwrap();
    store.set_prototypes(&id("o2"), &[id("o3")], None).await.unwrap();
    store.patch_attributes(&id("o3"), &json(r#"{"z":1}"#), None).await.unwrap();
    let heavy = store.resolve(&id("o1"), &name("greet")).await;
    assert!(matches!(heavy, Err(StoreError::LineageTooLarge(key)) if key == id("o1")));
}

/// Everything an image can hold.
async fn furnish(store: &impl Store) {
    store.genesis().await.unwrap();
    let lease = join(store, "one").await;
    store.patch_attributes(&id("system"), &json(r#"{"up":1.50}"#), None).await.unwrap();
    store.create_object(object("a", r#"{"n":1e2}"#, &["system"])).await.unwrap();
    store.create_object(object("b", "{}", &["a", "nil"])).await.unwrap();
    store.set_prototypes(&id("system"), &[id("b"), id("nil")], None).await.unwrap();
    for source in ["return 1", "return 2"] {
        store.install(install("a", "greet", source, None)).await.unwrap();
    }
    store.set_quota(&id("a"), &name("greet"), fuel(9)).await.unwrap();
    let [done, waiting] = [message("a"), message("b")];
    store.accept(&done, Some("key"), &lease).await.unwrap();
    accept(store, &lease, &waiting).await;
    let rev = rev(store, "a").await;
    let content = json(&format!("[\"{}\"]", "x".repeat(300)));
    let commit = Commit {
        invocations: vec![invocation(&done, rev)],
        contents: Contents::from([(content.digest(), content)]),
        charges: vec![(id("b"), 7)],
        ..cycle(&lease, &done)
    };
    store.commit(commit).await.unwrap();
}

pub async fn export(store: &impl Store) -> Vec<Entry> {
    let (to, mut from) = mpsc::channel(4);
    let mut entries = Vec::new();
    let receive = async {
        while let Some(entry) = from.recv().await {
            entries.push(entry);
        }
    };
    let (exported, ()) = tokio::join!(store.export(to), receive);
    exported.unwrap();
    entries
}

pub async fn import(store: &impl Store, entries: Vec<Entry>) -> aura::store::Result<Imported> {
    let (to, from) = mpsc::channel(4);
    let send = async move {
        for entry in entries {
            // Nobody receives when the import broke off.
            let _ = to.send(entry).await;
        }
    };
    tokio::join!(store.import(from), send).0
}

pub async fn an_exported_image_can_be_imported<I: Image>(image: &I) {
    let store = image.open();
    furnish(&store).await;
    let exported = export(&store).await;
    let counted = Imported { objects: 4, versions: 2, messages: 2, contents: 1, invocations: 1, accounts: 1 };
    assert_eq!(exported.last(), Some(&Entry::End(counted)));

    let copy = I::empty();
    let other = copy.open();
    other.genesis().await.unwrap();
    assert_eq!(import(&other, exported.clone()).await.unwrap(), counted);
    assert_eq!(export(&other).await, exported);
    let again = import(&other, exported.clone()).await;
    assert!(matches!(again, Err(StoreError::NotEmpty)));
    drop(other);

    // It is at work like the first.
    let other = copy.open();
    let lease = join(&other, "two").await;
    assert_eq!(other.take_over(&lease).await.unwrap(), 1);
    let before = other.accept(&message("b"), Some("key"), &lease).await.unwrap();
    assert!(matches!(before, Accepted::Before(message) if message == completed(&message)));
    assert_eq!(other.object(&id("system")).await.unwrap().prototypes, [id("b"), id("nil")]);
    let third = other.install(install("a", "greet", "return 3", None)).await.unwrap();
    assert_eq!((third.version, third.quota), (3, fuel(9)));
}

pub async fn a_broken_import_leaves_nothing<I: Image>(image: &I) {
    let store = image.open();
    furnish(&store).await;
    let exported = export(&store).await;
    let empty = I::empty();
    let other = empty.open();
    other.genesis().await.unwrap();

    let mut cut = exported.clone();
    cut.pop();
    let mut miscounted = cut.clone();
    miscounted.push(Entry::End(Imported::default()));
    let mut dangling = exported.clone();
    dangling.insert(4, Entry::Prototypes { object: id("a"), prototypes: vec![id("none")] });
    let mut twice = exported.clone();
    twice.insert(0, exported[0].clone());
    let gap = exported.iter().filter(|entry| !matches!(entry, Entry::Method(method) if method.version == 1));
    let mut no_object = exported.clone();
    no_object[0] = Entry::Object { id: id("a"), attributes: json("[]") };
    let again = |kind: fn(&Entry) -> bool| {
        let mut entries = exported.clone();
        let twice = entries.iter().position(kind).unwrap();
        entries.insert(twice, entries[twice].clone());
        entries
    };
    let message_twice = again(|entry| matches!(entry, Entry::Message { .. }));
    let invocation_twice = again(|entry| matches!(entry, Entry::Invocation(_)));
    let gap = gap.cloned().collect();
    for broken in [cut, miscounted, dangling, twice, gap, no_object, message_twice, invocation_twice] {
        let refused = import(&other, broken).await;
        assert!(matches!(refused, Err(StoreError::ImportFailed(_))), "{refused:?}");
        let objects = other.objects(None, 9).await.unwrap().items;
        assert_eq!(
            objects.into_iter().map(|object| object.id).collect::<Vec<_>>(),
            [id("nil"), id("system")]
        );
        assert_eq!(other.object(&id("system")).await.unwrap().attributes, Json::empty_object());
    }
    import(&other, exported).await.unwrap();
}

pub async fn a_sound_image_is_found_sound(image: &impl Image) {
    let store = image.open();
    furnish(&store).await;
    let checks = store.examine().await;
    assert!(!checks.is_empty());
    assert!(checks.iter().all(|check| check.found.is_ok()), "{checks:?}");
}
