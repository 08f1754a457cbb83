//! Recorded runs made again: the same, different, or not to be replayed.

mod fixtures;
mod golden;
mod methods;
mod regression;

use aura_tests::{Client, Instance, Server};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::api::{JSON, NOWHERE, child, done, is_problem, read, to};
use methods::METHODS;

/// The records of all runs, oldest first.
async fn runs(client: &Client) -> Vec<Value> {
    let mut runs = read(client, "/invocations?limit=1000").await["invocations"].as_array().unwrap().clone();
    runs.reverse();
    runs
}

/// A server whose history holds a run of each of [`METHODS`] and of what they send.
async fn lived_in() -> Server {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    child(client, "one").await;
    let attributes = json!({ "n": 1, "long": "x".repeat(1_000) });
    done(
        client,
        "POST",
        "/objects",
        &json!({ "key": "two", "prototypes": ["one"], "attributes": attributes }),
        201,
    )
    .await;
    for (name, source, quota) in METHODS {
        let mut body = json!({ "source": source });
        if let Some(quota) = quota {
            body["quota"] = serde_json::from_str(quota).unwrap();
        }
        done(client, "PUT", &format!("/objects/system/methods/{name}"), &body, 201).await;
    }
    for (name, ..) in METHODS {
        for target in ["one", "two"] {
            let mut message = to(target, name);
            message["args"] = json!([3, 1.5e300, "ä\u{1f980}"]);
            let sent = client
                .request("POST", "/message", &[JSON, ("prefer", "wait=60")], message.to_string().into())
                .await;
            assert_eq!(sent.status, 200, "{}", sent.text);
        }
    }
    server
}

fn verdict(found: &Value) -> &str {
    found["verdict"].as_str().unwrap()
}

#[tokio::test]
async fn every_run_can_be_made_again() {
    let server = lived_in().await;
    let client = server.client();
    let runs = runs(client).await;
    assert!(runs.len() > 2 * METHODS.len());
    for run in &runs {
        let id = run["invocation_id"].as_str().unwrap();
        let answer = client.send("POST", &format!("/invocations/{id}/replay"), "").await;
        let found: Value = serde_json::from_str(&answer.text).unwrap();
        // A run that only waited for one that the clock stopped went the way it always goes.
        let expected = match run["method_name"].as_str() {
            Some("late") => json!({
                "verdict": "not_replayable", "reason": "wall_clock",
                "message": "the wall clock stopped it, and that depends on the machine's load",
            }),
            _ => json!({ "verdict": "identical" }),
        };
        assert_eq!(found, expected, "{run:#}");
        assert_eq!(answer.status, if verdict(&found) == "identical" { 200 } else { 409 });
    }

    // Beside the server, and without one: from the image, by another process.
    let timed_out = runs.iter().filter(|run| run["method_name"] == "late").count();
    assert_eq!(timed_out, 4);
    let summary = |stdout: &str| {
        let expected = format!(
            "{} runs: {} identical, {timed_out} not replayable (wall clock). ",
            runs.len(),
            runs.len() - timed_out
        );
        assert!(stdout.starts_with(&expected), "{stdout}");
    };
    let all = server.cli().run(&["replay", "--all"]);
    assert_eq!((all.code, all.stderr.as_str()), (Some(0), ""), "{}", all.stdout);
    summary(&all.stdout);
    let id = runs[0]["invocation_id"].as_str().unwrap();
    let asked = server.cli().run(&["replay", id]);
    assert_eq!((asked.code, asked.stdout), (Some(0), format!("identical: {id}\n")));

    let stopped = server.kill();
    let cli = stopped.cli();
    summary(&cli.run(&["replay", "--all", "--since", "1h"]).stdout);
    assert!(
        cli.run(&["replay", "--all", "--since", "2999-01-01"]).stdout.starts_with("0 runs: 0 identical. ")
    );
    let alone = cli.run(&["replay", id]);
    assert_eq!((alone.code, alone.stdout), (Some(0), format!("identical: {id}\n")));
    let wanted = runs.iter().find(|run| run["method_name"] == "late").unwrap();
    let wanted = wanted["invocation_id"].as_str().unwrap();
    let no = cli.run(&["replay", wanted, "--json"]);
    assert_eq!(no.code, Some(1));
    assert_eq!(serde_json::from_str::<Value>(&no.stdout).unwrap()["reason"], "wall_clock");
}

/// What was written into the image behind the system's back is noticed, and told.
#[tokio::test]
async fn what_differs_is_told() {
    let server = lived_in().await;
    let client = server.client();
    let runs = runs(client).await;
    let find = |name: &str| {
        let run =
            runs.iter().find(|run| run["method_name"] == name && run["outcome"]["returned"].is_object());
        run.unwrap().clone()
    };
    let id = |run: &Value| run["invocation_id"].as_str().unwrap().to_owned();
    let replayed = async |run: &Value| {
        let answer = client.send("POST", &format!("/invocations/{}/replay", id(run)), "").await;
        assert_eq!(answer.status, 409, "{}", answer.text);
        serde_json::from_str::<Value>(&answer.text).unwrap()
    };
    let image = server.cli().folder().join("data/image.sqlite");
    let rewrite = |run: &Value| {
        let sql = "UPDATE Invocations SET record = ?2 WHERE id = unhex(replace(?1, '-', ''))";
        assert_eq!(Connection::open(&image).unwrap().execute(sql, (id(run), run.to_string())).unwrap(), 1);
    };
    let (mut asked, mut counted, mut unkept) = (find("ask"), find("count"), find("describe"));

    let fuel = counted["fuel_used"].as_u64().unwrap();
    counted["fuel_used"] = json!(fuel + 1);
    counted["outcome"]["returned"]["result"] = json!(70);
    counted["outcome"]["returned"]["attributes_after"] = json!({ "value": { "n": 70 } });
    rewrite(&counted);
    assert_eq!(
        replayed(&counted).await,
        json!({ "verdict": "diverged", "differences": [
            { "what": "result", "recorded": "70", "replayed": "1" },
            { "what": "attributes", "recorded": r#"{"n":70}"#, "replayed": r#"{"n":1}"# },
            { "what": "fuel_used", "recorded": (fuel + 1).to_string(), "replayed": fuel.to_string() },
        ] })
    );
    let told = server.cli().run(&["replay", &id(&counted)]);
    let thousands = |number: u64| {
        let digits: Vec<_> = number.to_string().into_bytes().rchunks(3).rev().map(<[u8]>::to_vec).collect();
        String::from_utf8(digits.join(&b','))
    };
    let (then, now) = (thousands(fuel + 1).unwrap(), thousands(fuel).unwrap());
    assert_eq!(
        (told.code, told.stdout),
        (
            Some(1),
            format!(
                "diverged: {}\n    result: recorded 70, now 1\n    attributes: recorded {{\"n\":70}}, now {{\"n\":1}}\n    \
                 fuel_used: recorded {then}, now {now}\n",
                id(&counted)
            )
        )
    );

    asked["sends"][0]["args"] = json!({ "value": [1] });
    rewrite(&asked);
    let found = replayed(&asked).await;
    assert_eq!(found["differences"][0]["what"], "send 1 args", "{found}");
    assert_eq!(found["differences"].as_array().unwrap().len(), 1, "{found}");

    unkept.as_object_mut().unwrap().remove("inherited");
    rewrite(&unkept);
    assert_eq!(
        replayed(&unkept).await["message"],
        "its record is not complete: it was made before runs could be replayed"
    );
    let fixture = client.get(&format!("/invocations/{}/fixture", id(&unkept))).await;
    let text = "The invocation cannot be exported: its record is not complete: it was made before runs could be replayed.";
    is_problem(&fixture, 409, "Malformed", text);

    let all = server.cli().run(&["replay", "--all"]);
    assert_eq!(all.code, Some(1), "{}", all.stdout);
    assert!(all.stdout.contains("2 diverged, 1 not replayable (incomplete), "), "{}", all.stdout);
    let unknown = "/invocations/0196d8f0-0000-7000-8000-000000000001/replay";
    let text = "There is no invocation '0196d8f0-0000-7000-8000-000000000001'.";
    is_problem(&client.send("POST", unknown, "").await, 404, "ObjectNotFound", text);
}

#[tokio::test]
async fn runs_are_listed_by_their_method() {
    let server = lived_in().await;
    let client = server.client();
    let runs = runs(client).await;
    let counts = read(client, "/invocations?source=system&method=count&limit=3").await;
    assert_eq!(counts["invocations"].as_array().unwrap().len(), 3);
    let next = counts["next"].as_str().unwrap();
    let rest = read(client, &format!("/invocations?source=system&method=count&after={next}")).await;
    let all = runs.iter().filter(|run| run["method_name"] == "count").count();
    assert_eq!(rest["invocations"].as_array().unwrap().len(), all - 3);
    let half = client.get("/invocations?method=count").await;
    is_problem(&half, 400, "Malformed", "The parameters 'source' and 'method' go together.");
    let since = runs.last().unwrap()["time"].as_i64().unwrap() + 3_600_000;
    assert_eq!(read(client, &format!("/invocations?since={since}")).await["invocations"], json!([]));
}

#[test]
fn wrong_usage_is_told() {
    let nowhere = Instance::new(&[NOWHERE, ("AURA_URL", "http://127.0.0.1:1")]);
    let id = "0196d8f0-0000-7000-8000-000000000001";
    let alone = nowhere.run(&["replay", id]);
    assert_eq!(alone.code, Some(3));
    assert!(
        alone.stderr.starts_with("error: AURA does not answer at http://127.0.0.1:1. "),
        "{}",
        alone.stderr
    );
    for (args, text) in [
        (&["replay"][..], "required arguments were not provided"),
        (&["replay", "x"], "'x' is not an id of this kind"),
        (&["replay", id, "--all"], "cannot be used with"),
        (&["replay", "--all", "--since", "yesterday"], "use 90m, 2h, 7d or a date"),
        (&["replay", "--since", "2h"], "required arguments were not provided"),
        (&["replay", id, "--since", "2h"], "cannot be used with"),
    ] {
        let done = nowhere.run(args);
        assert_eq!(done.code, Some(2), "{args:?}");
        assert!(done.stderr.contains(text), "{args:?}: {}", done.stderr);
    }
    let none = nowhere.run(&["replay", "--all"]);
    assert_eq!(none.code, Some(1));
    assert!(none.stderr.contains("There is no image "), "{}", none.stderr);
}
