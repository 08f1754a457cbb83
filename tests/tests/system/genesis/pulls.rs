//! The models of the personas: pulled once, and what is said when they cannot be.

use aura_tests::models::{ALFRED, BABS, BRICK, ROBIN};
use aura_tests::{Instance, ScriptedMind, ScriptedOllama, Server, Trouble};
use serde_json::{Value, json};

use super::{AGAIN, ROOTS, image, is, one_model};
use crate::api::NOWHERE;
use crate::damage::files;

const NO_ADAPTER: &str = "Skipped brick:tamland: AURA_MIND_MODEL is in place of BRICK's model.\n";
const ALL: &str = "(BRICK, ROBIN, BABS, ALFRED)";

#[test]
fn all_that_is_missing_is_pulled_and_the_second_time_nothing() {
    let ollama = ScriptedOllama::start(&[(BRICK, &[100]), (ROBIN, &[100]), (BABS, &[100]), (ALFRED, &[100])]);
    let instance = Instance::new(&[("OLLAMA_HOST", &ollama.url())]);
    ollama.put(BABS, aura_tests::scripted_ollama::Model::default());
    let data = instance.folder().join("data");
    let skipped = format!(
        "Skipped brick:tamland: there is no adapter at {}.\n",
        data.join("adapters/brick_tamland").display()
    );
    let first = instance.run(&["genesis"]);
    let said = format!(
        "{ROOTS}Pulled {BRICK} (BRICK).\nPulled {ROBIN} (ROBIN).\n{BABS} is there (BABS).\nPulled {ALFRED} (ALFRED).\n{skipped}"
    );
    assert_eq!((first.code, first.stdout.as_str()), (Some(0), said.as_str()), "{first:?}");
    let pulls = [format!("pull {BRICK}"), format!("pull {ROBIN}"), format!("pull {ALFRED}")];
    assert_eq!(ollama.changes(), pulls);

    let before = files(&data);
    let second = instance.run(&["genesis"]);
    let said = format!(
        "{}{BRICK} is there (BRICK).\n{ROBIN} is there (ROBIN).\n{BABS} is there (BABS).\n{ALFRED} is there (ALFRED).\n{skipped}",
        image(&instance)
    );
    is(&second, 0, &said, "");
    assert_eq!(ollama.changes(), pulls);
    assert!(before == files(&data), "nothing is written");
}

#[test]
fn the_model_that_writes_methods_can_be_had_alone() {
    let ollama = ScriptedOllama::start(&[(BRICK, &[100]), (ALFRED, &[100])]);
    let instance = Instance::new(&[("OLLAMA_HOST", &ollama.url())]);
    let done = instance.run(&["genesis", "--steward"]);
    let said = format!("{ROOTS}Pulled {ALFRED} (ALFRED).\nSkipped brick:tamland: there is no {BRICK}.\n");
    assert_eq!((done.code, done.stdout), (Some(0), said));
    assert_eq!(ollama.changes(), [format!("pull {ALFRED}")]);
}

/// One line a step and a tenth, on a stderr that is no terminal.
#[test]
fn progress_is_told_in_lines() {
    let (ollama, instance) = one_model();
    let done = instance.run(&["genesis"]);
    let digests: Vec<&str> = done.stderr.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    let (first, second) = (digests[1], digests[6]);
    let progress = format!(
        "{BRICK}: pulling manifest\n{BRICK}: pulling {first} (40.00 MiB)\n{BRICK}: 20 % of 40.00 MiB\n\
         {BRICK}: 50 % of 40.00 MiB\n{BRICK}: 70 % of 40.00 MiB\n{BRICK}: 100 % of 40.00 MiB\n\
         {BRICK}: pulling {second} (500 B)\n{BRICK}: verifying sha256 digest\n{BRICK}: writing manifest\n"
    );
    is(&done, 0, &format!("{ROOTS}Pulled {BRICK} {ALL}.\n{NO_ADAPTER}"), &progress);
    assert_eq!(ollama.fetched(), (40 << 20) + 500);
}

#[test]
fn one_json_object_tells_all() {
    let ollama = ScriptedOllama::start(&[(BRICK, &[100]), (ROBIN, &[100]), (ALFRED, &[100])]);
    let instance = Instance::new(&[("OLLAMA_HOST", &ollama.url())]);
    let done = instance.run(&["genesis", "--json"]);
    let report: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let why = format!("Ollama at {} failed and said: pull model manifest: file does not exist", ollama.url());
    let place = instance.folder().join("data/adapters/brick_tamland");
    let expected = json!({
        "created": ["UvmObjects/nil", "UvmObjects/system"],
        "models": [
            { "personas": ["BRICK"], "model": BRICK, "state": "pulled" },
            { "personas": ["ROBIN"], "model": ROBIN, "state": "pulled" },
            { "personas": ["BABS"], "model": BABS, "state": "failed", "detail": why },
            { "personas": ["ALFRED"], "model": ALFRED, "state": "pulled" },
        ],
        "facets": [{
            "facet": "brick:tamland", "persona": "BRICK", "model": BRICK, "state": "skipped",
            "detail": format!("there is no adapter at {}", place.display()),
        }],
    });
    assert_eq!((done.code, report), (Some(1), expected));
    assert!(done.stderr.contains(&format!("error: Cannot pull {BABS} (BABS): {why}.\n")), "{done:?}");
    assert!(done.stderr.ends_with(AGAIN), "{done:?}");
}

/// What an answer can be, and what is said of it. The next run makes up for it.
#[test]
fn whatever_goes_wrong_is_told_and_the_next_run_completes() {
    let say = |text: &str| Trouble::Say(text.to_owned());
    for (after, trouble, what) in [
        (2, say("{\"error\":\"no space left on device\"}\n"), "failed and said: no space left on device"),
        (2, say("{\"error\":{\"message\":\"x\\u001b[31m\"}}\n"), "failed and said: x [31m"),
        (2, say(""), "broke its answer off: look into its log, then try again"),
        (2, Trouble::Break, "broke its answer off: look into its log, then try again"),
        (2, say("<html>\n"), "answered what is not JSON: <html>"),
        (2, say("{\"status\":"), "broke its answer off: look into its log, then try again"),
        (0, say("[]\nnull\n7\n"), "broke its answer off: look into its log, then try again"),
        (2, say(&format!("{}\n", "9".repeat(1 << 20))), "answered too much"),
        (2, say(&"{\n".repeat(1 << 18)), "answered too much"),
        (
            0,
            Trouble::Status(400, r#"{"error":"invalid model name"}"#.into()),
            "answered HTTP 400 and said: invalid model name",
        ),
        (
            0,
            Trouble::Status(500, "oh".repeat(1 << 20)),
            &format!("answered HTTP 500 and said: {}…", "oh".repeat(100)),
        ),
        (0, Trouble::Break, "broke its answer off: look into its log, then try again"),
    ] {
        let (ollama, instance) = one_model();
        ollama.trouble("POST /api/pull", after, trouble.clone());
        let done = instance.run(&["genesis"]);
        let error = format!("error: Cannot pull {BRICK} {ALL}: Ollama at {} {what}.\n{AGAIN}", ollama.url());
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(1), format!("{ROOTS}{NO_ADAPTER}").as_str()),
            "{done:?}"
        );
        assert!(done.stderr.ends_with(&error), "{trouble:?} {}", done.stderr);
        let done = instance.run(&["genesis"]);
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(done.stdout.ends_with(&format!("Pulled {BRICK} {ALL}.\n{NO_ADAPTER}")), "{done:?}");
        assert_eq!(ollama.fetched(), (40 << 20) + 500, "what was half pulled is gone on with");
    }
}

/// Steps may say anything, as long as they are JSON.
#[test]
fn strange_steps_do_no_harm() {
    let (ollama, instance) = one_model();
    let strange = r#"{"status":"pulling","digest":"x","total":18446744073709551615,"completed":18446744073709551615}
{"status":"pulling","digest":"x","total":-1,"completed":1e300}
{"status":"pulling","digest":7,"total":0}

{"status":["x"],"total":"many"}
{"status":"back\u001b[2J"}
{"status":"success"}
{"error":"nobody reads this"}
"#;
    ollama.trouble("POST /api/pull", 0, Trouble::Say(strange.to_owned()));
    let done = instance.run(&["genesis"]);
    let progress =
        format!("{BRICK}: pulling (16.00 EiB)\n{BRICK}: 100 % of 16.00 EiB\n{BRICK}: \n{BRICK}: back [2J\n");
    is(&done, 0, &format!("{ROOTS}Pulled {BRICK} {ALL}.\n{NO_ADAPTER}"), &progress);
}

#[test]
fn silence_is_waited_for_no_longer_than_the_mind_may_take() {
    let (ollama, instance) = one_model();
    ollama.trouble("POST /api/pull", 2, Trouble::Hush);
    let done = instance.run(&["genesis", "--set", "AURA_MIND_TIMEOUT_S=1"]);
    let error = format!(
        "error: Cannot pull {BRICK} {ALL}: Ollama at {} has said nothing for 1 s: look into its log, or set AURA_MIND_TIMEOUT_S higher.\n{AGAIN}",
        ollama.url()
    );
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.ends_with(&error), "{}", done.stderr);
}

#[test]
fn a_list_that_cannot_be_read_is_no_list_of_nothing() {
    let (ollama, instance) = one_model();
    for (trouble, what) in [
        (Trouble::Status(200, "[]".into()), "answered without a list of models"),
        (Trouble::Status(200, "<html>".into()), "answered what is not JSON: <html>"),
        (Trouble::Status(404, "404 page not found".into()), "answered HTTP 404 and said: 404 page not found"),
    ] {
        ollama.trouble("GET /api/tags", 0, trouble);
        let done = instance.run(&["genesis", "--no-models"]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "nothing is asked: {done:?}");
        let done = instance.run(&["genesis"]);
        let error =
            format!("error: Cannot tell which models are there: Ollama at {} {what}.\n{AGAIN}", ollama.url());
        is(&done, 1, &image(&instance), &error);
    }
    assert_eq!(ollama.changes(), Vec::<String>::new());
}

#[test]
fn without_anybody_to_ask_there_is_an_image_at_least() {
    let away = "Skipped the models: Ollama at http://127.0.0.1:1 cannot be reached (Connection refused (os error 111)): start Ollama and run `aura genesis` again.\n";
    let alone = Instance::new(&[NOWHERE]);
    is(&alone.run(&["genesis"]), 0, &format!("{ROOTS}{away}"), "");
    is(&alone.run(&["genesis", "--no-models"]), 0, &image(&alone), "");
    let other =
        Instance::new(&[("AURA_MIND", "openai"), ("OPENAI_BASE_URL", "http://me:hush@127.0.0.1:1/v1")]);
    let theirs = "Skipped the models: with AURA_MIND=openai they are that server's own matter.\n";
    is(&other.run(&["genesis"]), 0, &format!("{ROOTS}{theirs}"), "");
    let done = other.run(&["genesis", "--json", "--no-models"]);
    let report: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(
        report["models"][3],
        json!({ "personas": ["ALFRED"], "model": ALFRED, "state": "skipped", "detail": "--no-models was given" })
    );
    assert_eq!(
        (report["created"].clone(), report["facets"][0]["state"].clone()),
        (json!([]), json!("skipped"))
    );
}

/// Without a tag a model is `latest`, and no letter's case makes another model of it.
#[test]
fn a_model_has_several_names() {
    for (wished, known) in [
        ("mind", "mind:latest"),
        ("mind:latest", "mind:latest"),
        ("Mind", "mind:latest"),
        ("mind:7B", "mind:7b"),
    ] {
        let mind = ScriptedMind::start_blocking();
        mind.models(&[known]);
        let instance = Instance::new(&[("OLLAMA_HOST", &mind.url()), ("AURA_MIND_MODEL", wished)]);
        is(&instance.run(&["genesis"]), 0, &format!("{ROOTS}{wished} is there {ALL}.\n{NO_ADAPTER}"), "");
    }
}

#[tokio::test]
async fn a_server_pulls_nothing() {
    let (ollama, instance) = one_model();
    let server = Server::serve(instance);
    server.terminate();
    server.stopped();
    assert_eq!(ollama.changes(), Vec::<String>::new());
}
