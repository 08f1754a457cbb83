//! `aura genesis`: what a first launch makes, and that nothing is made twice.

mod facets;
mod interrupted;
mod personas;
mod pulls;

use std::fs;

use aura_tests::models::BRICK;
use aura_tests::{Done, Instance, ScriptedOllama};

const ROOTS: &str = "Created UvmObjects/nil.\nCreated UvmObjects/system.\n";
const AGAIN: &str = "When that is mended, run `aura genesis` again: it goes on where this one stopped.\n";

/// A library with one model of two layers, and an instance that asks for that one alone.
fn one_model() -> (ScriptedOllama, Instance) {
    let ollama = ScriptedOllama::start(&[(BRICK, &[40 << 20, 500])]);
    let instance = Instance::new(&[("OLLAMA_HOST", &ollama.url()), ("AURA_MIND_MODEL", BRICK)]);
    (ollama, instance)
}

/// An instance with one persona that has such facets, and its model.
fn with_facets(facets: &str) -> (ScriptedOllama, Instance) {
    let ollama = ScriptedOllama::start(&[("base:1b", &[1000])]);
    let mut instance = Instance::new(&[("OLLAMA_HOST", &ollama.url())]);
    wish(&mut instance, facets);
    (ollama, instance)
}

/// Names a file with one persona and these facets.
fn wish(instance: &mut Instance, facets: &str) {
    let text = format!(
        "steward = \"EVE\"\n\n[[persona]]\nname = \"EVE\"\nrole = \"steward\"\nmodel = \"base:1b\"\ntemperature = 0.0\n\
         context_tokens = 4096\nanswer_tokens = 1024\nsystem = \"You are EVE.\"\n\n{facets}"
    );
    let file = instance.folder().join("personas.toml");
    fs::write(&file, text).expect("a file");
    instance.set("AURA_PERSONAS", file.to_str().expect("UTF-8"));
}

fn image(instance: &Instance) -> String {
    format!("The image {} is complete.\n", instance.folder().join("data/image.sqlite").display())
}

#[track_caller]
fn is(done: &Done, code: i32, stdout: &str, stderr: &str) {
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(code), stdout, stderr));
}
