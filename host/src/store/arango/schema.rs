//! What has to be there before anything is served: a OneShard database with the collections, indexes and graphs
//! of an image. All of it is made where it is missing.

use arangors::GenericConnection;
use arangors::collection::CollectionType;
use arangors::collection::options::{CreateOptions, CreateParameters};
use arangors::connection::options::CreateDatabaseOptions;
use arangors::graph::{EdgeDefinition, Graph};
use arangors::{ClientError, Database as Arango};
use http::Method;
use serde_json::{Value, json};

use super::client::{Door, Link};
use super::database::{Database, parsed};
use super::error::{Answered, Attempt, Failure, Trouble, explain, number};
use super::{ArangoConfig, aql, invocations};
use crate::store::{Result, StoreError};

/// What this program makes and knows.
pub(super) const VERSION: u64 = 2;

/// Copies of everything, and how many of them a write waits for.
const COPIES: usize = 3;
const WRITTEN: usize = 2;

/// How long an entry of the journal is kept, in seconds.
const JOURNAL_TIME: u32 = 86_400;

pub(super) const COLLECTIONS: [(&str, bool); 13] = [
    ("UvmObjects", false),
    ("PrototypeLinks", true),
    ("MemoryNodes", false),
    ("ContextLinks", true),
    ("Messages", false),
    ("Invocations", false),
    ("Contents", false),
    ("MethodVersions", false),
    ("Accounts", false),
    ("Servers", false),
    ("Journal", false),
    ("Guards", false),
    ("Meta", false),
];

/// Collection, name and fields of each index, and whether it is unique.
pub(super) const INDEXES: [(&str, &str, &[&str], bool); 14] = [
    ("UvmObjects", "by_order", &["order"], true),
    ("PrototypeLinks", "by_position", &["_from", "position"], true),
    ("MethodVersions", "by_order", &["order"], true),
    ("MethodVersions", "by_name", &["object", "current", "name"], false),
    ("MethodVersions", "by_version", &["object", "name", "version"], false),
    ("Messages", "by_id", &["id"], true),
    ("Messages", "by_idempotency", &["idempotency"], true),
    ("Messages", "by_target", &["target", "id"], false),
    ("Messages", "by_status", &["status", "id"], false),
    ("Messages", "by_turn", &["target", "open", "id"], false),
    ("Messages", "by_server", &["open", "server", "id"], false),
    ("Invocations", "by_id", &["id"], true),
    ("Invocations", "by_method", &["source", "method", "id"], false),
    ("Accounts", "by_order", &["order"], true),
];

const GRAPHS: [(&str, &str, &[&str], &[&str]); 2] = [
    ("Prototypes", "PrototypeLinks", &["UvmObjects"], &["UvmObjects"]),
    ("Context", "ContextLinks", &["MemoryNodes"], &["MemoryNodes", "UvmObjects"]),
];

pub(super) type Cluster = GenericConnection<Link>;

/// Opens the image, and makes it if it is missing. Refuses what could not be served from. Answers the system's
/// database, too.
pub(super) async fn open(config: &ArangoConfig) -> Result<(Database, Database)> {
    let (cluster, system, database) = reach(config).await?;
    require_coordinator(&system, config.single_server_allowed).await?;
    let arango = match sharding(&database).await {
        Err(failure) if failure.number() == number::DATABASE_NOT_FOUND => {
            create_database(&cluster, &config.database).await?
        }
        sharding => {
            sharding?;
            cluster.db(&config.database).await.map_err(foreign)?
        }
    };
    if !config.single_server_allowed {
        require_single(sharding(&database).await?.as_deref())?;
    }
    migrate(&database, &arango).await?;
    if !config.single_server_allowed {
        require_pushed_down(&database).await?;
    }
    Ok((system, database))
}

/// The cluster, its system's database, and the one of the image, which need not be there.
pub(super) async fn reach(config: &ArangoConfig) -> Attempt<(Cluster, Database, Database)> {
    let url = cluster_url(&config.url)?;
    if !valid_name(&config.database) {
        return Err(Trouble::Store(said(format!(
            "'{}' cannot be a database's name; set DB_NAME to at most 64 of A-Z a-z 0-9 _ -, the first a letter",
            config.database
        ))));
    }
    let cluster = Cluster::establish_without_auth(url.as_str()).await.map_err(|error| match error {
        ClientError::InvalidServer(server) => Trouble::Store(said(format!(
            "at {url} answers '{server}', not ArangoDB; set ARANGO_HOST to a coordinator"
        ))),
        error => Trouble::Database(foreign(error)),
    })?;
    let link = cluster.session();
    link.unlock(Door {
        url: url.clone(),
        user: config.user.clone(),
        password: config.password.clone(),
        timeout: config.timeout,
    });
    let system = Database::new(link.clone(), &url, "_system");
    let database = Database::new(link, &url, &config.database);
    Ok((cluster, system, database))
}

fn said(text: String) -> StoreError {
    StoreError::Unavailable(text)
}

fn cluster_url(text: &str) -> Result<reqwest::Url> {
    let url = reqwest::Url::parse(text.trim())
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none())
        .ok_or_else(|| said("ARANGO_HOST is not the URL of a server, as http://localhost:8529".to_owned()))?;
    if url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err(said("ARANGO_HOST must not hold a user; set ARANGO_USER and ARANGO_PASS".to_owned()))
    }
}

fn valid_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// What went wrong in the crate between.
fn foreign(error: ClientError) -> Failure {
    match error {
        ClientError::Arango(error) => Failure::Refused {
            status: error.code(),
            number: error.error_num().into(),
            message: error.message().to_owned(),
            item: None,
        },
        ClientError::HttpClient(text) => Failure::Lost(text),
        error => Failure::Nonsense(error.to_string()),
    }
}

/// Fine if it was made before, perhaps just now by another server.
fn made<T>(outcome: std::result::Result<T, ClientError>) -> Answered<()> {
    match outcome.map_err(foreign) {
        Err(failure) if !matches!(failure.number(), number::DUPLICATE_NAME | number::DUPLICATE_GRAPH) => {
            Err(failure)
        }
        _ => Ok(()),
    }
}

pub(super) async fn role(system: &Database) -> Answered<String> {
    text_of(&system.ask_admin("server/role").await?, "/role")
}

async fn require_coordinator(system: &Database, single_server_allowed: bool) -> Result<()> {
    let role = role(system).await?;
    match role.as_str() {
        "COORDINATOR" => Ok(()),
        "SINGLE" if single_server_allowed => Ok(()),
        "SINGLE" => Err(said(
            "a single server is not OneShard; set ARANGO_HOST to a coordinator of a cluster".to_owned(),
        )),
        role => Err(said(format!("its role is {role}; set ARANGO_HOST to a coordinator"))),
    }
}

/// How the database is spread; none on a single server.
pub(super) async fn sharding(database: &Database) -> Answered<Option<String>> {
    let current = database.get("database/current").await?;
    Ok(current.pointer("/result/sharding").and_then(Value::as_str).map(str::to_owned))
}

pub(super) fn require_single(sharding: Option<&str>) -> Result<()> {
    if sharding == Some("single") {
        return Ok(());
    }
    Err(said("the database is not OneShard, which cannot be changed; set DB_NAME to a new one".to_owned()))
}

async fn create_database(cluster: &Cluster, name: &str) -> Result<Arango<Link>> {
    let options = CreateDatabaseOptions::builder()
        .sharding("single".to_owned())
        .replication_factor(COPIES)
        .write_concern(WRITTEN)
        .build();
    match cluster.create_database_with_options(name, options).await.map_err(foreign) {
        Ok(database) => Ok(database),
        Err(failure) if failure.number() == number::DUPLICATE_NAME => {
            Ok(cluster.db(name).await.map_err(foreign)?)
        }
        Err(failure) => Err(said(format!(
            "the database '{name}' is missing and cannot be created; create it, or let the user of ARANGO_USER do so ({})",
            explain(&failure)
        ))),
    }
}

/// Brings what is there to this version, and fails if it is newer or an import into it broke off.
async fn migrate(database: &Database, arango: &Arango<Link>) -> Result<()> {
    match version(database).await? {
        Some(version) if version > VERSION => {
            return Err(said(format!(
                "the image has schema version {version} and this aura knows {VERSION}; use a newer aura"
            )));
        }
        Some(VERSION) => {}
        _ => create(database, arango).await?,
    }
    let import: Vec<Value> = database.read(aql::META, json!({ "key": "import" })).await?;
    if import.is_empty() {
        return Ok(());
    }
    Err(said("an import into this database goes on, or broke off; drop it and import again".to_owned()))
}

/// None where there is no image yet.
pub(super) async fn version(database: &Database) -> Answered<Option<u64>> {
    match database.read::<Value>(aql::META, json!({ "key": "schema" })).await {
        Ok(found) => Ok(found.first().and_then(|schema| schema.get("version")).and_then(Value::as_u64)),
        Err(failure) if failure.number() == number::COLLECTION_NOT_FOUND => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Everything is fine to be there already: another server may be doing the same.
async fn create(database: &Database, arango: &Arango<Link>) -> Result<()> {
    for (name, edges) in COLLECTIONS {
        let kind = if edges { CollectionType::Edge } else { CollectionType::Document };
        let options = CreateOptions::builder().name(name).collection_type(kind).wait_for_sync(true).build();
        made(arango.create_collection_with_options(options, CreateParameters::default()).await)?;
    }
    for (collection, name, fields, unique) in INDEXES {
        let index = json!({
            "type": "persistent", "name": name, "fields": fields, "unique": unique, "sparse": is_sparse(name),
        });
        create_index(database, collection, &index).await?;
    }
    let ttl = json!({ "type": "ttl", "name": "by_age", "fields": ["at"], "expireAfter": JOURNAL_TIME });
    create_index(database, "Journal", &ttl).await?;
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    for (name, collection, from, to) in GRAPHS {
        let edges = EdgeDefinition { collection: collection.to_owned(), from: owned(from), to: owned(to) };
        let graph = Graph::builder().name(name.to_owned()).edge_definitions(vec![edges]).build();
        made(arango.create_graph(graph, true).await)?;
    }
    invocations::describe(database).await?;
    let schema = json!({ "_key": "schema", "version": VERSION });
    let path = "document/Meta?overwriteMode=replace&waitForSync=true";
    database.ask(Method::POST, path, None, Some(&schema)).await?;
    Ok(())
}

/// A sparse index serves fewer queries, so only what some documents lack has one.
fn is_sparse(index: &str) -> bool {
    index == "by_idempotency"
}

async fn create_index(database: &Database, collection: &str, index: &Value) -> Answered<()> {
    database.ask(Method::POST, &format!("index?collection={collection}"), None, Some(index)).await.map(drop)
}

/// Whether queries run on the one server that has all the data.
pub(super) async fn require_pushed_down(database: &Database) -> Result<()> {
    let query = json!({ "query": aql::SAMPLE });
    let explained: Value = parsed(&database.ask(Method::POST, "explain", None, Some(&query)).await?)?;
    let rules = explained.pointer("/plan/rules").and_then(Value::as_array);
    if rules.is_some_and(|rules| rules.iter().any(|rule| rule == "cluster-one-shard")) {
        return Ok(());
    }
    Err(said("queries are not pushed to one server; check the cluster's licence for OneShard".to_owned()))
}

pub(super) fn text_of(answer: &Value, pointer: &str) -> Answered<String> {
    let text = answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| Failure::Nonsense(format!("no {} in an answer", pointer.trim_start_matches('/'))))
}
