//! The Living Image in an `ArangoDB` database, which several servers share.
//!
//! The database is a OneShard one: all of it has one leader, so that a transaction over several collections is one
//! transaction ([`transaction`]) and a query sees one snapshot. [`schema`] refuses anything else.
//!
//! The driver `arangors` makes the connection, the database, the collections and the graphs. The rest goes through
//! its client ([`client`]) and around its types: it knows no parameters for documents that are written together,
//! loses the last batch of a query inside a transaction, reads success from a member of the answer that documents
//! may have too, and does not tell a lost answer from a refusal. Indexes go around it since it sends members that
//! are no settings.

mod accounts;
mod client;
mod commit;
mod database;
mod error;
mod examine;
mod export;
mod guards;
mod import;
mod invocations;
mod lease;
mod lineage;
mod messages;
mod methods;
mod objects;
mod schema;
mod transaction;

#[doc(hidden)]
pub mod aql;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use self::database::Database;
use self::error::Trouble;
use super::{
    Accepted, Check, Commit, Entry, Imported, Install, InvocationFilter, Lease, MessageFilter, NewObject,
    Page, Resolution, Result, ServerName, Store, StoreError,
};
use crate::object::{
    Account, Budget, Digest, Invocation, InvocationId, Json, Message, MessageId, Method, MethodName, Object,
    ObjectId, QuotaOverride, Rev,
};

/// Where the image is, and who asks for it.
#[derive(Clone)]
pub struct ArangoConfig {
    /// The URL of a coordinator, or of what stands before several of them.
    pub url: String,
    pub user: String,
    pub password: String,
    pub database: String,
    /// Goes on with a server that is not part of a cluster, for development.
    pub single_server_allowed: bool,
    /// For one request with its answer. Less than the minute after which the database ends an idle transaction.
    pub timeout: Duration,
}

impl Default for ArangoConfig {
    fn default() -> Self {
        Self {
            url: "http://localhost:8529".to_owned(),
            user: "root".to_owned(),
            password: String::new(),
            database: "aura_live_image".to_owned(),
            single_server_allowed: false,
            timeout: Duration::from_secs(30),
        }
    }
}

/// Without the password.
impl fmt::Debug for ArangoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArangoConfig")
            .field("url", &self.url)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("single_server_allowed", &self.single_server_allowed)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Why an image cannot be looked at, in words.
#[derive(Debug)]
pub enum Unseen {
    /// Nobody answers, or what answers is not ready yet.
    Away(String),
    /// What answers cannot be used.
    Unusable(String),
}

impl From<Trouble> for Unseen {
    fn from(trouble: Trouble) -> Self {
        let is_away = matches!(&trouble, Trouble::Database(failure) if failure.is_transient());
        let text = StoreError::from(trouble).to_string();
        if is_away { Self::Away(text) } else { Self::Unusable(text) }
    }
}

/// The distributed store.
///
/// A call that is dropped before it answers may still take effect.
pub struct ArangoStore {
    system: Database,
    database: Database,
    single_server_allowed: bool,
}

impl ArangoStore {
    /// Opens the image; creates it where it is missing.
    pub async fn connect(config: ArangoConfig) -> Result<Self> {
        let (system, database) = schema::open(&config).await?;
        Ok(Self { system, database, single_server_allowed: config.single_server_allowed })
    }

    /// Looks at the image as [`Store::examine`] does, and makes nothing that is missing.
    pub async fn look(config: &ArangoConfig) -> std::result::Result<Vec<Check>, Unseen> {
        let (_, system, database) = schema::reach(config).await?;
        match schema::sharding(&database).await {
            Err(failure) if failure.number() == error::number::DATABASE_NOT_FOUND => {
                let found = format!("'{}' is not there yet; `aura serve` creates it", config.database);
                Ok(vec![Check { what: "database".to_owned(), found: Ok(found) }])
            }
            Err(failure) => Err(Trouble::from(failure).into()),
            Ok(_) => Ok(examine::all(&system, &database, config.single_server_allowed).await),
        }
    }
}

#[async_trait]
impl Store for ArangoStore {
    async fn genesis(&self) -> Result<Vec<ObjectId>> {
        objects::genesis(&self.database).await
    }

    async fn ping(&self) -> Result<()> {
        let _: Vec<Value> = self.database.query(None, aql::PING, json!({})).await?;
        Ok(())
    }

    async fn examine(&self) -> Vec<Check> {
        examine::all(&self.system, &self.database, self.single_server_allowed).await
    }

    async fn create_object(&self, object: NewObject) -> Result<Object> {
        objects::create(&self.database, &object).await
    }

    async fn object(&self, id: &ObjectId) -> Result<Object> {
        objects::read(&self.database, id).await
    }

    async fn objects(&self, after: Option<&ObjectId>, limit: u32) -> Result<Page<Object>> {
        objects::list(&self.database, after, limit).await
    }

    async fn patch_attributes(&self, id: &ObjectId, patch: &Json, if_match: Option<&Rev>) -> Result<Object> {
        objects::patch(&self.database, id, patch, if_match).await
    }

    async fn set_prototypes(
        &self,
        id: &ObjectId,
        prototypes: &[ObjectId],
        if_match: Option<&Rev>,
    ) -> Result<Object> {
        objects::set_prototypes(&self.database, id, prototypes, if_match).await
    }

    async fn resolve(&self, receiver: &ObjectId, name: &MethodName) -> Result<Resolution> {
        lineage::resolve(&self.database, receiver, name).await
    }

    async fn methods(&self, id: &ObjectId, inherited: bool) -> Result<Vec<Method>> {
        if inherited {
            lineage::understood(&self.database, id).await
        } else {
            methods::own(&self.database, id).await
        }
    }

    async fn versions(&self, id: &ObjectId, name: &MethodName) -> Result<Vec<Method>> {
        methods::versions(&self.database, id, name).await
    }

    async fn version(&self, id: &ObjectId, name: &MethodName, version: u32) -> Result<Option<Method>> {
        methods::version(&self.database, id, name, version).await
    }

    async fn install(&self, install: Install) -> Result<Method> {
        methods::install(&self.database, &install).await
    }

    async fn set_quota(&self, id: &ObjectId, name: &MethodName, quota: QuotaOverride) -> Result<Method> {
        methods::set_quota(&self.database, id, name, quota).await
    }

    async fn account(&self, id: &ObjectId) -> Result<Option<Account>> {
        accounts::read(&self.database, id).await
    }

    async fn set_budget(&self, id: &ObjectId, budget: Budget) -> Result<Account> {
        accounts::set_budget(&self.database, id, budget).await
    }

    async fn join(&self, server: &ServerName, time: Duration) -> Result<Lease> {
        lease::join(&self.database, server, time).await
    }

    async fn renew(&self, lease: &Lease, time: Duration) -> Result<()> {
        lease::renew(&self.database, lease, time).await
    }

    async fn leave(&self, lease: &Lease) -> Result<()> {
        lease::leave(&self.database, lease).await
    }

    async fn take_over(&self, lease: &Lease) -> Result<usize> {
        lease::take_over(&self.database, lease).await
    }

    async fn accept(
        &self,
        message: &Message,
        idempotency_key: Option<&str>,
        lease: &Lease,
    ) -> Result<Accepted> {
        messages::accept(&self.database, message, idempotency_key, lease).await
    }

    async fn note(&self, message: &Message, lease: &Lease) -> Result<()> {
        messages::note(&self.database, message, lease).await
    }

    async fn message(&self, id: MessageId) -> Result<Option<Message>> {
        messages::read(&self.database, id).await
    }

    async fn messages(&self, filter: &MessageFilter) -> Result<Page<Message>> {
        messages::list(&self.database, filter).await
    }

    async fn unfinished(&self, server: &ServerName) -> Result<Vec<Message>> {
        messages::unfinished(&self.database, server).await
    }

    async fn commit(&self, commit: Commit) -> Result<()> {
        commit::commit(&self.database, &commit).await
    }

    async fn invocation(&self, id: InvocationId) -> Result<Option<Invocation>> {
        invocations::read(&self.database, id).await
    }

    async fn invocations(&self, filter: &InvocationFilter) -> Result<Page<Invocation>> {
        invocations::list(&self.database, filter).await
    }

    async fn count_invocations(&self, filter: &InvocationFilter) -> Result<u64> {
        invocations::count(&self.database, filter).await
    }

    async fn content(&self, digest: &Digest) -> Result<Option<Json>> {
        invocations::content(&self.database, digest).await
    }

    /// All of it comes from one snapshot of the leader.
    async fn export(&self, to: mpsc::Sender<Entry>) -> Result<()> {
        export::export(&self.database, to).await
    }

    /// Nobody can open the image meanwhile; who has it open already must not write.
    async fn import(&self, from: mpsc::Receiver<Entry>) -> Result<Imported> {
        import::import(&self.database, from).await
    }
}
