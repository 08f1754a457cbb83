//! A launch that is cut off, anywhere: the next one goes on.

use std::fs;
use std::time::Duration;

use aura_tests::Trouble;
use aura_tests::models::BRICK;
use rusqlite::Connection;

use super::{AGAIN, ROOTS, image, is, one_model, with_facets};
use crate::damage;

const SKIPPED: &str = "Skipped brick:tamland: AURA_MIND_MODEL is in place of BRICK's model.\n";
const FACET: &str = "[[facet]]\nname = \"eve:odd\"\npersona = \"EVE\"\nadapter = \"odd\"\n";

/// After each line of the account of a pull.
#[test]
fn a_pull_that_is_killed_anywhere_is_gone_on_with() {
    for line in 0..10 {
        let (ollama, instance) = one_model();
        ollama.trouble("POST /api/pull", line, Trouble::Hush);
        let running = instance.start(&["genesis"]);
        ollama.await_hush();
        running.kill();
        let done = instance.run(&["genesis"]);
        let said = format!("{}Pulled {BRICK} (BRICK, ROBIN, BABS, ALFRED).\n{SKIPPED}", image(&instance));
        assert_eq!((done.code, done.stdout), (Some(0), said), "killed after line {line}");
        assert_eq!(ollama.fetched(), (40 << 20) + 500, "nothing is loaded twice");
        assert_eq!(ollama.changes().len(), 2);
    }
}

#[test]
fn ctrl_c_ends_at_once_and_says_what_comes_next() {
    let (ollama, instance) = one_model();
    ollama.trouble("POST /api/pull", 3, Trouble::Hush);
    let running = instance.start(&["genesis"]);
    ollama.await_hush();
    running.interrupt();
    let done = running.done();
    let line = "Interrupted. Run `aura genesis` again: it goes on where this one stopped.\n";
    assert_eq!((done.code, done.stdout.as_str()), (Some(130), ROOTS), "{done:?}");
    assert!(done.stderr.ends_with(line), "{done:?}");
    assert_eq!(instance.run(&["genesis"]).code, Some(0));
    assert_eq!(ollama.fetched(), (40 << 20) + 500);
}

#[test]
fn an_ollama_that_dies_is_away_until_it_is_back() {
    let (mut ollama, instance) = one_model();
    ollama.trouble("POST /api/pull", 3, Trouble::Die);
    let done = instance.run(&["genesis"]);
    let error = format!(
        "error: Cannot pull {BRICK} (BRICK, ROBIN, BABS, ALFRED): Ollama at {} cannot be reached (Connection refused (os error 111)): start Ollama and run `aura genesis` again.\n{AGAIN}",
        ollama.url()
    );
    let skipped = "Skipped brick:tamland: Ollama does not answer any more.\n";
    assert_eq!((done.code, done.stdout), (Some(3), format!("{ROOTS}{skipped}")));
    assert!(done.stderr.ends_with(&error), "{}", done.stderr);
    ollama.revive();
    assert_eq!(instance.run(&["genesis"]).code, Some(0));
    assert_eq!(ollama.fetched(), (40 << 20) + 500);
}

/// After each line of the account, and while the adapter is sent.
#[test]
fn a_facet_whose_making_is_killed_is_made_by_the_next_run() {
    for line in 0..4 {
        let (ollama, instance) = with_facets(FACET);
        let data = instance.folder().join("data");
        fs::create_dir(&data).expect("a folder");
        fs::write(data.join("odd"), "GGUF odd").expect("a file");
        ollama.trouble("POST /api/create", line, Trouble::Hush);
        let running = instance.start(&["genesis"]);
        ollama.await_hush();
        running.kill();
        let made = ollama.models().contains_key("eve:odd");
        assert_eq!(made, line == 3, "the model is there once its manifest is");
        let done = instance.run(&["genesis"]);
        let last = if made { "eve:odd is there (EVE)." } else { "Made eve:odd of base:1b (EVE)." };
        assert_eq!((done.code, done.stdout.lines().last()), (Some(0), Some(last)), "{done:?}");
        let changes = ollama.changes();
        assert_eq!(changes.iter().filter(|change| change.starts_with("blob ")).count(), 1, "{changes:?}");
        assert!(ollama.models().contains_key("eve:odd"));
    }
}

#[test]
fn an_adapter_that_is_damaged_on_its_way_is_sent_again() {
    let (ollama, instance) = with_facets(FACET);
    let data = instance.folder().join("data");
    fs::create_dir(&data).expect("a folder");
    fs::write(data.join("odd"), "GGUF odd").expect("a file");
    let (digest, lost) = (
        "d3908ac5c3caeb1962a97717cf516f5d5de2ac470c486db878eb597f2f55eec1",
        "67a241a6c031c82473c61f563eee5486e308222af2b35eef07868f90f5b2d949",
    );
    let mismatch = format!(
        "answered HTTP 400 and said: digest mismatch, expected \"sha256:{digest}\", got \"sha256:{lost}\""
    );
    for (trouble, what) in [
        (Trouble::Lose, mismatch.as_str()),
        (Trouble::Break, "broke its answer off: look into its log, then try again"),
    ] {
        ollama.trouble("POST /api/blobs/", 0, trouble);
        let done = instance.run(&["genesis"]);
        let error = format!("error: Cannot make eve:odd (EVE): Ollama at {} {what}.\n{AGAIN}", ollama.url());
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stderr.ends_with(&error), "{}", done.stderr);
        assert!(!ollama.models().contains_key("eve:odd"));
    }
    let done = instance.run(&["genesis"]);
    assert_eq!((done.code, done.stdout.lines().last()), (Some(0), Some("Made eve:odd of base:1b (EVE).")));
    assert!(ollama.has_blob(digest));
}

#[test]
fn an_image_that_is_held_is_told_and_made_when_it_is_free() {
    let (ollama, instance) = one_model();
    assert_eq!(instance.run(&["genesis", "--no-models"]).code, Some(0));
    let other = Connection::open(damage::image(&instance)).expect("the image");
    other.busy_timeout(Duration::from_mins(1)).expect("patience");
    other.execute_batch("BEGIN EXCLUSIVE").expect("the image is free");
    let done = instance.run(&["genesis"]);
    let error = format!(
        "error: StoreUnavailable: the store cannot be used: {}: another program holds the image locked; stop it and try again (database is locked)\n",
        damage::image(&instance).display()
    );
    is(&done, 3, "", &error);
    assert_eq!(ollama.changes(), Vec::<String>::new());
    other.execute_batch("ROLLBACK").expect("it was held");
    assert_eq!(instance.run(&["genesis"]).code, Some(0));
}
