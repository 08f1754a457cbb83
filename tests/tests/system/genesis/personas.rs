//! `AURA_PERSONAS`: personas of one's own.

use std::fs;

use aura_tests::{Instance, ScriptedMind, ScriptedOllama};

use super::{is, wish, with_facets};
use crate::api::NOWHERE;

const FACET: &str = "[[facet]]\nname = \"eve:odd\"\npersona = \"EVE\"\n";

#[test]
fn they_are_who_the_mind_can_be() {
    let mind = ScriptedMind::start_blocking();
    mind.models(&["base:1b"]);
    let mut instance = Instance::new(&[("OLLAMA_HOST", &mind.url())]);
    wish(&mut instance, "");
    let done = instance.run(&["mind", "check"]);
    is(&done, 0, &format!("EVE (base:1b): Ollama at {} 0.9.0, model base:1b\n", mind.url()), "");
}

#[test]
fn what_is_wrong_with_them_is_told_before_anything_is_made() {
    let mut instance = Instance::new(&[NOWHERE]);
    let parameters = "each parameter must be one of Ollama's, such as temperature or num_ctx, with a number, true, false, a text of at most 256 characters in one line, or at most 32 such texts";
    let name = "its name must be a model's, such as brick:tamland";
    let inside = "its adapter must be a path inside the data folder, such as adapters/brick_tamland";
    for (facets, what) in [
        (
            FACET.replace("EVE", "ADAM"),
            r#"facet "eve:odd": its persona is not among the personas"#.to_owned(),
        ),
        (format!("{FACET}{FACET}"), r#"facet "eve:odd": there are two of that name"#.to_owned()),
        (
            FACET.replace("eve:odd", "BASE:1b"),
            r#"facet "BASE:1b": a persona's model has that name"#.to_owned(),
        ),
        (FACET.replace("eve:odd", "../x"), format!(r#"facet "../x": {name}"#)),
        (FACET.replace("eve:odd", "x\\nFROM y"), format!("facet \"x\\nFROM y\": {name}")),
        (format!("{FACET}adapter = \"../../etc/passwd\"\n"), format!(r#"facet "eve:odd": {inside}"#)),
        (format!("{FACET}adapter = \"/etc/passwd\"\n"), format!(r#"facet "eve:odd": {inside}"#)),
        (
            format!("{FACET}parameters = {{ temperature = nan }}\n"),
            format!(r#"facet "eve:odd": {parameters}"#),
        ),
        (format!("{FACET}parameters = {{ \"a b\" = 1 }}\n"), format!(r#"facet "eve:odd": {parameters}"#)),
        (
            format!("{FACET}parameters = {{ stop = \"x\\ny\" }}\n"),
            format!(r#"facet "eve:odd": {parameters}"#),
        ),
        (
            format!("{FACET}system = \" \"\n"),
            r#"facet "eve:odd": its system prompt must not be empty; without the line it has its persona's"#
                .to_owned(),
        ),
        (FACET.repeat(65), "there are more than 64 personas or facets".to_owned()),
    ] {
        wish(&mut instance, &facets);
        let file = instance.folder().join("personas.toml");
        let error = format!(
            "error: AURA_PERSONAS: {}: {what}. Mend the file, name another one (genesis/personas.toml is an example), or leave AURA_PERSONAS empty.\n",
            file.display()
        );
        for command in [&["genesis"][..], &["mind", "check"], &["serve", "--port", "0"]] {
            is(&instance.run(command), 2, "", &error);
        }
    }
    for (name, what) in [
        ("gone.toml", "No such file or directory (os error 2)"),
        (".", "is a directory"),
        ("zero.toml", "there are more than 1048576 bytes"),
    ] {
        let file = instance.folder().join(name);
        if name.starts_with('z') {
            fs::write(&file, " ".repeat(2 << 20)).expect("a file");
        }
        instance.set("AURA_PERSONAS", file.to_str().expect("UTF-8"));
        let error = format!(
            "error: AURA_PERSONAS: {}: {what}. Mend the file, name another one (genesis/personas.toml is an example), or leave AURA_PERSONAS empty.\n",
            file.display()
        );
        is(&instance.run(&["genesis"]), 2, "", &error);
    }
    assert!(!instance.folder().join("data/image.sqlite").exists());
}

/// The model of all can be a facet: then what it is made of is needed as well.
#[test]
fn one_facet_for_all_brings_its_model_along() {
    let ollama = ScriptedOllama::start(&[("base:1b", &[1000])]);
    let (_, mut instance) =
        with_facets(&format!("{FACET}[[facet]]\nname = \"eve:other\"\npersona = \"EVE\"\n"));
    instance.set("OLLAMA_HOST", &ollama.url());
    instance.set("AURA_MIND_MODEL", "eve:odd");
    let done = instance.run(&["genesis"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(ollama.changes(), ["pull base:1b", "create eve:odd"]);
    assert!(
        done.stdout.ends_with(
            "Made eve:odd of base:1b (EVE).\nSkipped eve:other: AURA_MIND_MODEL is in place of EVE's model.\n"
        ),
        "{done:?}"
    );
    assert_eq!(instance.run(&["mind", "check"]).code, Some(0));
}
