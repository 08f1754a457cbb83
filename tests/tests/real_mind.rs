//! First contact with a real small model: skipped unless `AURA_TEST_MIND_URL` and `AURA_TEST_MIND_MODEL` name one.
//!
//! Asserts what must hold whatever the model writes.

use std::env;

use aura_tests::{Client, Record, Server};

async fn send(client: &Client, method: &str, args: &str) -> Record {
    let body = format!(r#"{{"target_object_id":"system","method_name":"{method}","args":{args}}}"#);
    client.message(&body).await
}

#[tokio::test]
async fn an_object_learns_from_a_real_model() {
    let (Ok(url), Ok(model)) = (env::var("AURA_TEST_MIND_URL"), env::var("AURA_TEST_MIND_MODEL")) else {
        println!("skipped: AURA_TEST_MIND_URL and AURA_TEST_MIND_MODEL do not name a model");
        return;
    };
    let settings = [("AURA_MIND", "openai"), ("OPENAI_BASE_URL", &url), ("AURA_MIND_MODEL", &model)];
    let server = Server::start_with(&settings);
    let client = server.client();

    let taught = send(client, "teach_yourself_to_greet", "[]").await;
    assert_eq!(taught.status, "completed", "{taught:#?}");
    assert!(taught.generated && taught.attempts >= 1, "{taught:#?}");
    let methods = client.get("/objects/system").await.json()["methods"].clone();
    assert_eq!(methods, serde_json::json!(["greet"]));

    let greeted = send(client, "greet", "[]").await;
    assert_eq!(greeted.status, "completed", "{greeted:#?}");
    assert_eq!((greeted.generated, greeted.attempts), (false, 0), "the second time the mind is not asked");

    let added = send(client, "add", "[2, 3]").await;
    assert_eq!((added.status.as_str(), added.result.get()), ("completed", "5"), "{added:#?}");
    let again = send(client, "add", "[20, 3]").await;
    assert_eq!((again.result.get(), again.generated), ("23", false), "{again:#?}");
}
