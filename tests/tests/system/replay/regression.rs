//! A method that is replaced by hand: what its recorded runs say of the new body.

use aura_tests::Server;
use serde_json::{Value, json};

use crate::api::{JSON, NOWHERE, child, done, install, read, to};

async fn send(server: &Server, target: &str, method: &str, args: Value) {
    let mut message = to(target, method);
    message["args"] = args;
    let headers = [JSON, ("prefer", "wait=60")];
    let answer = server.client().request("POST", "/message", &headers, message.to_string().into()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn what_a_new_body_would_have_done_is_told() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    child(client, "one").await;
    let install =
        async |source: &str| install(client, "system", "work", source).await.json()["provenance"].clone();
    assert_eq!(install("return args[0] * 2").await, json!({ "author": "hand" }), "nothing to compare with");
    for n in [1, 2, 3] {
        send(&server, "one", "work", json!([n])).await;
    }
    send(&server, "one", "work", json!([])).await;

    // The same in other words, also for what fails: that is not compared.
    let same = install("n = args[0]\nreturn n + n").await;
    assert_eq!(same["regression"], json!({ "compared": 3, "skipped": 1, "different": 0, "divergences": [] }));

    // These runs were recorded with the first version, and the second one does the same with them.
    let other = install("n = args[0]\nif n == 2:\n    print('two')\n    self.n = 2\nreturn n + n").await;
    let regression = &other["regression"];
    assert_eq!(
        (&regression["compared"], &regression["skipped"], &regression["different"]),
        (&json!(3), &json!(1), &json!(1))
    );
    let divergence = &regression["divergences"][0];
    assert_eq!((&divergence["args"], &divergence["kwargs"]), (&json!("[2]"), &json!("{}")));
    assert_eq!(
        divergence["differences"],
        json!([
            { "what": "attributes", "recorded": "unchanged", "replayed": r#"{"n":2}"# },
            { "what": "output", "recorded": "", "replayed": "two\n" },
        ])
    );

    // A message that was not sent then has no answer now.
    let sends = install("return self.other(args[0])").await;
    let differences = &sends["regression"]["divergences"][0]["differences"];
    assert_eq!(
        differences,
        &json!([{ "what": "send 1", "recorded": "not sent", "replayed": "other to UvmObjects/one" }])
    );
    assert_eq!(sends["regression"]["different"], 3);
    let back = done(client, "POST", "/objects/system/methods/work/rollback", &json!({ "version": 2 }), 200)
        .await
        .json();
    assert_eq!(back["provenance"]["restored_version"], 2);
    // The version in force does not return on any of them.
    assert_eq!(back["provenance"]["regression"]["compared"], 0);
    assert_eq!(
        read(client, "/objects/one").await["attributes"],
        json!({}),
        "nothing was changed by comparing"
    );
}

#[tokio::test]
async fn comparing_ends_although_methods_are_slow() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    // As much as a method can be given: an endless body ends by the clock alone.
    let patient =
        json!({ "source": "return 1", "quota": { "fuel": 1_000_000_000_000_u64, "wall_ms": 600_000 } });
    done(client, "PUT", "/objects/system/methods/work", &patient, 201).await;
    for _ in 0..3 {
        send(&server, "system", "work", json!([])).await;
    }
    let endless = install(client, "system", "work", "while True:\n    pass").await.json();
    let regression = &endless["provenance"]["regression"];
    assert_eq!(regression, &json!({ "compared": 0, "skipped": 1, "different": 0, "divergences": [] }));
}
