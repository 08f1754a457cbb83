//! What is kept of runs: their records, what these refer to, and the fuel that objects used.

use aura::object::{
    Account, Budget, Content, Contents, Invocation, InvocationId, Json, SentAnswer, SentMessage, SentOutcome,
    Timestamp,
};
use aura::store::{Commit, InvocationFilter, Store, StoreError};

use crate::Image;
use crate::values::{accept, cycle, id, install, invocation, join, json, message, name, object, rev};

/// JSON that is too long to stand in a record.
fn long(letter: char) -> Json {
    json(&format!("{{\"text\":\"{}\"}}", letter.to_string().repeat(300)))
}

/// Commits one message to each of those objects, with one record; the records in order.
async fn history(store: &impl Store, receivers: &[&str]) -> Vec<Invocation> {
    let lease = join(store, "one").await;
    let mut records = Vec::new();
    for receiver in receivers {
        let message = message(receiver);
        accept(store, &lease, &message).await;
        let record = invocation(&message, rev(store, receiver).await);
        store.commit(Commit { invocations: vec![record.clone()], ..cycle(&lease, &message) }).await.unwrap();
        records.push(record);
    }
    records
}

pub async fn invocations_are_listed_newest_first(image: &impl Image) {
    let store = image.open();
    for key in ["a", "b"] {
        store.create_object(object(key, "{}", &[])).await.unwrap();
    }
    let records = history(&store, &["a", "b", "a", "a", "b"]).await;
    let list = async |filter: InvocationFilter| {
        let page = store.invocations(&filter).await.unwrap();
        assert!(store.count_invocations(&filter).await.unwrap() >= page.items.len() as u64);
        let position = |found: &Invocation| records.iter().position(|record| record == found).unwrap();
        (page.items.iter().map(position).collect::<Vec<_>>(), page.more)
    };
    let all = InvocationFilter { limit: 9, ..InvocationFilter::default() };
    assert_eq!(list(all.clone()).await, (vec![4, 3, 2, 1, 0], false));
    assert_eq!(store.count_invocations(&all).await.unwrap(), 5);
    assert_eq!(list(InvocationFilter { limit: 2, ..all.clone() }).await, (vec![4, 3], true));
    let after = Some(records[3].invocation_id);
    assert_eq!(list(InvocationFilter { limit: 2, after, ..all.clone() }).await, (vec![2, 1], true));
    assert_eq!(list(InvocationFilter { after, ..all.clone() }).await, (vec![2, 1, 0], false));

    let of_a = InvocationFilter { method: Some((id("a"), name("greet"))), ..all.clone() };
    assert_eq!(list(of_a.clone()).await, (vec![3, 2, 0], false));
    assert_eq!(store.count_invocations(&of_a).await.unwrap(), 3);
    assert_eq!(list(InvocationFilter { limit: 1, after, ..of_a }).await, (vec![2], true));
    let unheard_of = InvocationFilter { method: Some((id("a"), name("other"))), ..all.clone() };
    assert_eq!(list(unheard_of).await, (vec![], false));

    let since = |moment| InvocationFilter { since: Some(moment), ..all.clone() };
    assert_eq!(list(since(Timestamp(0))).await.0.len(), 5);
    assert_eq!(list(since(Timestamp(Timestamp::now().0 + 60_000))).await, (vec![], false));
}

pub async fn records_come_back_as_they_were(image: &impl Image) {
    let store = image.open();
    store.create_object(object("a", "{}", &[])).await.unwrap();
    let (lease, message) = (join(&store, "one").await, message("a"));
    accept(&store, &lease, &message).await;
    let mut contents = Contents::new();
    let mut content = |json: &Json| Content::of(json, &mut contents);
    let record = Invocation {
        attributes_before: content(&long('x')),
        inherited: Some(content(&json(r#"{"n":1.50}"#))),
        sends: vec![SentMessage {
            target: id("b"),
            method: name("greet"),
            args: content(&json("[1e2]")),
            kwargs: content(&json("{}")),
            attributes: Some(content(&long('y'))),
            fuel: 5,
            answer: Some(SentAnswer {
                outcome: SentOutcome::Result(content(&json("[123456789012345678901234567890]"))),
                attributes: Some(content(&long('x'))),
                fuel_used: 3,
            }),
        }],
        ..invocation(&message, rev(&store, "a").await)
    };
    let digests = [long('x').digest(), long('y').digest()];
    assert_eq!(contents.len(), 2);
    let commit = Commit { invocations: vec![record.clone()], contents, ..cycle(&lease, &message) };
    store.commit(commit).await.unwrap();
    drop(store);

    let store = image.open();
    assert_eq!(store.invocation(record.invocation_id).await.unwrap().as_ref(), Some(&record));
    assert_eq!(store.invocation(InvocationId::fresh()).await.unwrap(), None);
    assert_eq!(store.content(&digests[0]).await.unwrap(), Some(long('x')));
    assert_eq!(store.content(&digests[1]).await.unwrap(), Some(long('y')));
    assert_eq!(store.content(&long('z').digest()).await.unwrap(), None);
}

pub async fn contents_are_kept_once(image: &impl Image) {
    let store = image.open();
    store.create_object(object("a", "{}", &[])).await.unwrap();
    let lease = join(&store, "one").await;
    for letters in [['x', 'y'], ['y', 'z']] {
        let message = message("a");
        accept(&store, &lease, &message).await;
        let contents = letters.map(|letter| (long(letter).digest(), long(letter)));
        let commit = Commit { contents: Contents::from(contents), ..cycle(&lease, &message) };
        store.commit(commit).await.unwrap();
    }
    for letter in ['x', 'y', 'z'] {
        assert_eq!(store.content(&long(letter).digest()).await.unwrap(), Some(long(letter)));
    }
}

pub async fn one_version_is_found_by_its_number(image: &impl Image) {
    let store = image.open();
    store.create_object(object("a", "{}", &[])).await.unwrap();
    for source in ["return 1", "return 2"] {
        store.install(install("a", "greet", source, None)).await.unwrap();
    }
    let source = async |version| {
        let found = store.version(&id("a"), &name("greet"), version).await.unwrap();
        found.map(|method| method.source.as_str().to_owned())
    };
    assert_eq!(source(1).await.as_deref(), Some("return 1"));
    assert_eq!(source(2).await.as_deref(), Some("return 2"));
    assert_eq!((source(0).await, source(3).await), (None, None));
    assert_eq!(store.version(&id("a"), &name("other"), 1).await.unwrap(), None);
    let unknown = store.version(&id("none"), &name("greet"), 1).await;
    assert!(matches!(unknown, Err(StoreError::ObjectNotFound(key)) if key == id("none")));
}

pub async fn fuel_is_charged_with_the_commit(image: &impl Image) {
    let store = image.open();
    for key in ["a", "b"] {
        store.create_object(object(key, "{}", &[])).await.unwrap();
    }
    let before = rev(&store, "a").await;
    assert_eq!(store.account(&id("a")).await.unwrap(), None);
    let budget = Budget { fuel_per_hour: Some(1_000) };
    let account = store.set_budget(&id("a"), budget).await.unwrap();
    assert_eq!((account.budget, account.used), (budget, 0));

    let lease = join(&store, "one").await;
    let charge = async |charges: &[(&str, u64)]| {
        let message = message("a");
        accept(&store, &lease, &message).await;
        let charges = charges.iter().map(|(key, fuel)| (id(key), *fuel)).collect();
        store.commit(Commit { charges, ..cycle(&lease, &message) }).await
    };
    charge(&[("a", 5), ("b", 6)]).await.unwrap();
    charge(&[("a", 7)]).await.unwrap();
    let refused = charge(&[("a", 100), ("none", 1)]).await;
    assert!(matches!(refused, Err(StoreError::ObjectNotFound(key)) if key == id("none")));

    let account = |used, budget| move |found: Account| (found.used, found.budget) == (used, budget);
    assert!(store.account(&id("a")).await.unwrap().is_some_and(account(12, budget)));
    assert!(store.account(&id("b")).await.unwrap().is_some_and(account(6, Budget::default())));
    let resolved = store.resolve(&id("a"), &name("greet")).await.unwrap();
    assert_eq!(resolved.account, store.account(&id("a")).await.unwrap());
    // Another budget leaves what was used, and no budget the account.
    let budget = Budget { fuel_per_hour: Some(1_000_000_000_000_000) };
    assert!(account(12, budget)(store.set_budget(&id("a"), budget).await.unwrap()));
    assert!(account(12, Budget::default())(store.set_budget(&id("a"), Budget::default()).await.unwrap()));
    assert_eq!(rev(&store, "a").await, before);
    let unknown = store.set_budget(&id("none"), budget).await;
    assert!(matches!(unknown, Err(StoreError::ObjectNotFound(key)) if key == id("none")));
}
