//! Any sequence of operations leaves the store in the state of the model.
//!
//! The cases are drawn from [`SEED`]; `PROPTEST_RNG_SEED` draws others. A failure prints the shortest sequence
//! that shows it.

use std::collections::{HashMap, HashSet};

use aura::object::{Message, MessageStatus, Method, QuotaOverride, Rev};
use aura::store::{Accepted, Commit, Lease, LeaseId, MessageFilter, ServerName, Store, StoreError};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestRunner};
use tokio::runtime::Runtime;

use crate::Image;
use crate::model::{Cycle, Key, Members, Model, text};
use crate::sharing::{export, import};
use crate::values::{cycle, fuel, id, install, join, json, message, name, object, server};

const SEED: u64 = 0x4155_5241;
const KEYS: [Key; 5] = ["a", "b", "c", "d", "e"];
const METHODS: [Key; 3] = ["greet", "rest", "sing"];

/// What a patch says of the revision it wants.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Match {
    Any,
    Current,
    Stale,
}

#[derive(Clone, Debug)]
enum Operation {
    Create(Key, Members, Vec<Key>),
    Patch(Key, Members, Match),
    /// Circles and all.
    Link(Key, Vec<Key>, Match),
    Install(Key, Key, Option<u64>),
    /// To the version at that place, counted round and round.
    Rollback(Key, Key, usize),
    SetQuota(Key, Key, u64),
    Accept(Key, Option<Key>),
    /// Of the message accepted at that place, or of one that nobody accepted.
    Commit(usize, Cycle),
    /// A new lease for the same server, or for another one that takes over.
    Join(Key),
    Reopen,
}

fn members() -> impl Strategy<Value = Members> {
    let value = || select(&["1", "2.50", "-1e9", "null", "[ 1, {} ]", r#""\u00e9""#][..]);
    let member = |name| prop::option::of(value().prop_map(move |value| (name, value)));
    (member("x"), member("y"), member("z")).prop_map(|(x, y, z)| x.into_iter().chain(y).chain(z).collect())
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    use Operation::{Accept, Commit, Create, Install, Join, Link, Patch, Reopen, Rollback, SetQuota};
    let key = || select(&KEYS[..]);
    let method = || select(&METHODS[..]);
    let cycle = (
        prop::option::of((key(), members())),
        prop::option::of((key(), method())),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(change, install, stale, fenced)| Cycle { change, install, stale, fenced });
    let matches = || select(&[Match::Any, Match::Current, Match::Stale][..]);
    let accept = (key(), prop::option::of(select(&["k1", "k2", "k3"][..])));
    let operation = prop_oneof![
        4 => (key(), members(), prop::collection::vec(key(), 0..3)).prop_map(|(k, m, p)| Create(k, m, p)),
        3 => (key(), members(), matches()).prop_map(|(k, m, r)| Patch(k, m, r)),
        2 => (key(), prop::collection::vec(key(), 0..3), matches()).prop_map(|(k, p, r)| Link(k, p, r)),
        4 => (key(), method(), prop::option::of(1_u64..9)).prop_map(|(k, m, q)| Install(k, m, q)),
        2 => (key(), method(), 0_usize..9).prop_map(|(k, m, v)| Rollback(k, m, v)),
        1 => (key(), method(), 1_u64..9).prop_map(|(k, m, q)| SetQuota(k, m, q)),
        3 => accept.prop_map(|(k, i)| Accept(k, i)),
        4 => (0_usize..8, cycle).prop_map(|(m, c)| Commit(m, c)),
        1 => select(&["one", "two"][..]).prop_map(Join),
        1 => Just(Reopen),
    ];
    prop::collection::vec(operation, 1..40)
}

pub fn any_operations_leave_the_state_of_the_model<I: Image>() {
    let mut config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    let runtime = Runtime::new().unwrap();
    let property = |operations: Vec<Operation>| {
        runtime.block_on(run::<I>(&operations));
        Ok(())
    };
    TestRunner::new(config).run(&operations(), property).unwrap_or_else(|failure| panic!("{failure}"));
}

async fn run<I: Image>(operations: &[Operation]) {
    let image = I::empty();
    let (mut model, mut revs) = (Model::default(), Revs::default());
    let mut store = image.open();
    store.genesis().await.unwrap();
    let never = Lease { server: server("one"), id: LeaseId::fresh() };
    let mut leases = Leases { now: join(&store, "one").await, past: never };
    for (index, operation) in operations.iter().enumerate() {
        if matches!(operation, Operation::Reopen) {
            drop(store);
            store = image.open();
        } else {
            step(&store, &mut model, &mut leases, operation, &format!("return {index}")).await;
        }
        revs.check(&store, &model).await;
    }
    compare_objects(&store, &model).await;
    compare_messages(&store, &model, &leases.now.server).await;

    let copy = I::empty();
    let moved = copy.open();
    let exported = export(&store).await;
    import(&moved, exported.clone()).await.unwrap();
    assert_eq!(export(&moved).await, exported);
    moved.take_over(&join(&moved, "three").await).await.unwrap();
    compare_objects(&moved, &model).await;
    compare_messages(&moved, &model, &server("three")).await;
}

struct Leases {
    now: Lease,
    /// One that has ended.
    past: Lease,
}

/// Does the operation to both, which must agree on what came of it.
async fn step(
    store: &impl Store,
    model: &mut Model,
    leases: &mut Leases,
    operation: &Operation,
    source: &str,
) {
    let (outcome, expected) = match operation {
        Operation::Create(key, attributes, prototypes) => (
            store.create_object(object(key, &text(attributes), prototypes)).await.map(drop),
            model.create(key, attributes, prototypes),
        ),
        Operation::Patch(key, members, matches) => {
            let rev = current_rev(store, key, *matches == Match::Stale).await;
            let if_match = (*matches != Match::Any).then_some(&rev);
            (
                store.patch_attributes(&id(key), &json(&text(members)), if_match).await.map(drop),
                model.patch(key, members, *matches == Match::Stale),
            )
        }
        Operation::Link(key, prototypes, matches) => {
            let rev = current_rev(store, key, *matches == Match::Stale).await;
            let if_match = (*matches != Match::Any).then_some(&rev);
            let ids: Vec<_> = prototypes.iter().map(|key| id(key)).collect();
            (
                store.set_prototypes(&id(key), &ids, if_match).await.map(drop),
                model.link(key, prototypes, *matches == Match::Stale),
            )
        }
        Operation::Rollback(key, method, place) => {
            let Ok(versions) = store.versions(&id(key), &name(method)).await else { return };
            let earlier = &versions[place % versions.len()];
            (
                store
                    .install(install(key, method, earlier.source.as_str(), Some(earlier.quota)))
                    .await
                    .map(drop),
                model.rollback(key, method, earlier.version as usize),
            )
        }
        Operation::Join(name) => {
            let next = join(store, name).await;
            let past = std::mem::replace(&mut leases.now, next);
            store.leave(&past).await.unwrap();
            leases.past = past;
            store.take_over(&leases.now).await.unwrap();
            return;
        }
        Operation::Install(key, method, quota) => (
            store.install(install(key, method, source, quota.map(fuel))).await.map(drop),
            model.install(key, method, source, quota.map(fuel)),
        ),
        Operation::SetQuota(key, method, quota) => (
            store.set_quota(&id(key), &name(method), fuel(*quota)).await.map(drop),
            model.set_quota(key, method, fuel(*quota)),
        ),
        Operation::Accept(target, idempotency_key) => {
            let message = message(target);
            let before = match store.accept(&message, *idempotency_key, &leases.now).await.unwrap() {
                Accepted::New => None,
                Accepted::Before(message) => Some(message),
            };
            assert_eq!(before, model.accept(&message, *idempotency_key));
            return;
        }
        Operation::Commit(index, cycle) => {
            let message = model.messages.get(*index).cloned().unwrap_or_else(|| message("a"));
            (
                store.commit(commit(store, leases, &message, cycle, source).await).await,
                model.commit(&message, cycle, source),
            )
        }
        Operation::Reopen => return,
    };
    assert_eq!(format!("{outcome:?}"), format!("{expected:?}"), "{operation:?}");
}

async fn commit(
    store: &impl Store,
    leases: &Leases,
    message: &Message,
    planned: &Cycle,
    source: &str,
) -> Commit {
    let lease = if planned.fenced { &leases.past } else { &leases.now };
    let mut preconditions = Vec::new();
    for key in planned.touched() {
        preconditions.push((id(key), current_rev(store, key, planned.stale).await));
    }
    let changes = planned.change.iter().map(|(key, members)| (id(key), json(&text(members))));
    let installs = planned.install.iter().map(|(key, method)| install(key, method, source, None));
    Commit {
        changes: changes.collect(),
        installs: installs.collect(),
        preconditions,
        ..cycle(lease, message)
    }
}

/// The object's revision; one it never had when it has none or `stale`.
async fn current_rev(store: &impl Store, key: Key, stale: bool) -> Rev {
    match store.object(&id(key)).await {
        Ok(object) if !stale => object.rev,
        _ => Rev("never".to_owned()),
    }
}

/// A revision stays while its object stays, and never comes back.
#[derive(Default)]
struct Revs {
    last: HashMap<Key, (u32, Rev)>,
    seen: HashSet<(Key, Rev)>,
}

impl Revs {
    async fn check(&mut self, store: &impl Store, model: &Model) {
        for (key, object) in &model.objects {
            let rev = store.object(&id(key)).await.unwrap().rev;
            match self.last.get(key) {
                Some((changes, last)) if *changes == object.changes => assert_eq!(rev, *last),
                _ => assert!(self.seen.insert((key, rev.clone())), "{key} is at {rev} again"),
            }
            self.last.insert(key, (object.changes, rev));
        }
    }
}

async fn compare_objects(store: &impl Store, model: &Model) {
    let mut listed = store.objects(None, 9).await.unwrap().items;
    listed.retain(|object| object.id != id("nil") && object.id != id("system"));
    assert_eq!(listed.len(), model.objects.len());
    for ((key, expected), object) in model.objects.iter().zip(listed) {
        assert_eq!(object, store.object(&id(key)).await.unwrap());
        assert_eq!(object.id, id(key));
        assert_eq!(object.attributes.get(), text(&expected.attributes));
        assert_eq!(object.prototypes, expected.prototypes.iter().map(|key| id(key)).collect::<Vec<_>>());
        assert_eq!(object.methods, expected.methods.keys().map(|text| name(text)).collect::<Vec<_>>());

        let mut understood: Vec<(&str, &str, usize, &Body)> = Vec::new();
        for holder in model.lineage(key) {
            for (method, versions) in &model.objects[holder].methods {
                if !understood.iter().any(|(_, nearer, ..)| nearer == method) {
                    understood.push((holder, *method, versions.len(), versions.last().unwrap()));
                }
            }
        }
        let found: Vec<_> = store.methods(&id(key), true).await.unwrap().iter().map(facts).collect();
        assert_eq!(found.iter().map(borrowed).collect::<Vec<_>>(), understood);

        for method in METHODS {
            let resolution = store.resolve(&id(key), &name(method)).await.unwrap();
            assert_eq!(resolution.receiver, object);
            assert_eq!(resolution.inherited.get(), text(&model.inherited(key)));
            let nearest = understood.iter().find(|(_, understood, ..)| *understood == method);
            assert_eq!(resolution.method.as_ref().map(facts).as_ref().map(borrowed).as_ref(), nearest);
            compare_versions(store, key, method, expected.methods.get(method)).await;
        }
    }
}

/// A version's source and quota.
type Body = (String, QuotaOverride);

/// A method's holder, name, version and body.
type Facts = (String, String, usize, Body);

fn facts(method: &Method) -> Facts {
    (
        method.object.key().to_owned(),
        method.name.to_string(),
        method.version as usize,
        (method.source.as_str().to_owned(), method.quota),
    )
}

fn borrowed((holder, method, version, body): &Facts) -> (&str, &str, usize, &Body) {
    (holder, method, *version, body)
}

async fn compare_versions(store: &impl Store, key: Key, method: Key, expected: Option<&Vec<Body>>) {
    match store.versions(&id(key), &name(method)).await {
        Ok(versions) => {
            let found: Vec<_> = versions.iter().rev().map(|version| facts(version).3).collect();
            assert_eq!(Some(&found), expected);
        }
        Err(StoreError::MethodNotFound { .. }) => assert!(expected.is_none()),
        Err(error) => panic!("{error}"),
    }
}

async fn compare_messages(store: &impl Store, model: &Model, server: &ServerName) {
    let targets = KEYS.into_iter().map(Some).chain([None]);
    for target in targets {
        for status in [None, Some(MessageStatus::Accepted), Some(MessageStatus::Completed)] {
            let filter = MessageFilter { target: target.map(id), status, after: None, limit: 100 };
            let expected = model.messages.iter().rev().filter(|message| {
                target.is_none_or(|target| message.target_object_id == id(target))
                    && status.is_none_or(|status| message.status == status)
            });
            assert_eq!(store.messages(&filter).await.unwrap().items, expected.cloned().collect::<Vec<_>>());
        }
    }
    let unfinished = model.messages.iter().filter(|message| !message.status.is_final());
    assert_eq!(store.unfinished(server).await.unwrap(), unfinished.cloned().collect::<Vec<_>>());
}
