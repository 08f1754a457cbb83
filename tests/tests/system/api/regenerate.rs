//! A better body from the mind: installed if recorded runs come out as they did, else proposed.

use aura_tests::{Answer, Client, Reply, ScriptedMind, Server};
use serde_json::{Value, json};

use super::{install, is_problem, read, to};

const PATH: &str = "/objects/system/methods/double";

/// `double`, which two messages were answered with, and a mind that may be asked twice.
async fn stage(answers: &[&str]) -> (ScriptedMind, Server) {
    let mind = ScriptedMind::start().await;
    mind.answers(answers.iter().map(|code| Reply::code(code)).collect());
    let server = Server::start_with(&[("OLLAMA_HOST", &mind.url()), ("AURA_MIND_ATTEMPTS", "2")]);
    let client = server.client();
    install(client, "system", "double", "return args[0] + args[0]").await;
    for number in [2, 5] {
        let mut message = to("system", "double");
        message["args"] = json!([number]);
        assert_eq!(client.message(&message.to_string()).await.result.get(), (2 * number).to_string());
    }
    (mind, server)
}

async fn regenerate(client: &Client, body: &Value) -> Answer {
    client.send("POST", &format!("{PATH}/regenerate"), &body.to_string()).await
}

const DIFFERENT: &str = "2 of 2 recorded runs came out differently: with args [5] and kwargs {}, result was 10 and is 15; with \
                         args [2] and kwargs {}, result was 4 and is 6";

#[tokio::test]
async fn a_body_that_gives_the_same_results_is_installed() {
    let (mind, server) = stage(&["return args[0] + args[0]\n", "return 2 * args[0]"]).await;
    let answer = regenerate(server.client(), &json!({ "wish": "shorter." })).await;
    assert_eq!((answer.status, answer.location.as_deref()), (201, Some(PATH)), "{}", answer.text);
    let method = answer.json();
    assert_eq!((&method["version"], &method["source"]), (&json!(2), &json!("return 2 * args[0]")));
    let provenance = &method["provenance"];
    assert_eq!(
        (&provenance["author"], &provenance["mandate"]),
        (&json!("mind"), &json!("implement method 'double' anew: shorter"))
    );
    assert_eq!(
        provenance["regression"],
        json!({ "compared": 2, "skipped": 0, "different": 0, "divergences": [] })
    );
    let failed = &provenance["failed_attempts"][0]["fault"];
    assert_eq!(
        failed,
        &json!({ "kind": "ValidationFailed", "message": "this is the same body as version 1" })
    );
    assert_eq!(read(server.client(), PATH).await, method);
    let [first, second] = <[_; 2]>::try_from(mind.requests()).expect("two questions");
    assert_eq!(
        first.mandate(),
        "Mandate: implement method 'double' anew: shorter.\nObject: UvmObjects/system\nArguments: args[0] (int)\n\
         Attributes: none\nMethods: double\nRecorded call: args [5], kwargs {}, result 10\n\
         Recorded call: args [2], kwargs {}, result 4\nThe body now:\nreturn args[0] + args[0]\n\
         Write a better body of def double(self, *args, **kwargs). It must give the same result for every call, but \
         where the mandate asks for another."
    );
    assert!(second.mandate().contains("That could not be used: this is the same body as version 1"));
}

#[tokio::test]
async fn a_body_that_gives_other_results_is_proposed_and_can_be_accepted() {
    let (mind, server) = stage(&["return 3 * args[0]", "return 3 * args[0] # tripled"]).await;
    let (client, cli) = (server.client(), server.cli());
    let before = read(client, PATH).await;
    let refused = regenerate(client, &json!({})).await;
    is_problem(&refused, 409, "ValidationFailed", DIFFERENT);
    assert_eq!(read(client, PATH).await, before);
    assert!(mind.requests()[1].mandate().contains(&format!("That could not be used: {DIFFERENT}")));
    let problem = refused.json();
    assert_eq!(problem["attempts"].as_array().map(Vec::len), Some(2));
    let proposal = &problem["proposal"];
    assert_eq!(proposal["source"], "return 3 * args[0]");
    let (regression, digest) = (&proposal["regression"], proposal["digest"].as_str().expect("a digest"));
    assert_eq!((&regression["compared"], &regression["different"]), (&json!(2), &json!(2)));
    let newest = &regression["divergences"][0];
    assert_eq!(newest["differences"], json!([{ "what": "result", "recorded": "10", "replayed": "15" }]));

    let both = regenerate(client, &json!({ "wish": "x", "accept": digest })).await;
    is_problem(&both, 422, "Malformed", "Send a wish or what you accept, not both.");
    let done = cli.run(&["method", "regenerate", "system", "double", "--accept", digest]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let diff = "--- double version 1, installed by hand\n\
                +++ double version 2, written by ALFRED (qwen2:7b-instruct-q4_K_M)\n@@ -1 +1 @@\n\
                -return args[0] + args[0]\n+return 3 * args[0]\n2 of 2 recorded runs came out differently.\n";
    assert!(done.stdout.starts_with(diff), "{done:?}");
    let now = read(client, PATH).await;
    assert_eq!((&now["version"], &now["provenance"]["author"]), (&json!(2), &json!("mind")));
    assert_eq!(&now["provenance"]["regression"], regression);
    let again = regenerate(client, &json!({ "accept": digest })).await;
    is_problem(&again, 404, "MethodNotFound", "no such proposal; ask again");
}

#[tokio::test]
async fn the_command_line_shows_what_differs_and_how_to_accept_it() {
    let (_mind, server) =
        stage(&["print(args[0])\nreturn 3 * args[0]", "import os", "return 4 * args[0]", "import os"]).await;
    let cli = server.cli();
    let proposed = cli.run(&["method", "regenerate", "system", "double", "--wish", "more"]);
    assert_eq!(proposed.code, Some(1), "{proposed:?}");
    let diff = "--- double version 1, installed by hand\n+++ double as proposed\n@@ -1 +1,2 @@\n\
                -return args[0] + args[0]\n+print(args[0])\n+return 3 * args[0]\n2 of 2 recorded runs came out differently.\n";
    assert!(proposed.stdout.starts_with(diff), "{proposed:?}");
    let difference = " with [5] {}\n    result was 10 and is 15\n    output was nothing and is 5\\n\n";
    assert!(proposed.stdout.contains(difference), "{proposed:?}");
    let (_, digest) = proposed.stderr.trim_end().split_once("--accept ").expect("a digest");
    let told = format!(
        "Not installed. To install it all the same: aura method regenerate UvmObjects/system double --accept {digest}\n"
    );
    assert_eq!(proposed.stderr, told);
    let forced = cli.run(&["method", "regenerate", "system", "double", "--yes"]);
    assert_eq!(forced.code, Some(0), "{forced:?}");
    assert!(forced.stdout.contains("\nUvmObjects/system double version 2, written by ALFRED"), "{forced:?}");
    let now = read(server.client(), PATH).await;
    assert_eq!((&now["version"], &now["source"]), (&json!(2), &json!("return 4 * args[0]")));
}

#[tokio::test]
async fn a_proposal_is_for_the_version_it_was_compared_with() {
    let (mind, server) = stage(&["return 3 * args[0]", "return 3 * args[0]"]).await;
    let client = server.client();
    let digest = regenerate(client, &json!({})).await.json()["proposal"]["digest"].clone();
    install(client, "system", "double", "return args[0] * 2").await;
    let late = regenerate(client, &json!({ "accept": digest })).await;
    let text = "method 'double' of 'UvmObjects/system' is at version 2 by now, and the new body was compared with \
                version 1; ask again";
    is_problem(&late, 409, "RevisionConflict", text);
    assert_eq!(read(client, PATH).await["version"], 2);
    let unknown = regenerate(client, &json!({ "accept": "0".repeat(64) })).await;
    is_problem(&unknown, 404, "MethodNotFound", "no such proposal; ask again");
    assert_eq!(mind.requests().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_used_changes_nothing() {
    let (mind, server) = stage(&["import os", "return eval('4')"]).await;
    let client = server.client();
    let refused = regenerate(client, &json!({})).await;
    is_problem(&refused, 422, "AuditRejected", "Disallowed function call to 'eval' at line 1.");
    let problem = refused.json();
    assert_eq!((problem["attempts"].as_array().map(Vec::len), &problem["proposal"]), (Some(2), &Value::Null));
    mind.answers(vec![Reply::code("return args[0] + args[0]"), Reply::code("return args[0] + args[0]")]);
    let same = regenerate(client, &json!({})).await;
    is_problem(&same, 422, "ValidationFailed", "this is the same body as version 1");
    mind.answers(vec![Reply::status(503, "loading")]);
    let away = regenerate(client, &json!({})).await;
    let text =
        format!("Ollama at {} answered HTTP 503 and said: loading: it is busy, try again later", mind.url());
    is_problem(&away, 503, "MindUnavailable", &text);
    let asked = mind.requests().len();
    for (wish, column) in [(" ".to_owned(), 12), ("x".repeat(2_001), 2_012)] {
        let text = format!(
            "The field 'wish' is not valid: a wish has 1 to 2000 characters at line 1 column {column}."
        );
        is_problem(&regenerate(client, &json!({ "wish": wish })).await, 422, "Malformed", &text);
    }
    let unknown = client.send("POST", "/objects/nil/methods/double/regenerate", "{}").await;
    is_problem(&unknown, 404, "MethodNotFound", "object 'UvmObjects/nil' has no method 'double' of its own");
    assert_eq!(mind.requests().len(), asked, "the mind is not asked for these");
    assert_eq!(read(client, PATH).await["version"], 1);
}
