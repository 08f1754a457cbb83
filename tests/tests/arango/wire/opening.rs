//! What is asked before anything is served, and why a store is not opened.

use aura::store::StoreError;
use aura::store::arango::{ArangoConfig, ArangoStore, aql};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::emulator::apart;
use crate::http::Answer;
use crate::script::{Script, Step, ask, current, explain, greeting, meta, opening, query};
use crate::trial;

pub fn trials() -> Vec<Trial> {
    macro_rules! wire {
        ($($test:ident)*) => {
            vec![$(trial(concat!("wire::opening::", stringify!($test)), $test)),*]
        };
    }
    wire!(
        a_missing_image_is_made
        an_image_of_the_version_before_is_brought_to_this_one
        what_cannot_be_served_from_is_refused
        what_is_not_there_is_refused
        settings_that_cannot_be_are_refused
        the_password_is_shown_to_nobody
    )
}

fn single() -> Value {
    json!("single")
}

fn collection(name: &str, kind: u8) -> [Step; 2] {
    let properties = json!({
        "error": false, "code": 200, "id": "5", "name": name, "type": kind, "status": 3, "statusString": "loaded",
        "isSystem": false, "globallyUniqueId": "g5", "waitForSync": true, "writeConcern": 2,
        "keyOptions": { "allowUserKeys": true, "type": "traditional" },
    });
    [
        ask("POST /_db/image/_api/collection?")
            .sends(json!({ "name": name, "type": kind, "waitForSync": true }))
            .answers(200, properties.clone()),
        ask(format!("GET /_db/image/_api/collection/{name}")).answers(200, properties),
    ]
}

fn index(collection: &str, name: &str, fields: &[&str], unique: bool) -> Step {
    let index = json!({ "type": "persistent", "name": name, "fields": fields, "unique": unique, "sparse": name == "by_idempotency" });
    ask(format!("POST /_db/image/_api/index?collection={collection}"))
        .sends(index.clone())
        .answers(201, index)
}

fn graph(name: &str, edges: &str, from: &[&str], to: &[&str]) -> Step {
    let graph = json!({ "name": name, "edgeDefinitions": [{ "collection": edges, "from": from, "to": to }] });
    let answer = json!({ "error": false, "code": 201, "graph": graph });
    ask("POST /_db/image/_api/gharial?waitForSync=true").sends(graph).answers(201, answer)
}

/// Each collection, and whether it holds edges.
const COLLECTIONS: [(&str, u8); 13] = [
    ("UvmObjects", 2),
    ("PrototypeLinks", 3),
    ("MemoryNodes", 2),
    ("ContextLinks", 3),
    ("Messages", 2),
    ("Invocations", 2),
    ("Contents", 2),
    ("MethodVersions", 2),
    ("Accounts", 2),
    ("Servers", 2),
    ("Journal", 2),
    ("Guards", 2),
    ("Meta", 2),
];

/// What is in the collections, once they are there.
fn indexes_and_graphs() -> Vec<Step> {
    let ttl = json!({ "type": "ttl", "name": "by_age", "fields": ["at"], "expireAfter": 86_400 });
    vec![
        index("UvmObjects", "by_order", &["order"], true),
        index("PrototypeLinks", "by_position", &["_from", "position"], true),
        index("MethodVersions", "by_order", &["order"], true),
        index("MethodVersions", "by_name", &["object", "current", "name"], false),
        index("MethodVersions", "by_version", &["object", "name", "version"], false),
        index("Messages", "by_id", &["id"], true),
        index("Messages", "by_idempotency", &["idempotency"], true),
        index("Messages", "by_target", &["target", "id"], false),
        index("Messages", "by_status", &["status", "id"], false),
        index("Messages", "by_turn", &["target", "open", "id"], false),
        index("Messages", "by_server", &["open", "server", "id"], false),
        index("Invocations", "by_id", &["id"], true),
        index("Invocations", "by_method", &["source", "method", "id"], false),
        index("Accounts", "by_order", &["order"], true),
        ask("POST /_db/image/_api/index?collection=Journal").sends(ttl.clone()).answers(201, ttl),
        graph("Prototypes", "PrototypeLinks", &["UvmObjects"], &["UvmObjects"]),
        // Made by another server a moment ago.
        graph("Context", "ContextLinks", &["MemoryNodes"], &["MemoryNodes", "UvmObjects"]).refuses(
            409,
            1925,
            "graph already exists",
        ),
    ]
}

fn described(after: &str) -> Step {
    query(aql::DESCRIBE, json!({ "after": after, "rows": 100 }))
}

fn noted() -> Step {
    ask("POST /_db/image/_api/document/Meta?overwriteMode=replace&waitForSync=true")
        .sends(json!({ "_key": "schema", "version": 2 }))
        .answers(201, json!({ "_key": "schema", "_rev": "_1" }))
}

fn opened(steps: Vec<Step>) {
    let script = Script::new(steps);
    let opened = apart(ArangoStore::connect(script.config())).map(drop);
    script.ended();
    opened.unwrap();
}

async fn a_missing_image_is_made() {
    let options = json!({ "sharding": "single", "replicationFactor": 3, "writeConcern": 2 });
    let mut steps = greeting();
    steps.push(ask("GET /_db/image/_api/database/current").refuses(404, 1228, "database not found"));
    steps.push(
        ask("POST /_api/database")
            .sends(json!({ "name": "image", "options": options }))
            .answers(201, json!({ "error": false, "code": 201, "result": true })),
    );
    steps.extend([current(&single()), current(&single())]);
    let missing = "collection or view not found: Meta";
    steps.push(query(aql::META, json!({ "key": "schema" })).refuses(404, 1203, missing));
    steps.extend(COLLECTIONS.into_iter().flat_map(|(name, kind)| collection(name, kind)));
    steps.extend(indexes_and_graphs());
    steps.extend([described("").rows(json!([])), noted(), meta("import", json!([]))]);
    steps.push(explain(&["cluster-one-shard"]));
    opened(steps);
}

async fn an_image_of_the_version_before_is_brought_to_this_one() {
    let mut steps = opening();
    let rest = steps.split_off(7);
    steps[6] = meta("schema", json!([{ "_key": "schema", "version": 1 }]));
    for (name, kind) in COLLECTIONS {
        let [making, looking] = collection(name, kind);
        if matches!(name, "Contents" | "Accounts") {
            steps.extend([making, looking]);
        } else {
            steps.push(making.refuses(409, 1207, "duplicate name"));
        }
    }
    steps.extend(indexes_and_graphs());
    let page = [2, 1].map(|nth| format!("0196d8f0-0000-7000-8000-00000000000{nth}"));
    steps.extend([
        described("").rows(json!(page)),
        // Another server does the same.
        described(&page[0]).refuses(409, 1200, "write-write conflict"),
        described(&page[0]).rows(json!([])),
        noted(),
    ]);
    steps.extend(rest);
    opened(steps);
}

fn refused(steps: Vec<Step>) -> String {
    Script::new(steps).refused()
}

async fn what_cannot_be_served_from_is_refused() {
    let mut steps = greeting();
    steps[1] = ask("POST /_open/auth")
        .token(None)
        .sends(json!({ "username": "me", "password": "secret" }))
        .refuses(401, 401, "Wrong credentials");
    steps.truncate(2);
    assert_eq!(
        refused(steps),
        "ArangoDB refuses the user or the password; check ARANGO_USER and ARANGO_PASS (Wrong credentials (HTTP 401, \
         error 401))"
    );

    let role = |role: &str| {
        let mut steps = greeting();
        steps[2] = ask("GET /_db/_system/_admin/server/role").answers(200, json!({ "role": role }));
        refused(steps)
    };
    assert_eq!(
        role("SINGLE"),
        "a single server is not OneShard; set ARANGO_HOST to a coordinator of a cluster"
    );
    assert_eq!(role("PRIMARY"), "its role is PRIMARY; set ARANGO_HOST to a coordinator");

    let mut steps = greeting();
    let flexible = json!("flexible");
    steps.extend([current(&flexible), current(&flexible), current(&flexible)]);
    assert_eq!(
        refused(steps),
        "the database is not OneShard, which cannot be changed; set DB_NAME to a new one"
    );

    let mut steps = opening();
    steps.truncate(6);
    steps.push(meta("schema", json!([{ "_key": "schema", "version": 3 }])));
    assert_eq!(refused(steps), "the image has schema version 3 and this aura knows 2; use a newer aura");

    let mut steps = opening();
    steps.truncate(7);
    steps.push(meta("import", json!([{ "_key": "import" }])));
    assert_eq!(
        refused(steps),
        "an import into this database goes on, or broke off; drop it and import again"
    );

    let mut steps = opening();
    steps.truncate(8);
    steps.push(explain(&["use-indexes"]));
    assert_eq!(
        refused(steps),
        "queries are not pushed to one server; check the cluster's licence for OneShard"
    );

    let mut steps = greeting();
    steps.push(ask("GET /_db/image/_api/database/current").refuses(404, 1228, "database not found"));
    let options = json!({ "sharding": "single", "replicationFactor": 3, "writeConcern": 2 });
    steps.push(ask("POST /_api/database").sends(json!({ "name": "image", "options": options })).refuses(
        403,
        11,
        "forbidden",
    ));
    assert_eq!(
        refused(steps),
        "the database 'image' is missing and cannot be created; create it, or let the user of ARANGO_USER do so (the \
         user of ARANGO_USER may not do this; grant it administrate access to the database (forbidden (HTTP 403, \
         error 11)))"
    );
}

async fn what_is_not_there_is_refused() {
    let script = Script::new([]);
    let nobody = ArangoConfig { url: "http://127.0.0.1:1".to_owned(), ..script.config() };
    let Err(StoreError::Unavailable(text)) = apart(ArangoStore::connect(nobody)) else { panic!("opened") };
    assert!(text.starts_with("ArangoDB at http://127.0.0.1:1 cannot be reached ("), "{text}");
    assert!(text.ends_with("); start it, or set ARANGO_HOST"), "{text}");

    let text = refused(vec![ask("GET /").token(None).gets(Answer::Foreign)]);
    assert_eq!(text, "at URL/ answers 'Unknown', not ArangoDB; set ARANGO_HOST to a coordinator");
}

async fn settings_that_cannot_be_are_refused() {
    let script = Script::new([]);
    let refused = |config| match apart(ArangoStore::connect(config)) {
        Err(StoreError::Unavailable(text)) => text,
        _ => panic!("opened"),
    };
    for url in ["", "localhost", "ftp://localhost", "http://localhost/path"] {
        let text = refused(ArangoConfig { url: url.to_owned(), ..script.config() });
        assert_eq!(text, "ARANGO_HOST is not the URL of a server, as http://localhost:8529");
    }
    let text = refused(ArangoConfig { url: "http://me:secret@localhost:8529".to_owned(), ..script.config() });
    assert_eq!(text, "ARANGO_HOST must not hold a user; set ARANGO_USER and ARANGO_PASS");
    let text = refused(ArangoConfig { database: "a/b".to_owned(), ..script.config() });
    assert_eq!(
        text,
        "'a/b' cannot be a database's name; set DB_NAME to at most 64 of A-Z a-z 0-9 _ -, the first a letter"
    );
}

async fn the_password_is_shown_to_nobody() {
    let script = Script::new([]);
    assert!(!format!("{:?}", script.config()).contains("secret"));
}
