//! Objects, their revisions, and listings longer than a page.

use aura_tests::{Client, Server};
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

use super::{JSON, NOWHERE, done, each, install, is_problem, read, to};

#[tokio::test]
async fn objects_are_created_once_and_changed_by_those_who_know_the_revision() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    let body = json!({
        "key": "UvmObjects/first", "attributes": { "n": 1, "deep": { "a": [1, null] } },
        "prototypes": ["system", "UvmObjects/nil"],
    });
    let created = done(client, "POST", "/objects", &body, 201).await;
    let object = created.json();
    let rev = object["rev"].as_str().expect("a revision");
    let expected = json!({
        "id": "UvmObjects/first", "rev": rev, "attributes": { "n": 1, "deep": { "a": [1, null] } },
        "methods": [], "prototypes": ["UvmObjects/system", "UvmObjects/nil"],
    });
    assert_eq!(object, expected);
    assert_eq!(created.location.as_deref(), Some("/objects/first"));
    let etag = format!("\"{rev}\"");
    assert_eq!(created.etag.as_ref(), Some(&etag));
    for path in ["/objects/first", "/objects/UvmObjects%2Ffirst", "/objects/UvmObjects/first"] {
        let answer = client.get(path).await;
        assert_eq!(
            (answer.status, answer.etag.as_ref(), answer.json()),
            (200, Some(&etag), expected.clone())
        );
    }
    let odd = done(client, "POST", "/objects", &json!({ "key": "50%+1" }), 201).await;
    assert_eq!(odd.location.as_deref(), Some("/objects/50%25+1"));
    assert_eq!(read(client, "/objects/50%25+1").await["id"], "UvmObjects/50%+1");

    let again = client.send("POST", "/objects", r#"{"key":"first"}"#).await;
    is_problem(&again, 409, "ObjectExists", "object 'UvmObjects/first' exists already");
    let orphan =
        client.send("POST", "/objects", r#"{"key":"orphan","prototypes":["system","nobody"]}"#).await;
    is_problem(&orphan, 404, "ObjectNotFound", "object 'UvmObjects/nobody' does not exist");
    let none = "object 'UvmObjects/orphan' does not exist";
    is_problem(&client.get("/objects/orphan").await, 404, "ObjectNotFound", none);
    let patch = client.send("PATCH", "/objects/orphan", r#"{"attributes":{}}"#).await;
    is_problem(&patch, 404, "ObjectNotFound", none);

    let patch = async |tag: &str, attributes: Value| {
        let body = json!({ "attributes": attributes }).to_string();
        client.request("PATCH", "/objects/first", &[JSON, ("if-match", tag)], body.into()).await
    };
    let merged = patch(&etag, json!({ "n": 2, "new": null })).await;
    assert_eq!(merged.status, 200, "{}", merged.text);
    assert_eq!(merged.json()["attributes"], json!({ "n": 2, "deep": { "a": [1, null] }, "new": null }));
    assert_ne!(merged.etag.as_ref(), Some(&etag));
    assert_eq!(merged.etag, Some(format!("\"{}\"", merged.json()["rev"].as_str().expect("a revision"))));
    let stale = patch(&etag, json!({ "n": 3 })).await;
    let changed = "object 'UvmObjects/first' was changed by another message in the meantime";
    is_problem(&stale, 412, "RevisionConflict", changed);
    let unreadable = patch("\"", json!({ "n": 3 })).await;
    is_problem(&unreadable, 400, "Malformed", "If-Match must be ETags as they were answered, or *.");
    for none in ["\"*\"".to_owned(), format!("W/{etag}"), format!("{etag}, \"x\"")] {
        is_problem(&patch(&none, json!({ "n": 3 })).await, 412, "RevisionConflict", changed);
    }
    let now = client.get("/objects/first").await;
    assert_eq!(
        (now.etag.as_ref(), now.json()),
        (merged.etag.as_ref(), merged.json()),
        "what is refused changes nothing"
    );

    // The methods are part of what the tag stands for.
    install(client, "first", "greet", "self.n = 5").await;
    let tag = merged.etag.expect("a tag");
    is_problem(&patch(&tag, json!({ "n": 3 })).await, 412, "RevisionConflict", changed);
    let last = patch("*", json!({ "n": 4 })).await;
    assert_eq!(last.json()["attributes"]["n"], 4);
    let tag = last.etag.expect("a tag");
    let listed = patch(&format!("\"x\", {tag}"), json!({ "n": 5 })).await;
    assert_eq!(listed.json()["attributes"]["n"], 5);
    let tag = listed.etag.expect("a tag");
    let again = async |known: &str| {
        let answer = client.request("GET", "/objects/first", &[("if-none-match", known)], Vec::new()).await;
        (answer.status, answer.etag, answer.text.is_empty())
    };
    for known in [&tag, &format!("\"x\", W/{tag}"), "*"] {
        assert_eq!(again(known).await, (304, Some(tag.clone()), true), "{known}");
    }
    assert_eq!(again("\"x\"").await, (200, Some(tag), false));
}

#[tokio::test]
async fn no_change_is_made_on_a_condition_that_nobody_looks_at() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    let before = read(client, "/objects/system").await;
    let method = r#"{"source":"return 1"}"#;
    for (verb, path, header, shown, body) in [
        ("PUT", "/objects/system/methods/x", "if-match", "If-Match", method),
        ("PUT", "/objects/system/methods/x", "if-none-match", "If-None-Match", method),
        ("POST", "/objects", "if-none-match", "If-None-Match", r#"{"key":"x"}"#),
        ("PATCH", "/objects/system", "if-none-match", "If-None-Match", r#"{"attributes":{"n":1}}"#),
    ] {
        let answer = client.request(verb, path, &[JSON, (header, "*")], body.into()).await;
        let told = format!("This cannot be done on a condition: leave {shown} out.");
        is_problem(&answer, 412, "RevisionConflict", &told);
    }
    assert_eq!(read(client, "/objects/system").await, before);
    assert_eq!(client.get("/objects/x").await.status, 404);
}

/// Of two values one reader takes the first and another the last.
#[tokio::test]
async fn no_object_has_a_name_twice() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    let told =
        |field| format!("The field '{field}' is not valid: it has the name \"a\" twice in one object.");
    let twins = client
        .send("POST", "/objects", r#"{"key":"two","attributes":{"x":[{"a":1,"b":{},"\u0061":2}]}}"#)
        .await;
    is_problem(&twins, 422, "Malformed", &told("attributes"));
    let twins = client.send("PATCH", "/objects/system", r#"{"attributes":{"a":1,"a":1}}"#).await;
    is_problem(&twins, 422, "Malformed", &told("attributes"));
    for (field, value) in [("args", r#"[{"a":1,"a":2}]"#), ("kwargs", r#"{"a":{"b":"a"},"a":2}"#)] {
        let body = format!(r#"{{"target_object_id":"system","method_name":"x","{field}":{value}}}"#);
        is_problem(&client.send("POST", "/message", &body).await, 422, "Malformed", &told(field));
    }
    let fine = r#"{"key":"fine","attributes":{"a":{"a":{"a":"a"}},"b":[{"a":":"},{"a":"\":"}]}}"#;
    assert_eq!(client.send("POST", "/objects", fine).await.status, 201);
}

/// An object may be called as the collection is.
#[tokio::test]
async fn the_beginning_of_a_long_id_is_no_object() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    for key in ["methods", "UvmObjects"] {
        done(client, "POST", "/objects", &json!({ "key": key }), 201).await;
    }
    assert_eq!(read(client, "/objects/UvmObjects/methods").await["id"], "UvmObjects/methods");
    assert_eq!(read(client, "/objects/UvmObjects").await["id"], "UvmObjects/UvmObjects");
    let path = "/objects/UvmObjects/UvmObjects/methods/one";
    let installed = done(client, "PUT", path, &json!({ "source": "return 1" }), 201).await;
    assert_eq!(installed.location.as_deref(), Some("/objects/UvmObjects%2FUvmObjects/methods/one"));
    let shown = server.cli().run(&["method", "show", "UvmObjects", "one", "--json"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert_eq!(
        read(client, "/objects/UvmObjects/UvmObjects/methods?inherited=false").await["methods"][0]["name"],
        "one"
    );
}

/// The ids on all pages of `/objects`, and how many are on each.
async fn paged(client: &Client, limit: u32) -> (Vec<String>, Vec<usize>) {
    let (mut ids, mut sizes, mut after) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = read(client, &format!("/objects?limit={limit}{after}")).await;
        let found = each(&page["objects"], "id");
        sizes.push(found.len());
        ids.extend(found);
        assert!(sizes.len() <= 1007, "the pages do not end");
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", next.replace('+', "%2B")),
            None => return (ids, sizes),
        }
    }
}

/// Their keys hold a `+`, which means a space in a query if it is sent as it is.
#[tokio::test]
async fn more_objects_than_a_page_holds_are_listed_completely() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    let created: Vec<u16> = stream::iter(0..1005)
        .map(|number| async move {
            let body = json!({ "key": format!("many+{number:04}") }).to_string();
            client.send("POST", "/objects", &body).await.status
        })
        .buffer_unordered(32)
        .collect()
        .await;
    assert_eq!(created, [201; 1005]);
    let many = (0..1005).map(|number| format!("UvmObjects/many+{number:04}"));
    let roots = ["UvmObjects/nil", "UvmObjects/system"].map(str::to_owned);
    let all: Vec<String> = many.chain(roots).collect();

    for (limit, sizes) in [(1000, vec![1000, 7]), (500, vec![500, 500, 7]), (53, vec![53; 19])] {
        assert_eq!(paged(client, limit).await, (all.clone(), sizes), "limit={limit}");
    }
    let usual = read(client, "/objects").await;
    assert_eq!((each(&usual["objects"], "id"), &usual["next"]), (all[..100].to_vec(), &json!(all[99])));
    for after in ["many%2B1003", "UvmObjects/many%2B1003", "UvmObjects%2Fmany%2B1003"] {
        let rest = read(client, &format!("/objects?after={after}")).await;
        assert_eq!((each(&rest["objects"], "id"), &rest["next"]), (all[1004..].to_vec(), &Value::Null));
    }
    for limit in [0, 1001] {
        let answer = client.get(&format!("/objects?limit={limit}")).await;
        is_problem(&answer, 400, "Malformed", "The parameter 'limit' must be between 1 and 1000.");
    }

    let listed = server.cli().run(&["object", "list"]);
    assert_eq!(listed.code, Some(0), "{}", listed.stderr);
    assert_eq!(listed.stdout.lines().collect::<Vec<_>>(), all);
    let listed = server.cli().run(&["object", "list", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).expect("JSON");
    assert_eq!(each(&listed["objects"], "id"), all);
}

#[tokio::test]
async fn prototypes_are_replaced_whole() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    for key in ["a", "b"] {
        done(client, "POST", "/objects", &json!({ "key": key, "attributes": { "from": key } }), 201).await;
    }
    let linked =
        done(client, "PUT", "/objects/a/prototypes", &json!({ "prototypes": ["b", "UvmObjects/nil"] }), 200)
            .await;
    assert_eq!(linked.json()["prototypes"], json!(["UvmObjects/b", "UvmObjects/nil"]));
    assert_eq!(linked.json(), read(client, "/objects/a").await);
    // A circle ends.
    let circle = server.cli().run(&["object", "link", "b", "a"]);
    assert_eq!(circle.code, Some(0), "{}", circle.stderr);
    install(client, "a", "name", "return self.attributes['from']").await;
    assert_eq!(client.message(&to("b", "name").to_string()).await.result.get(), r#""b""#);
    let etag = linked.etag.expect("a revision");
    let stale = client
        .request(
            "PUT",
            "/objects/a/prototypes",
            &[JSON, ("if-match", &etag)],
            br#"{"prototypes":[]}"#.to_vec(),
        )
        .await;
    is_problem(
        &stale,
        412,
        "RevisionConflict",
        "object 'UvmObjects/a' was changed by another message in the meantime",
    );
    let unknown = client.send("PUT", "/objects/a/prototypes", r#"{"prototypes":["none"]}"#).await;
    is_problem(&unknown, 404, "ObjectNotFound", "object 'UvmObjects/none' does not exist");
    let many = json!({ "prototypes": vec!["b"; 101] }).to_string();
    let many = client.send("PUT", "/objects/a/prototypes", &many).await;
    let text = "object 'UvmObjects/a' would have 101 prototypes; at most 100 are allowed";
    is_problem(&many, 400, "Malformed", text);
    let none = server.cli().run(&["object", "link", "a"]);
    assert!(none.stdout.contains("prototypes: none\n"), "{}", none.stdout);
}
