//! `aura copy`: a file that can be served in place of the image it was copied from.

use std::fs;

use aura_tests::{Instance, ScriptedMind, Server};
use serde_json::json;

use crate::api::{NOWHERE, read};
use crate::damage;
use crate::transfer::{completed, furnish, load, settled};

/// The load goes on while this thread waits for the command.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_under_load_is_one_moment_and_can_be_served() {
    let mind = ScriptedMind::start().await;
    let server = Server::start(&mind);
    furnish(server.client()).await;
    let senders = load(server.client());
    while completed(server.client(), "one").await < 20 {}
    let other = Instance::new(&[("OLLAMA_HOST", &mind.url())]);
    fs::create_dir(other.folder().join("data")).expect("a folder");
    let file = damage::image(&other);
    let copied = server.cli().run(&["copy", file.to_str().expect("UTF-8")]);
    assert_eq!((copied.code, copied.stderr.as_str()), (Some(0), ""), "{copied:?}");
    assert_eq!(copied.stdout, format!("Copied the image to {}. It is sound.\n", file.display()));
    drop(senders);

    let other = Server::serve(other);
    settled(other.client()).await;
    for object in ["one", "two"] {
        let count = read(other.client(), &format!("/objects/{object}")).await["attributes"]["n"].clone();
        assert_eq!(count, json!(completed(other.client(), object).await), "{object}");
    }
}

#[test]
fn only_a_sound_image_becomes_a_copy() {
    let instance = Instance::new(&[NOWHERE]);
    let missing = instance.run(&["copy", "copy"]);
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(missing.stderr.starts_with("error: There is no image "), "{missing:?}");
    assert_eq!(instance.run(&["genesis"]).code, Some(0));
    assert_eq!(instance.run(&["copy", "copy"]).code, Some(0));
    let copy = instance.folder().join("copy");
    let sound = fs::read(&copy).expect("a copy");
    let refused = instance.run(&["copy", "copy"]);
    let text = "error: copy exists already. Choose another name, or replace it with --force.\n";
    assert_eq!((refused.code, refused.stderr.as_str()), (Some(1), text));
    assert_eq!(instance.run(&["copy", "copy", "--force"]).code, Some(0));

    let image = damage::image(&instance);
    damage::spoil(&image);
    let refused = instance.run(&["copy", "copy", "--force"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("the image is damaged; restore it from a"), "{refused:?}");
    assert!(fs::read(&copy).expect("a copy") == sound, "the earlier copy is still there");
    let names: Vec<_> =
        fs::read_dir(instance.folder()).expect("a folder").map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "data, copy: {names:?}");

    fs::copy(&copy, &image).expect("the copy is put back");
    assert_eq!(
        instance.run(&["genesis", "--no-models"]).stdout,
        format!("The image {} is complete.\n", image.display())
    );
    let elsewhere = instance.run(&["copy", "other", "--set", "AURA_STORE=arango"]);
    let text =
        "error: `aura copy` is for AURA_STORE=sqlite. Use `aura export`, or ArangoDB's own Hot Backup.\n";
    assert_eq!((elsewhere.code, elsewhere.stderr.as_str()), (Some(2), text));
}
