//! What objects may use within an hour, and quotas from what methods used.

use aura_tests::{Reply, ScriptedMind, Server};
use serde_json::{Value, json};

use crate::api::{JSON, NOWHERE, child, done, install, is_problem, read, to};

/// The record of a message, once it has ended.
async fn sent(server: &Server, message: &Value) -> Value {
    let headers = [JSON, ("prefer", "wait=60")];
    let answer = server.client().request("POST", "/message", &headers, message.to_string().into()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn count() -> &'static str {
    "self.n = getattr(self, 'n', 0) + 1\nreturn self.n"
}

#[tokio::test]
async fn an_object_uses_no_more_than_its_budget() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    child(client, "one").await;
    child(client, "two").await;
    install(client, "system", "count", count()).await;
    install(client, "system", "spin", "while True:\n    pass").await;
    let ask = "try:\n    return self.send('one', 'count')\nexcept SendError as error:\n    return [error.kind, str(error)]";
    install(client, "system", "ask", ask).await;

    let unlimited = read(client, "/objects/one/budget").await;
    assert_eq!((&unlimited["fuel_per_hour"], &unlimited["in_force"]), (&Value::Null, &Value::Null));
    let first = sent(&server, &to("one", "count")).await["fuel_used"].as_u64().unwrap();
    assert_eq!(read(client, "/objects/one/budget").await["used"], 0, "nothing is counted without a budget");

    // Enough for two runs and a half.
    let budget = first * 5 / 2;
    let rev = read(client, "/objects/one").await["rev"].clone();
    let set = done(client, "PUT", "/objects/one/budget", &json!({ "fuel_per_hour": budget }), 200).await;
    assert_eq!(set.json()["in_force"], budget);
    assert_eq!(read(client, "/objects/one").await["rev"], rev);
    let second = sent(&server, &to("one", "count")).await;
    assert_eq!((&second["result"], &second["fuel_limit"]), (&json!(2), &json!(budget)));
    // As a receiver of what another object sends it pays for itself, and for itself alone.
    let before = read(client, "/objects/one/budget").await["used"].as_u64().unwrap();
    assert_eq!(before, second["fuel_used"].as_u64().unwrap());
    let third = sent(&server, &to("two", "ask")).await;
    assert_eq!(third["result"], 3);
    let used = read(client, "/objects/one/budget").await["used"].as_u64().unwrap();
    assert!(used > before && used - before < third["fuel_used"].as_u64().unwrap(), "{before} {used}");

    // What is left is all that a run gets, and it is gone with it.
    let fourth = sent(&server, &to("one", "count")).await;
    assert_eq!((&fourth["status"], &fourth["fuel_limit"]), (&json!("failed"), &json!(budget - used)));
    assert_eq!(fourth["error"]["kind"], "FuelExhausted");
    let told = format!(
        "the method used up its {} fuel, all that was left of its object's budget for this hour",
        budget - used
    );
    assert_eq!(fourth["error"]["message"], told);
    assert_eq!(read(client, "/objects/one/budget").await["used"], budget);
    let is_told = |text: &str| {
        let told =
            format!("'UvmObjects/one' has used up its {budget} fuel of this hour; it has more in 60 min");
        assert_eq!(text, told);
    };
    let refused = sent(&server, &to("one", "count")).await;
    assert_eq!((&refused["error"]["kind"], &refused["fuel_used"]), (&json!("FuelExhausted"), &json!(0)));
    is_told(refused["error"]["message"].as_str().unwrap());
    let caught = sent(&server, &to("two", "ask")).await;
    assert_eq!(caught["result"][0], "FuelExhausted");
    is_told(caught["result"][1].as_str().unwrap());
    assert_eq!(read(client, "/objects/one").await["attributes"]["n"], 3);
    assert_eq!(sent(&server, &to("two", "count")).await["result"], 1);

    // It holds after a restart, and ends when it is taken away.
    let server = server.kill().restart();
    let again = sent(&server, &to("one", "count")).await;
    is_told(again["error"]["message"].as_str().unwrap());
    let shown = server.cli().run(&["object", "budget", "one"]);
    assert!(shown.stdout.starts_with("UvmObjects/one has "), "{}", shown.stdout);
    let none = server.cli().run(&["object", "budget", "one", "none"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), "UvmObjects/one has no budget.\n"));
    assert_eq!(sent(&server, &to("one", "count")).await["result"], 4);
    let all = server.cli().run(&["replay", "--all"]);
    assert_eq!(all.code, Some(0), "{}", all.stdout);
}

#[tokio::test]
async fn a_loop_of_messages_is_stopped_by_the_servers_budget() {
    let server = Server::start_with(&[NOWHERE, ("AURA_FUEL_PER_HOUR", "3000000")]);
    let client = server.client();
    child(client, "one").await;
    install(client, "system", "count", count()).await;
    let mut answered = 0;
    let last = loop {
        let record = sent(&server, &to("one", "count")).await;
        if record["status"] == "failed" {
            break record;
        }
        answered += 1;
        assert_eq!(record["result"], answered);
        assert!(answered < 100, "nothing stops it");
    };
    assert_eq!(last["error"]["kind"], "FuelExhausted");
    assert_eq!(read(client, "/objects/one/budget").await["used"], 3_000_000);
    assert_eq!(read(client, "/objects/one").await["attributes"]["n"], answered);
}

#[tokio::test]
async fn a_budget_that_cannot_be_is_refused() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    for fuel in ["0", "1000000000000001"] {
        let body = format!("{{\"fuel_per_hour\": {fuel}}}");
        let text = "The budget is not valid: fuel_per_hour must be between 1 and 1000000000000000.";
        is_problem(&client.send("PUT", "/objects/system/budget", &body).await, 422, "Malformed", text);
        let done = server.cli().run(&["object", "budget", "system", fuel]);
        assert_eq!(done.code, Some(2));
    }
    let negative = client.send("PUT", "/objects/system/budget", "{\"fuel_per_hour\": -1}").await;
    assert_eq!((negative.status, &negative.json()["kind"]), (422, &json!("Malformed")));
    let unknown = client.send("PUT", "/objects/none/budget", "{\"fuel_per_hour\": 1}").await;
    is_problem(&unknown, 404, "ObjectNotFound", "object 'UvmObjects/none' does not exist");
    assert_eq!(client.get("/objects/none/budget").await.status, 404);
    assert_eq!(read(client, "/objects/system/budget").await["fuel_per_hour"], Value::Null);
}

#[tokio::test]
async fn a_quota_is_suggested_from_what_runs_used() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    install(client, "system", "work", "return 'an earlier version'").await;
    sent(&server, &to("system", "work")).await;
    let work = "total = 0\nfor n in range(args[0]):\n    total += n\nprint('x' * args[0])\nreturn total";
    install(client, "system", "work", work).await;
    let path = "/objects/system/methods/work/quota/suggestion";
    let text = "no run of version 2 has returned yet; send it some messages first";
    is_problem(&client.get(path).await, 404, "ObjectNotFound", text);

    let mut most = 0;
    for n in 1..=20 {
        let mut message = to("system", "work");
        message["args"] = json!([n * 10]);
        most = sent(&server, &message).await["fuel_used"].as_u64().unwrap();
    }
    let failed = sent(&server, &to("system", "work")).await;
    assert_eq!(failed["status"], "failed");
    let found = read(client, path).await;
    assert_eq!((&found["version"], &found["runs"]), (&json!(2), &json!(20)));
    assert_eq!((&found["fuel"]["most"], &found["fuel"]["p99"]), (&json!(most), &json!(most)));
    let suggested = found["fuel"]["suggested"].as_u64().unwrap();
    assert!(suggested >= most * 3 / 2 && suggested < most * 2, "{suggested} for {most}");
    assert_eq!(found["output_bytes"]["suggested"], 310, "201 bytes and half as many again");
    let bins = found["output_bytes"]["histogram"].as_array().unwrap();
    assert_eq!(bins.iter().map(|bin| bin["runs"].as_u64().unwrap()).sum::<u64>(), 20);

    let shown = server.cli().run(&["method", "quota", "suggest", "system", "work"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let lines: Vec<_> = shown.stdout.lines().collect();
    assert_eq!(lines[0], "work of UvmObjects/system, version 2: 20 runs returned");
    let output = lines.iter().position(|line| *line == "output_bytes: suggested 310").expect(&shown.stdout);
    assert_eq!(
        lines[output + 1..output + 12],
        [
            "  to  30 ████████████████████████████████████████ 2",
            "  to  50 ████████████████████████████████████████ 2",
            "  to  70 ████████████████████████████████████████ 2",
            "  to  90 ████████████████████████████████████████ 2",
            "  to 110 ████████████████████████████████████████ 2",
            "  to 130 ████████████████████████████████████████ 2",
            "  to 150 ████████████████████████████████████████ 2",
            "  to 170 ████████████████████████████████████████ 2",
            "  to 190 ████████████████████████████████████████ 2",
            "  to 201 ████████████████████████████████████████ 2",
            "  median 101, 99 of 100 at most 201, all at most 201",
        ]
    );
    let applied = server.cli().run(&["method", "quota", "suggest", "system", "work", "--apply"]);
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    let quota = read(client, "/objects/system/methods/work").await["quota"].clone();
    assert_eq!((&quota["fuel"], &quota["output_bytes"]), (&json!(suggested), &json!(310)));
    let mut message = to("system", "work");
    message["args"] = json!([200]);
    assert_eq!(sent(&server, &message).await["fuel_limit"], suggested);
}

/// What a message used is charged whatever becomes of the message.
#[tokio::test]
async fn nothing_gets_round_a_budget() {
    let mind = ScriptedMind::start().await;
    mind.by_method(|method| {
        Some(Reply::code(match method {
            "first" | "second" => "return 1",
            "wasteful" => "total = 0\nfor n in range(100000):\n    total += n\nreturn total",
            _ => return None,
        }))
    });
    let server = Server::start(&mind);
    let client = server.client();
    let used = async |object: &str| {
        let budget = read(client, &format!("/objects/{object}/budget")).await;
        budget["used"].as_u64().unwrap()
    };
    let budget = async |object: &str, fuel: u64| {
        child(client, object).await;
        let path = format!("/objects/{object}/budget");
        done(client, "PUT", &path, &json!({ "fuel_per_hour": fuel }), 200).await;
    };

    // More attributes than an object may have: the commit is refused.
    budget("one", 1_000_000_000_000).await;
    install(client, "one", "swell", "self.text = 'x' * (17 << 20)").await;
    let refused = sent(&server, &to("one", "swell")).await;
    assert_eq!(refused["error"]["kind"], "MemoryLimit", "{refused}");
    assert_eq!(read(client, "/objects/one").await["attributes"], json!({}));
    assert!(used("one").await >= refused["fuel_used"].as_u64().unwrap(), "{refused}");

    // Each attempt burns what comes before the message that is not understood yet.
    budget("two", 1_000_000_000_000).await;
    install(client, "two", "work", "for n in range(20000):\n    pass\nreturn self.first() + self.second()")
        .await;
    let learnt = sent(&server, &to("two", "work")).await;
    assert_eq!((&learnt["result"], &learnt["attempts"]), (&json!(2), &json!(2)), "{learnt}");
    let before = used("two").await;
    let again = sent(&server, &to("two", "work")).await["fuel_used"].as_u64().unwrap();
    assert!(before > 2 * again, "three attempts used {before}, where one uses {again}");

    // Nothing is learnt for an object that could not run it, and no body is blamed for the rest of a budget.
    budget("three", 600_000).await;
    let asked = mind.requests().len();
    let cut = sent(&server, &to("three", "wasteful")).await;
    assert_eq!((&cut["error"]["kind"], &cut["attempts"]), (&json!("FuelExhausted"), &json!(1)), "{cut}");
    assert_eq!(used("three").await, 600_000);
    let none = sent(&server, &to("three", "wasteful")).await;
    assert_eq!((&none["error"]["kind"], &none["attempts"]), (&json!("FuelExhausted"), &json!(0)), "{none}");
    assert_eq!(mind.requests().len(), asked + 1);
    assert_eq!(read(client, "/objects/three").await["methods"], json!([]));
    // The run that was cut short was recorded, and goes the same way again.
    let all = server.cli().run(&["replay", "--all"]);
    assert_eq!(all.code, Some(0), "{}", all.stdout);
}

/// The audits of what the mind wrote for an object are charged to it, those that refused a body too.
#[tokio::test]
async fn audits_are_charged_to_who_learns() {
    let mind = ScriptedMind::start().await;
    mind.answers(vec![Reply::code("import os\nreturn 1"), Reply::code("return 1")]);
    let server = Server::start(&mind);
    let client = server.client();
    child(client, "one").await;
    done(client, "PUT", "/objects/one/budget", &json!({ "fuel_per_hour": 1_000_000_000 }), 200).await;
    let audit = async |source: &str| {
        let answer = done(client, "POST", "/audit", &json!({ "source": source }), 200).await.json();
        answer["fuel_used"].as_u64().unwrap()
    };
    let audits = audit("import os\nreturn 1").await + audit("return 1").await;
    let learnt = sent(&server, &to("one", "answer")).await;
    assert_eq!((&learnt["result"], &learnt["attempts"]), (&json!(1), &json!(2)), "{learnt}");
    let used = read(client, "/objects/one/budget").await["used"].as_u64().unwrap();
    assert_eq!(used, learnt["fuel_used"].as_u64().unwrap() + audits);
}
