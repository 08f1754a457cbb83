//! `aura doctor`: what it says of a folder, sound or not, and that it leaves it as it is.

use std::fs;

use aura_tests::models::ALFRED;
use aura_tests::{Done, Instance, ScriptedMind, Server};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::api::{NOWHERE, install};
use crate::damage::{self, files};

/// Settings with which it does not matter what else listens on this machine.
fn local(mind: &str) -> Instance {
    Instance::new(&[("OLLAMA_HOST", mind), ("AURA_API_PORT", "0")])
}

/// The lines below the settings.
fn checks(done: &Done) -> Vec<&str> {
    assert_eq!(done.stderr, "", "{done:?}");
    let (_, checks) = done.stdout.split_once("\n\n").expect("settings, an empty line, checks");
    checks.lines().collect()
}

/// The line that begins so.
#[track_caller]
fn line<'a>(done: &'a Done, begin: &str) -> &'a str {
    let mut lines = checks(done).into_iter();
    lines.find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("no {begin} in {}", done.stdout))
}

#[test]
fn a_fresh_folder_is_fine_and_stays_as_it_is() {
    let mind = ScriptedMind::start_blocking();
    let fresh = local(&mind.url());
    let done = fresh.run(&["doctor"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let data = fresh.folder().join("data");
    let shown = data.display();
    let folder = line(&done, "ok    data folder: ");
    assert!(
        folder.starts_with(&format!("ok    data folder: {shown} is not there yet and can be created; ")),
        "{folder}"
    );
    assert!(folder.ends_with(" are free"), "{folder}");
    let guest = line(&done, "ok    Python guest: ");
    let digests: Vec<&str> =
        guest.split(['(', ')']).filter_map(|word| word.strip_prefix("SHA-256 ")).collect();
    assert_eq!(digests.iter().map(|digest| digest.len()).collect::<Vec<_>>(), [64, 64], "{guest}");
    for expected in [
        format!("ok    image: {shown}/image.sqlite is not there yet; `aura serve` creates it"),
        format!("ok    mind: ALFRED ({ALFRED}): Ollama at {} 0.9.0, model {ALFRED}", mind.url()),
        "ok    access: 127.0.0.1 is reached from this machine alone".to_owned(),
        "ok    server: none serves the data folder now".to_owned(),
    ] {
        assert!(checks(&done).contains(&expected.as_str()), "{expected} is not in {}", done.stdout);
    }
    assert!(!data.exists());
}

#[test]
fn settings_are_shown_with_where_they_came_from_and_without_secrets() {
    let mind = ScriptedMind::start_blocking();
    let url = mind.url().replace("http://", "http://me:hush@");
    let mut instance = local(&url);
    instance.set("AURA_API_TOKEN", "hush");
    instance.set("ARANGO_PASS", "hush");
    fs::write(instance.folder().join("aura.toml"), "AURA_FUEL = 7\n").expect("a file");
    let done = instance.run(&["doctor", "--set", "AURA_WALL_MS=9"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(!done.stdout.contains("hush"), "{}", done.stdout);
    let words: Vec<Vec<&str>> = done.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let masked = url.replace("me:hush", "********");
    for expected in [
        ["AURA_API_HOST", "127.0.0.1", "default"],
        ["AURA_API_PORT", "0", "environment"],
        ["AURA_API_TOKEN", "********", "environment"],
        ["AURA_FUEL", "7", "aura.toml"],
        ["AURA_MIND_MODEL", "-", "default"],
        ["AURA_WALL_MS", "9", "flag"],
        ["OLLAMA_HOST", &masked, "environment"],
    ] {
        assert!(words.iter().any(|line| *line == expected), "{expected:?} is not in {}", done.stdout);
    }
    let done = instance.run(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&done.stdout).expect("JSON");
    let settings = report["configuration"].as_array().expect("a list");
    assert!(
        settings.contains(&json!({ "name": "ARANGO_PASS", "value": "********", "origin": "environment" }))
    );
    let checks = report["checks"].as_array().expect("a list");
    let states: Vec<&str> = checks.iter().filter_map(|check| check["state"].as_str()).collect();
    assert_eq!(states.len(), checks.len());
    assert!(checks.contains(&json!({
        "name": "server", "state": "ok", "what": "server", "found": "none serves the data folder now",
        "fixable": false, "fixed": false
    })));
}

#[test]
fn each_thing_that_is_wrong_has_its_cure_and_its_exit_status() {
    let alone = local(NOWHERE.1);
    let done = alone.run(&["doctor"]);
    assert_eq!(done.code, Some(3), "{done:?}");
    assert_eq!(line(&done, "FAIL  mind"), "FAIL  mind: it cannot write methods now");
    let cure = line(&done, "      Ollama at http://127.0.0.1:1 cannot be reached (");
    assert!(cure.ends_with("): start it with `ollama serve`, or set OLLAMA_HOST to where it is"), "{cure}");

    // What has to be mended here weighs more.
    let open = alone.run(&["doctor", "--set", "AURA_API_HOST=0.0.0.0"]);
    assert_eq!(open.code, Some(1), "{open:?}");
    let at = checks(&open).into_iter().position(|line| {
        line == "FAIL  access: 0.0.0.0 can be reached from other machines, and AURA_API_TOKEN is not set: `aura serve` refuses to start"
    });
    let cure = checks(&open)[at.expect("the line") + 1];
    assert_eq!(cure, "      Set AURA_API_TOKEN, or let AURA_API_HOST be 127.0.0.1.");

    let lost = alone.run(&["doctor", "--set", "AURA_GUEST=/nowhere/python.wasm"]);
    assert_eq!(lost.code, Some(1), "{lost:?}");
    line(&lost, "FAIL  Python guest: there is no /nowhere/python.wasm");
    line(&lost, "      Let AURA_GUEST name the guest, or leave it empty.");

    let file = alone.folder().join("file");
    fs::write(&file, "").expect("a file");
    let done = alone.run(&["doctor", "--data", &file.join("data").display().to_string()]);
    assert_eq!(done.code, Some(1), "{done:?}");
    line(&done, &format!("FAIL  data folder: {} is a file", file.display()));

    let wrong = alone.run(&["doctor", "--set", "AURA_FUEL=none"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[tokio::test]
async fn a_server_that_runs_is_found_and_asked() {
    let mind = ScriptedMind::start().await;
    let server = Server::start(&mind);
    install(server.client(), "system", "greet", "return 'hello'").await;
    server.client().message(r#"{"target_object_id":"system","method_name":"greet"}"#).await;
    let done = server.cli().run(&["doctor"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let found = line(&done, "ok    server: process ");
    assert!(found.contains(" at http://127.0.0.1:") && found.ends_with(" is ready"), "{found}");
    line(&done, "ok    image: content: sound: 2 objects, 1 versions of methods, 1 messages");

    let stopped = server.kill();
    let cli = stopped.cli();
    let before = files(&cli.folder().join("data"));
    assert!(before.iter().any(|(name, journal)| name == "image.sqlite-wal" && !journal.is_empty()));
    let done = cli.run(&["doctor"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    line(&done, "ok    server: none serves the data folder now");
    line(&done, "ok    image: content: sound: 2 objects, 1 versions of methods, 1 messages");
    assert!(before == files(&cli.folder().join("data")), "a doctor changes nothing");

    assert_eq!(cli.run(&["genesis"]).code, Some(0));
    let before = files(&cli.folder().join("data"));
    assert!(before.iter().all(|(name, _)| name != "image.sqlite-wal"), "the journal is tidied up");
    assert_eq!(cli.run(&["doctor"]).code, Some(0));
    assert!(before == files(&cli.folder().join("data")), "a doctor changes nothing");
}

#[test]
fn an_image_of_an_earlier_version_is_left_as_it_is() {
    let mind = ScriptedMind::start_blocking();
    let instance = local(&mind.url());
    fs::create_dir(instance.folder().join("data")).expect("a folder");
    let image = damage::image(&instance);
    let old = Connection::open(&image).expect("an image");
    old.execute_batch(include_str!("../../../host/src/store/sqlite/migrations/0001_living_image.sql"))
        .expect("the schema");
    old.execute_batch("PRAGMA application_id = 0x41555241; PRAGMA user_version = 1").expect("its version");
    drop(old);
    let before = files(&instance.folder().join("data"));
    let done = instance.run(&["doctor"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let schema = line(&done, "ok    image: schema: version 1; the next start brings it to version ");
    line(&done, "ok    image: content: sound: 0 objects, 0 versions of methods, 0 messages");
    assert!(before == files(&instance.folder().join("data")), "a doctor changes nothing");
    assert_eq!(instance.run(&["genesis"]).code, Some(0));
    let newest = schema.rsplit(' ').next().expect("a word");
    line(&instance.run(&["doctor"]), &format!("ok    image: schema: version {newest}"));
}

#[test]
fn damage_is_found() {
    let mind = ScriptedMind::start_blocking();
    let instance = local(&mind.url());
    assert_eq!(instance.run(&["genesis"]).code, Some(0));
    let image = damage::image(&instance);
    let sound = fs::read(&image).expect("the image");
    damage::spoil(&image);
    let done = instance.run(&["doctor"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    line(&done, "FAIL  image: content is not as it should be");
    line(&done, "      the store cannot be used: the image is damaged; restore it from a copy (");

    fs::write(&image, "no image\n".repeat(1_000)).expect("a file");
    let done = instance.run(&["doctor"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    line(&done, "FAIL  image: file is not as it should be");
    let cure = "the file is not an image; move it away or name another one (file is not a database)";
    line(&done, &format!("      the store cannot be used: {}: {cure}", image.display()));

    fs::write(&image, sound).expect("a file");
    assert_eq!(instance.run(&["doctor"]).code, Some(0));
}
