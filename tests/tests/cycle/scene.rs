//! An orchestrator among fakes, and short words for what scenarios do with it.

use std::sync::Arc;
use std::time::Duration;

use aura::object::{
    Fault, Json, Message, MessageId, Method, MethodName, NewMessage, ObjectId, Provenance, Quota, Source,
};
use aura::orchestrator::{Orchestrator, Parts};
use aura::sandbox::Workers;
use aura::store::{Install, Lease, LeaseId, ServerName, Store};

use crate::image::Image;
use crate::interpreter::{Gate, Interpreter};
use crate::script::Script;

/// How many may pass a fake's semaphore at once; who holds as many lets nobody pass.
pub const ROOM: u32 = 1_000;
/// Far beyond what any scenario takes: reaching it is a hang.
const PATIENCE: Duration = Duration::from_mins(1);

pub struct Scene {
    pub image: Arc<Image>,
    pub mind: Arc<Script>,
    pub gate: Arc<Gate>,
    pub orchestrator: Arc<Orchestrator>,
}

impl Scene {
    /// `nil`, `system` and four attempts for the mind.
    pub fn new() -> Self {
        let image = Image::new();
        image.add("nil", "{}", &[]);
        image.add("system", "{}", &["nil"]);
        Self::around(Arc::new(image), 1_000)
    }

    pub fn around(image: Arc<Image>, queue: usize) -> Self {
        Self::with(image, queue, PATIENCE)
    }

    pub fn with(image: Arc<Image>, queue: usize, at_once: Duration) -> Self {
        // Servers that follow each other in a scene have one name, as those of one data folder.
        Self::serve("server", image, queue, at_once)
    }

    /// Another server on the same image.
    pub fn beside(&self) -> Self {
        Self::serve("another", self.image.clone(), 1_000, PATIENCE)
    }

    fn serve(server: &str, image: Arc<Image>, queue: usize, at_once: Duration) -> Self {
        let (mind, sandbox) = (Arc::new(Script::new()), Interpreter::new());
        let gate = Arc::clone(&sandbox.gate);
        let lease = Lease { server: ServerName::parse(server).unwrap(), id: LeaseId::fresh() };
        image.state().leases.insert(server.to_owned(), lease.id);
        let orchestrator = Orchestrator::new(Parts {
            store: image.clone(),
            sandbox: Arc::new(sandbox),
            mind: mind.clone(),
            workers: Workers::start(4, 4 << 20).unwrap(),
            quota: Quota::default(),
            fuel_per_hour: None,
            attempts: 4,
            queue,
            lease,
            lease_time: PATIENCE,
            at_once,
        });
        Self { image, mind, gate, orchestrator }
    }

    pub fn object(&self, id: &str, attributes: &str) {
        self.image.add(id, attributes, &["system"]);
    }

    pub async fn method(&self, object: &str, name: &str, body: &str) {
        let install = Install {
            object: ObjectId::parse(object).unwrap(),
            name: MethodName::parse(name).unwrap(),
            source: Source::parse(body).unwrap(),
            quota: None,
            provenance: Provenance::hand(),
        };
        self.image.install(install).await.unwrap();
    }

    pub async fn accept(&self, target: &str, method: &str) -> Result<Message, Fault> {
        self.orchestrator.accept(message(target, method, "[]")).await
    }

    /// Sends and waits for the end.
    pub async fn send(&self, target: &str, method: &str) -> Message {
        let id = self.accept(target, method).await.unwrap().message_id;
        self.end_of(id).await
    }

    pub async fn end_of(&self, id: MessageId) -> Message {
        let message = self.orchestrator.wait(id, PATIENCE).await.unwrap().unwrap();
        assert!(message.status.is_final(), "the message did not end: {message:?}");
        assert_eq!(self.image.state().messages[&id], message, "the store has another record");
        message
    }

    /// Waits until so many runs have come to the gate.
    pub async fn at_the_gate(&self, count: usize) {
        let gate = self.gate.clone();
        tokio::task::spawn_blocking(move || gate.reached(count)).await.unwrap();
    }

    pub fn attributes(&self, object: &str) -> String {
        let id = ObjectId::parse(object).unwrap();
        self.image.state().objects[&id].attributes.to_string()
    }

    pub async fn versions(&self, object: &str, name: &str) -> Vec<Method> {
        let (id, name) = (ObjectId::parse(object).unwrap(), MethodName::parse(name).unwrap());
        self.image.versions(&id, &name).await.unwrap()
    }
}

pub fn message(target: &str, method: &str, args: &str) -> NewMessage {
    NewMessage {
        target: ObjectId::parse(target).unwrap(),
        method: MethodName::parse(method).unwrap(),
        args: Json::parse(args.to_owned()).unwrap(),
        kwargs: Json::empty_object(),
        seed: Some(7),
        fuel: None,
        idempotency_key: None,
    }
}
