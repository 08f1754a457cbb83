//! Short ways to write the domain's values.

use std::time::Duration;

use aura::object::{
    Content, Contents, Digest, Invocation, InvocationId, InvocationOutcome, Json, Message, MessageStatus,
    MethodName, NewMessage, ObjectId, Provenance, Quota, QuotaOverride, Rev, Source, Timestamp,
};
use aura::store::{Accepted, Commit, Install, Lease, NewObject, ServerName, Store};

pub fn id(key: &str) -> ObjectId {
    ObjectId::parse(key).unwrap()
}

pub fn name(text: &str) -> MethodName {
    MethodName::parse(text).unwrap()
}

pub fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).unwrap()
}

pub fn fuel(fuel: u64) -> QuotaOverride {
    QuotaOverride { fuel: Some(fuel), ..QuotaOverride::default() }
}

pub fn object(key: &str, attributes: &str, prototypes: &[&str]) -> NewObject {
    NewObject {
        id: id(key),
        attributes: json(attributes),
        prototypes: prototypes.iter().map(|key| id(key)).collect(),
    }
}

pub fn install(key: &str, method: &str, source: &str, quota: Option<QuotaOverride>) -> Install {
    Install {
        object: id(key),
        name: name(method),
        source: Source::parse(source).unwrap(),
        quota,
        provenance: Provenance::hand(),
    }
}

pub fn message(target: &str) -> Message {
    Message::accepted(&NewMessage {
        target: id(target),
        method: name("greet"),
        args: json("[1.50]"),
        kwargs: json("{}"),
        seed: None,
        fuel: None,
        idempotency_key: None,
    })
}

pub fn completed(message: &Message) -> Message {
    Message {
        status: MessageStatus::Completed,
        result: json("1e2"),
        finished_at: Some(Timestamp(message.accepted_at.0 + 1)),
        ..message.clone()
    }
}

pub fn server(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

/// A new lease, far longer than any test.
pub async fn join(store: &impl Store, name: &str) -> Lease {
    store.join(&server(name), Duration::from_hours(1)).await.unwrap()
}

pub async fn accept(store: &impl Store, lease: &Lease, message: &Message) {
    assert!(matches!(store.accept(message, None, lease).await.unwrap(), Accepted::New));
}

/// A cycle that completes the message and changes nothing.
pub fn cycle(lease: &Lease, message: &Message) -> Commit {
    Commit {
        lease: lease.clone(),
        message: completed(message),
        changes: vec![],
        installs: vec![],
        invocations: vec![],
        contents: Contents::new(),
        charges: vec![],
        preconditions: vec![],
    }
}

pub fn invocation(message: &Message, receiver_rev: Rev) -> Invocation {
    Invocation {
        invocation_id: InvocationId::fresh(),
        message_id: message.message_id,
        parent: None,
        receiver: message.target_object_id.clone(),
        receiver_rev,
        source_object_id: message.target_object_id.clone(),
        method_name: message.method_name.clone(),
        method_version: 1,
        source_digest: Digest::of(b"source"),
        source: None,
        attributes_before: Content::Here(json("{}")),
        inherited: Some(Content::Here(json("{}"))),
        args: message.args.clone(),
        kwargs: message.kwargs.clone(),
        seed: message.seed,
        time: message.accepted_at,
        quota: Quota::default(),
        guest_digest: Digest::of(b"guest"),
        config_digest: Digest::of(b"config"),
        sends: vec![],
        outcome: InvocationOutcome::Returned { result: json("1e2"), attributes_after: None },
        output: "hello\n".to_owned(),
        fuel_used: 7,
        peak_memory_bytes: 65_536,
    }
}

pub async fn rev(store: &impl Store, key: &str) -> Rev {
    store.object(&id(key)).await.unwrap().rev
}

/// The source of the method the object would run, with the object that holds it.
pub async fn resolved(store: &impl Store, key: &str, method: &str) -> Option<(String, ObjectId)> {
    let method = store.resolve(&id(key), &name(method)).await.unwrap().method?;
    Some((method.source.as_str().to_owned(), method.object))
}
