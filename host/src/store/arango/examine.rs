//! What a doctor looks at in a cluster.

use serde::Deserialize;
use serde_json::{Value, json};

use super::database::Database;
use super::error::Failure;
use super::schema::{self, COLLECTIONS, INDEXES};
use super::{aql, messages};
use crate::object::Timestamp;
use crate::store::{Check, Result, StoreError};

/// Clocks that differ by more milliseconds than this are worth a word.
const APART: i64 = 5_000;

pub(super) async fn all(system: &Database, database: &Database, single_server_allowed: bool) -> Vec<Check> {
    let looked = [
        ("server", server(system).await),
        ("role", role(system, single_server_allowed).await),
        ("sharding", sharding(database, single_server_allowed).await),
        ("queries", queries(database, single_server_allowed).await),
        ("schema", version(database).await),
        ("indexes", indexes(database).await),
        ("content", content(database).await),
        ("servers", servers(database).await),
        ("clock", clock(database).await),
    ];
    let check = |(what, found): (&str, Result<String>)| Check {
        what: what.to_owned(),
        found: found.map_err(|error| match error {
            StoreError::Unavailable(text) => text,
            error => error.to_string(),
        }),
    };
    looked.into_iter().map(check).collect()
}

fn wrong(text: String) -> StoreError {
    StoreError::Unavailable(text)
}

async fn server(system: &Database) -> Result<String> {
    let version = system.get("version").await?;
    let (version, license) = (schema::text_of(&version, "/version")?, schema::text_of(&version, "/license")?);
    if version.starts_with("3.12.") {
        return Ok(format!("ArangoDB {version} ({license})"));
    }
    Err(wrong(format!("ArangoDB {version} was never tried; use 3.12")))
}

async fn role(system: &Database, single_server_allowed: bool) -> Result<String> {
    let role = schema::role(system).await?;
    match role.as_str() {
        "COORDINATOR" => Ok("a coordinator of a cluster".to_owned()),
        "SINGLE" if single_server_allowed => {
            Ok("single server, not OneShard; for development only".to_owned())
        }
        role => Err(wrong(format!("its role is {role}; set ARANGO_HOST to a coordinator"))),
    }
}

async fn sharding(database: &Database, single_server_allowed: bool) -> Result<String> {
    let sharding = schema::sharding(database).await?;
    if !single_server_allowed {
        schema::require_single(sharding.as_deref())?;
    }
    Ok(sharding.unwrap_or_else(|| "none".to_owned()))
}

async fn queries(database: &Database, single_server_allowed: bool) -> Result<String> {
    if single_server_allowed {
        return Ok("not looked at on a single server".to_owned());
    }
    schema::require_pushed_down(database).await?;
    Ok("run on the one server that has the data".to_owned())
}

async fn version(database: &Database) -> Result<String> {
    match schema::version(database).await? {
        Some(schema::VERSION) => Ok(format!("version {}", schema::VERSION)),
        Some(newer) if newer > schema::VERSION => Err(wrong(format!(
            "the image has schema version {newer} and this aura knows {}; use a newer aura",
            schema::VERSION
        ))),
        Some(older) => Err(wrong(format!(
            "version {older}; start aura again, which brings it to version {}",
            schema::VERSION
        ))),
        None => Err(wrong("there is none; start aura again, which makes it".to_owned())),
    }
}

async fn indexes(database: &Database) -> Result<String> {
    for (collection, _) in COLLECTIONS {
        let found = database.get(&format!("index?collection={collection}")).await?;
        let names: Vec<_> =
            found["indexes"].as_array().into_iter().flatten().map(|index| &index["name"]).collect();
        for (_, name, ..) in INDEXES.iter().filter(|(of, ..)| *of == collection) {
            if !names.iter().any(|found| *found == name) {
                return Err(wrong(format!(
                    "'{collection}' has no index '{name}'; remove the document 'schema' from Meta and start aura again"
                )));
            }
        }
    }
    Ok(format!("{} collections and {} indexes", COLLECTIONS.len(), INDEXES.len()))
}

async fn content(database: &Database) -> Result<String> {
    #[derive(Deserialize)]
    struct Counts {
        objects: u64,
        versions: u64,
        messages: u64,
    }
    let counts: Counts = messages::sole(database.read(aql::COUNTS, json!({})).await?)?;
    let Counts { objects, versions, messages } = counts;
    Ok(format!("{objects} objects, {versions} versions of methods, {messages} messages"))
}

async fn servers(database: &Database) -> Result<String> {
    #[derive(Deserialize)]
    struct Servers {
        live: u64,
        unfinished: u64,
    }
    let Servers { live, unfinished } = messages::sole(database.read(aql::SERVERS, json!({})).await?)?;
    Ok(format!("{live} at work, {unfinished} messages unfinished"))
}

/// Leases go by the database's clock, so that a difference does no harm to them.
async fn clock(database: &Database) -> Result<String> {
    let theirs: Vec<Value> = database.read(aql::NOW, json!({})).await?;
    let theirs = messages::sole(theirs)?.as_i64().ok_or_else(|| Failure::Nonsense("no time".to_owned()))?;
    let apart = (theirs - Timestamp::now().0).abs();
    if apart <= APART {
        return Ok(format!("within {} s of this machine's", APART / 1_000));
    }
    Err(wrong(format!("{} s apart from this machine's; set both by the same time server", apart / 1_000)))
}
