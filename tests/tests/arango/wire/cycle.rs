//! The commit of a cycle, request by request.

use aura::object::{Account, Budget, Contents, Json, Message, Method, Rev, Timestamp};
use aura::store::arango::aql;
use aura::store::{Commit, Lease, LeaseId, Store, StoreError};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::script::{Script, Step, ask, query};
use crate::trial;
use crate::values::{completed, cycle, id, install, invocation, json as text, message, server};

pub fn trials() -> Vec<Trial> {
    macro_rules! wire {
        ($($test:ident)*) => {
            vec![$(trial(concat!("wire::cycle::", stringify!($test)), $test)),*]
        };
    }
    wire!(a_cycle_is_one_transaction a_lost_lease_ends_it a_cycle_that_never_gets_through_is_in_conflict)
}

const A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

fn lease() -> Lease {
    Lease { server: server("one"), id: LeaseId::fresh() }
}

/// Changes `a`, of which it installs a method, and has read `b`.
fn plan(lease: &Lease, message: &Message) -> Commit {
    Commit {
        changes: vec![(id("a"), text(r#"{"n":2}"#))],
        installs: vec![install("a", "greet", "return 1", None)],
        invocations: vec![invocation(message, Rev("_a".to_owned()))],
        contents: Contents::from([(content().digest(), content())]),
        charges: vec![(id("b"), 5), (id("a"), 2), (id("b"), 1)],
        preconditions: vec![(id("a"), Rev("_a".to_owned())), (id("b"), Rev("_b".to_owned()))],
        ..cycle(lease, message)
    }
}

/// What a record refers to.
fn content() -> Json {
    text("[1.50]")
}

fn begun() -> [Step; 2] {
    let writes = [
        "Guards",
        "UvmObjects",
        "MethodVersions",
        "Messages",
        "Invocations",
        "Contents",
        "Accounts",
        "Journal",
    ];
    let collections = json!({ "read": ["Servers"], "write": writes, "exclusive": [] });
    [
        ask("POST /_db/image/_api/transaction/begin")
            .sends(json!({ "collections": collections, "waitForSync": true, "allowImplicit": false }))
            .answers(
                201,
                json!({ "error": false, "code": 201, "result": { "id": "7", "status": "running" } }),
            ),
        query(aql::JOURNAL, json!({ "key": "$journal", "outcome": "committed" })).within("7").rows(json!([])),
    ]
}

/// One of `b`, all of `a`, one of the server, in this order.
fn guards() -> Step {
    let mut keys = vec![json!({ "_key": "$one_of_b" })];
    keys.extend((0..8).map(|turn| json!({ "_key": format!("object-{A}-{turn}") })));
    keys.push(json!({ "_key": "$one_of_server" }));
    let written: Vec<_> = keys.iter().map(|_| json!({ "_key": "k", "_rev": "_r" })).collect();
    ask("POST /_db/image/_api/document/Guards?overwriteMode=replace")
        .within("7")
        .sends(json!(keys))
        .answers(202, json!(written))
}

fn standing(message: &Message, holder: Value) -> Step {
    let revs = json!([{ "key": "a", "rev": "_a" }, { "key": "b", "rev": "_b" }]);
    query(
        aql::STANDING,
        json!({ "server": "one", "id": message.message_id, "target": "a", "keys": ["a", "b", "a"] }),
    )
    .within("7")
    .rows(json!([{ "lease": holder, "open": true, "earlier": null, "revs": revs }]))
}

fn written(line: &str, document: Value) -> Step {
    ask(line).within("7").sends(json!([document])).answers(202, json!([{ "_key": "k", "_rev": "_r" }]))
}

fn ends(method: &str) -> Step {
    ask(format!("{method} /_db/image/_api/transaction/7"))
        .answers(200, json!({ "error": false, "code": 200, "result": { "id": "7", "status": "committed" } }))
}

async fn a_cycle_is_one_transaction() {
    let (lease, message) = (lease(), message("a"));
    let record = serde_json::to_string(&completed(&message)).unwrap();
    let before = Method {
        object: id("a"),
        name: "greet".parse().unwrap(),
        version: 4,
        source: install("a", "greet", "return 0", None).source,
        quota: crate::values::fuel(9),
        provenance: install("a", "greet", "return 0", None).provenance,
        installed_at: message.accepted_at,
    };
    let plan = plan(&lease, &message);
    let run = &plan.invocations[0];
    let run_record = serde_json::to_string(run).unwrap();
    let recorded = json!({
        "_key": run.invocation_id, "id": run.invocation_id, "message": message.message_id, "source": "a",
        "method": "greet", "bytes": run_record.len(), "record": run_record,
    });
    let account = Account { budget: Budget { fuel_per_hour: Some(9) }, used: 30, since: Timestamp::now() };
    let charged = Account { used: 36, ..account };
    let before = json!([{ "key": "m4", "record": serde_json::to_string(&before).unwrap() }]);
    let mut steps = Vec::from(begun());
    steps.extend([
        guards(),
        standing(&message, json!(lease.id)),
        written(
            "POST /_db/image/_api/document/Messages?overwriteMode=update&mergeObjects=false&keepNull=true",
            json!({
                "_key": message.message_id, "id": message.message_id, "target": "a", "status": "completed",
                "open": false, "bytes": record.len(), "record": record,
            }),
        ),
        written(
            "PATCH /_db/image/_api/document/UvmObjects?mergeObjects=false&keepNull=true",
            json!({ "_key": "a", "stamp": "$stamp", "attributes": { "n": 2 }, "exact": "{\"n\":2}", "bytes": 7 }),
        ),
        query(aql::CURRENT, json!({ "object": "a", "name": "greet" })).within("7").rows(before),
        written(
            "PATCH /_db/image/_api/document/MethodVersions?mergeObjects=false&keepNull=true",
            json!({ "_key": "m4", "current": false }),
        ),
        written(
            "POST /_db/image/_api/document/MethodVersions",
            json!({
                "_key": "$version", "object": "a", "name": "greet", "version": 5, "order": "61/6772656574/0000000005",
                "current": true, "record": "$record",
            }),
        ),
        written("POST /_db/image/_api/document/Invocations", recorded),
        written(
            "POST /_db/image/_api/document/Contents?overwriteMode=ignore",
            json!({ "_key": content().digest(), "bytes": 6, "content": "[1.50]" }),
        ),
        query(aql::ACCOUNTS, json!({ "keys": ["a", "b"] })).within("7").rows(json!([
            { "key": "b", "record": serde_json::to_string(&account).unwrap() }, { "key": "a", "record": null },
        ])),
        ask("POST /_db/image/_api/document/Accounts?overwriteMode=replace")
            .within("7")
            .sends(json!([
                { "_key": "a", "order": "61", "record": "$account" },
                { "_key": "b", "order": "62", "record": serde_json::to_string(&charged).unwrap() },
            ]))
            .answers(202, json!([{ "_key": "a", "_rev": "_r" }, { "_key": "b", "_rev": "_r" }])),
        ends("PUT"),
    ]);
    let (script, store) = Script::opened(steps);
    let outcome = store.commit(plan).await;
    script.ended();
    outcome.unwrap();
}

async fn a_lost_lease_ends_it() {
    let (lease, message) = (lease(), message("a"));
    let mut steps = Vec::from(begun());
    steps.extend([guards(), standing(&message, json!(LeaseId::fresh())), ends("DELETE")]);
    let (script, store) = Script::opened(steps);
    let outcome = store.commit(plan(&lease, &message)).await;
    script.ended();
    assert!(matches!(outcome, Err(StoreError::Fenced)));
}

async fn a_cycle_that_never_gets_through_is_in_conflict() {
    let (lease, message) = (lease(), message("a"));
    let tries = (0..24).flat_map(|_| {
        let [begin, _] = begun();
        let journal = ask("POST /_db/image/_api/cursor").within("7").sends(json!({
            "query": aql::JOURNAL, "bindVars": { "key": "$*", "outcome": "committed" }, "batchSize": 1000,
        }));
        [begin, journal.refuses(409, 1200, "write-write conflict"), ends("DELETE")]
    });
    let (script, store) = Script::opened(tries);
    let outcome = store.commit(plan(&lease, &message)).await;
    script.ended();
    assert!(matches!(outcome, Err(StoreError::Conflict(key)) if key == id("a")));
}
