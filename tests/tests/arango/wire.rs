//! What goes over the wire, request by request, and what is made of answers that are none.

mod cycle;
mod opening;

use aura::object::{Json, Rev};
use aura::store::arango::{ArangoStore, aql};
use aura::store::{Store, StoreError};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::http::Answer;
use crate::script::{Script, Step, ask, login, query};
use crate::trial;
use crate::values::{id, message, server};

pub fn trials() -> Vec<Trial> {
    let mut trials = opening::trials();
    trials.extend(cycle::trials());
    macro_rules! wire {
        ($($test:ident)*) => {
            trials.extend([$(trial(concat!("wire::", stringify!($test)), $test)),*]);
        };
    }
    wire!(
        a_patch_is_one_transaction
        a_conflict_is_tried_again
        a_past_revision_is_no_conflict_to_try_again
        a_lost_commit_that_was_not_done_is_done_again
        a_lost_commit_that_was_done_is_not_done_again
        a_lost_tombstone_is_not_mistaken_for_a_commit
        a_transaction_that_is_still_alive_is_ended
        a_transaction_that_is_gone_is_decided_by_the_journal
        an_expired_token_is_replaced_once
        a_read_is_repeated_while_a_leader_changes
        all_batches_are_read
        a_batch_that_is_missing_gives_the_query_up
        what_stays_away_has_its_cure_named
        an_answer_that_is_too_large_is_not_read
        a_caller_that_gives_up_leaves_nothing_behind
    );
    trials
}

const ROW: fn(&str, &str) -> Value = |rev, attributes| json!([{ "key": "a", "rev": rev, "attributes": attributes, "prototypes": [], "methods": [] }]);

fn begin(id: &str) -> Step {
    let collections = json!({
        "read": ["PrototypeLinks", "MethodVersions"], "write": ["Guards", "UvmObjects", "Journal"], "exclusive": [],
    });
    ask("POST /_db/image/_api/transaction/begin")
        .sends(json!({ "collections": collections, "waitForSync": true, "allowImplicit": false }))
        .answers(201, json!({ "error": false, "code": 201, "result": { "id": id, "status": "running" } }))
}

fn journal(key: &str, outcome: &str) -> Step {
    query(aql::JOURNAL, json!({ "key": key, "outcome": outcome }))
}

fn guards(transaction: &'static str) -> Step {
    // The digest of "a".
    let digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
    let guards: Vec<_> = (0..8).map(|turn| json!({ "_key": format!("object-{digest}-{turn}") })).collect();
    let written: Vec<_> = guards.iter().map(|guard| json!({ "_key": guard["_key"], "_rev": "_r" })).collect();
    ask("POST /_db/image/_api/document/Guards?overwriteMode=replace")
        .within(transaction)
        .sends(json!(guards))
        .answers(202, json!(written))
}

fn object(rev: &str, attributes: &str) -> Step {
    query(aql::OBJECT, json!({ "key": "a" })).rows(ROW(rev, attributes))
}

fn update(transaction: &'static str, stamp: &str) -> Step {
    let change = json!({
        "_key": "a", "stamp": stamp, "attributes": { "n": 1.5, "m": 100.0 }, "exact": r#"{"n":1.50,"m":1e2}"#,
        "bytes": 18,
    });
    ask("PATCH /_db/image/_api/document/UvmObjects?mergeObjects=false&keepNull=true")
        .within(transaction)
        .sends(json!([change]))
        .answers(202, json!([{ "_key": "a", "_rev": "_2" }]))
}

fn commit(id: &str) -> Step {
    ask(format!("PUT /_db/image/_api/transaction/{id}"))
        .answers(200, json!({ "error": false, "code": 200, "result": { "id": id, "status": "committed" } }))
}

fn abort(id: &str) -> Step {
    ask(format!("DELETE /_db/image/_api/transaction/{id}"))
        .answers(200, json!({ "error": false, "code": 200, "result": { "id": id, "status": "aborted" } }))
}

/// A patch in a transaction, up to the commit.
fn patching(id: &'static str, journal_key: &str) -> Vec<Step> {
    vec![
        begin(id),
        journal(journal_key, "committed").within(id).rows(json!([])),
        guards(id),
        object("_1", r#"{"n":1.50}"#).within(id),
        update(id, &format!("$stamp{id}")),
        object("_2", r#"{"n":1.50,"m":1e2}"#).within(id),
    ]
}

/// Does the patch; it has to succeed.
async fn patched(steps: impl IntoIterator<Item = Step>) {
    let (script, store) = Script::opened(steps);
    let object = patch(&store, None).await;
    script.ended();
    let object = object.unwrap();
    assert_eq!((object.rev.0.as_str(), object.attributes.get()), ("_2", r#"{"n":1.50,"m":1e2}"#));
}

async fn patch(store: &ArangoStore, if_match: Option<&Rev>) -> aura::store::Result<aura::object::Object> {
    let patch = Json::parse(r#"{"m":1e2}"#.to_owned()).unwrap();
    store.patch_attributes(&id("a"), &patch, if_match).await
}

async fn a_patch_is_one_transaction() {
    patched(patching("7", "$journal").into_iter().chain([commit("7")])).await;
}

async fn a_conflict_is_tried_again() {
    let mut steps = patching("7", "$one");
    steps.truncate(3);
    let refused = json!({ "error": true, "errorNum": 1200, "errorMessage": "write-write conflict" });
    steps[2] = guards("7").answers(202, Value::Array(vec![refused; 8]));
    steps.push(abort("7"));
    // And once more, when it is committed; then by a whole answer.
    steps.extend(patching("8", "$two"));
    steps.push(commit("8").refuses(412, 1200, "precondition failed"));
    steps.extend(patching("9", "$three").into_iter().take(2));
    steps.push(guards("9").refuses(409, 1200, "timeout waiting to lock key"));
    steps.push(abort("9"));
    steps.extend(patching("10", "$four"));
    steps.push(commit("10"));
    patched(steps).await;
}

async fn a_past_revision_is_no_conflict_to_try_again() {
    let mut steps = patching("7", "$one");
    steps.truncate(4);
    steps.push(abort("7"));
    let (script, store) = Script::opened(steps);
    let outcome = patch(&store, Some(&Rev("_0".to_owned()))).await;
    script.ended();
    assert!(matches!(outcome, Err(StoreError::Conflict(key)) if key == id("a")));
}

async fn a_lost_commit_that_was_not_done_is_done_again() {
    for lost in [
        Answer::Nothing,
        Answer::Whole { status: 503, headers: Vec::new(), body: String::new() },
        Answer::CutOff { body: "{}".to_owned(), after: 1 },
    ] {
        let mut steps = patching("7", "$one");
        steps.extend([commit("7").gets(lost), journal("$one", "abandoned").rows(json!([]))]);
        steps.extend(patching("8", "$two"));
        steps.push(commit("8"));
        patched(steps).await;
    }
}

async fn a_lost_commit_that_was_done_is_not_done_again() {
    let mut steps = patching("7", "$one");
    steps.extend([
        commit("7").gets(Answer::Nothing),
        journal("$one", "abandoned").refuses(409, 1210, "unique constraint violated"),
        query(aql::OUTCOME, json!({ "key": "$one" })).rows(json!(["committed"])),
    ]);
    patched(steps).await;
}

async fn a_lost_tombstone_is_not_mistaken_for_a_commit() {
    let mut steps = patching("7", "$one");
    steps.extend([
        commit("7").gets(Answer::Nothing),
        journal("$one", "abandoned").gets(Answer::Nothing),
        journal("$one", "abandoned").refuses(409, 1210, "unique constraint violated"),
        query(aql::OUTCOME, json!({ "key": "$one" })).rows(json!(["abandoned"])),
    ]);
    steps.extend(patching("8", "$two"));
    steps.push(commit("8"));
    patched(steps).await;
}

async fn a_transaction_that_is_still_alive_is_ended() {
    let mut steps = patching("7", "$one");
    steps.extend([
        commit("7").gets(Answer::Nothing),
        journal("$one", "abandoned").refuses(409, 1200, "timeout waiting to lock key"),
        abort("7"),
        journal("$one", "abandoned").rows(json!([])),
    ]);
    steps.extend(patching("8", "$two"));
    steps.push(commit("8"));
    patched(steps).await;
}

async fn a_transaction_that_is_gone_is_decided_by_the_journal() {
    for (status, number) in [(404, 1655), (410, 1655), (403, 1429)] {
        let mut steps = patching("7", "$one");
        steps.extend([
            commit("7").refuses(status, number, "gone"),
            journal("$one", "abandoned").refuses(409, 1210, "unique constraint violated"),
            query(aql::OUTCOME, json!({ "key": "$one" })).rows(json!(["committed"])),
        ]);
        patched(steps).await;
    }
}

async fn an_expired_token_is_replaced_once() {
    let expired = || object("_1", "{}").refuses(401, 11, "not authorized to execute this request");
    let (script, store) = Script::opened([
        expired(),
        login("second"),
        object("_1", "{}").token(Some("second")),
        object("_2", "{}").token(Some("second")),
        expired().token(Some("second")),
        login("third"),
        expired().token(Some("third")),
    ]);
    for rev in ["_1", "_2"] {
        assert_eq!(store.object(&id("a")).await.unwrap().rev.0, rev);
    }
    let refused = store.object(&id("a")).await.unwrap_err().to_string();
    script.ended();
    assert_eq!(
        refused,
        "the store cannot be used: the user of ARANGO_USER may not use this database, or it is not there; let an \
         administrator create it with sharding single, or grant administrate access (not authorized to execute this \
         request (HTTP 401, error 11))"
    );
}

async fn a_read_is_repeated_while_a_leader_changes() {
    for passing in [
        Answer::Nothing,
        Answer::Whole { status: 503, headers: Vec::new(), body: String::new() },
        Answer::json(421, ""),
        Answer::json(
            500,
            json!({ "error": true, "code": 500, "errorNum": 1496, "errorMessage": "not a leader" }),
        ),
        Answer::CutOff { body: "{\"result\":[]}".to_owned(), after: 5 },
    ] {
        let again = object("_1", "{}");
        let (script, store) = Script::opened([object("_1", "{}").gets(passing), again]);
        store.object(&id("a")).await.unwrap();
        script.ended();
    }
}

async fn all_batches_are_read() {
    let message = message("a");
    let record = serde_json::to_string(&message).unwrap();
    let batch = |more: bool| json!({ "result": [record], "hasMore": more, "id": "31", "cached": false, "error": false, "code": 200 });
    let (script, store) = Script::opened([
        query(aql::UNFINISHED, json!({ "server": "one" })).answers(201, batch(true)),
        ask("POST /_db/image/_api/cursor/31").answers(200, batch(true)),
        ask("POST /_db/image/_api/cursor/31").answers(200, batch(false)),
    ]);
    assert_eq!(store.unfinished(&server("one")).await.unwrap(), vec![message; 3]);
    script.ended();
}

async fn a_batch_that_is_missing_gives_the_query_up() {
    let first = json!({ "result": [], "hasMore": true, "id": "31", "error": false, "code": 201 });
    let (script, store) = Script::opened([
        query(aql::UNFINISHED, json!({ "server": "one" })).answers(201, first),
        ask("POST /_db/image/_api/cursor/31").refuses(500, 32, "query would use more memory than allowed"),
        ask("DELETE /_db/image/_api/cursor/31")
            .answers(202, json!({ "id": "31", "error": false, "code": 202 })),
    ]);
    let refused = store.unfinished(&server("one")).await.unwrap_err().to_string();
    script.ended();
    assert_eq!(
        refused,
        "the store cannot be used: the database ran out of the memory it may use; give its servers more (query would \
         use more memory than allowed (HTTP 500, error 32))"
    );
}

async fn what_stays_away_has_its_cure_named() {
    let away =
        || object("_1", "{}").gets(Answer::Whole { status: 503, headers: Vec::new(), body: String::new() });
    let (script, store) = Script::opened([
        away(),
        away(),
        away(),
        query(aql::PING, json!({})).answers(200, json!("not a cursor")),
    ]);
    let refused = store.object(&id("a")).await.unwrap_err().to_string();
    assert!(
        refused.contains("the cluster is between two states, as while a server is replaced; try again"),
        "{refused}"
    );
    let refused = store.ping().await.unwrap_err().to_string();
    assert!(refused.contains("is another program behind this address?"), "{refused}");
    script.ended();

    let collections = json!({ "read": [], "write": ["Guards", "Servers", "Journal"], "exclusive": [] });
    let begin = ask("POST /_db/image/_api/transaction/begin")
        .sends(json!({ "collections": collections, "waitForSync": true, "allowImplicit": false }))
        .refuses(403, 1429, "not enough replicas");
    let (script, store) = Script::opened([begin]);
    let refused =
        store.join(&server("one"), std::time::Duration::from_secs(1)).await.unwrap_err().to_string();
    script.ended();
    assert_eq!(
        refused,
        "the store cannot be used: too few copies of the image are in sync to write; start the missing DB-Servers \
         again (not enough replicas (HTTP 403, error 1429))"
    );
}

async fn an_answer_that_is_too_large_is_not_read() {
    let (script, store) = Script::opened([object("_1", "{}").gets(Answer::Claims(300 << 20))]);
    let refused = store.object(&id("a")).await.unwrap_err().to_string();
    script.ended();
    assert_eq!(
        refused,
        "the store cannot be used: an answer of ArangoDB has more than 256 MiB, which is more than is read"
    );
}

async fn a_caller_that_gives_up_leaves_nothing_behind() {
    let mut steps = patching("7", "$one");
    steps.truncate(2);
    steps.push(guards("7").gets(Answer::Never));
    steps.push(abort("7"));
    let (script, store) = Script::opened(steps);
    let gave_up = tokio::select! {
        _ = patch(&store, None) => false,
        () = script.arrived(1) => true,
    };
    assert!(gave_up);
    script.arrived(0).await;
    script.ended();
}
