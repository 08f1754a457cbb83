//! Facets: made as they are wished, left alone while they are, and made anew when they are not.

use std::fs;
use std::os::unix::fs::symlink;

use aura_tests::{Instance, ScriptedOllama, Trouble};
use serde_json::json;

use super::{AGAIN, is, wish, with_facets};

const PLAIN: &str = "[[facet]]\nname = \"eve:odd\"\npersona = \"EVE\"\n";
const RICH: &str = "[[facet]]\nname = \"eve:odd\"\npersona = \"EVE\"\nsystem = \"You are EVE, the odd one.\"\nadapter = \"adapters/odd\"\n\
                    parameters = { temperature = 0.7, num_ctx = 1048576, stop = [\"<a>\", \"\\\"b\\\"\"], use_mmap = true }\n";

/// SHA-256 of `GGUF one`.
const ONE: &str = "583a3ee3dcfe165b1686159c657930db6c4621e152297fd69760f49eb890671f";

fn put(instance: &Instance, name: &str, bytes: &str) {
    let file = instance.folder().join("data/adapters").join(name);
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(file, bytes).expect("a file");
}

/// Runs genesis, which has to end well; the last line it says, and what it had Ollama do.
#[track_caller]
fn launch(ollama: &ScriptedOllama, instance: &Instance) -> (String, Vec<String>) {
    let before = ollama.changes().len();
    let done = instance.run(&["genesis"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    (done.stdout.lines().last().expect("a line").to_owned(), ollama.changes().split_off(before))
}

const THERE: &str = "eve:odd is there (EVE).";
const MADE: &str = "Made eve:odd of base:1b (EVE).";

#[track_caller]
fn stays(ollama: &ScriptedOllama, instance: &Instance) {
    assert_eq!(launch(ollama, instance), (THERE.to_owned(), vec![]));
}

#[track_caller]
fn is_made_anew(ollama: &ScriptedOllama, instance: &Instance) {
    assert_eq!(launch(ollama, instance), (MADE.to_owned(), vec!["create eve:odd".to_owned()]));
    stays(ollama, instance);
}

#[test]
fn one_without_an_adapter_is_the_personas_model_with_a_prompt() {
    let (ollama, mut instance) = with_facets(PLAIN);
    let (said, changes) = launch(&ollama, &instance);
    assert_eq!(
        (said.as_str(), changes),
        (MADE, vec!["pull base:1b".to_owned(), "create eve:odd".to_owned()])
    );
    let model = &ollama.models()["eve:odd"];
    assert_eq!((model.system.as_str(), model.from.as_str()), ("You are EVE.", "base:1b"));
    stays(&ollama, &instance);

    // Each thing that is wished otherwise.
    for wished in [
        "system = \"You are odd.\"\n",
        "system = \"You are odd.\"\nparameters = { temperature = 0.5 }\n",
        "parameters = { temperature = 0.7 }\n",
        "parameters = { stop = \"<x>\" }\n",
        "parameters = { stop = [\"<x>\", \"<y>\"], top_k = 7 }\n",
        "",
    ] {
        wish(&mut instance, &format!("{PLAIN}{wished}"));
        is_made_anew(&ollama, &instance);
    }
    // Each thing that somebody changed behind the back.
    let right = ollama.models()["eve:odd"].clone();
    for change in 0..4 {
        let mut wrong = right.clone();
        match change {
            0 => wrong.system = "You are somebody else.".to_owned(),
            1 => wrong.from = "other:1b".to_owned(),
            2 => wrong.adapters = vec!["0".repeat(64)],
            _ => drop(wrong.parameters.insert("seed".to_owned(), json!(7))),
        }
        ollama.put("eve:odd", wrong);
        is_made_anew(&ollama, &instance);
    }
}

#[test]
fn an_adapter_is_a_gguf_file() {
    let (ollama, instance) = with_facets(RICH);
    put(&instance, "odd", "GGUF one");
    let (said, changes) = launch(&ollama, &instance);
    assert_eq!(said, MADE);
    assert_eq!(changes, ["pull base:1b".to_owned(), format!("blob {ONE}"), "create eve:odd".to_owned()]);
    let model = &ollama.models()["eve:odd"];
    assert_eq!(
        (model.system.as_str(), &model.adapters[..]),
        ("You are EVE, the odd one.", &[ONE.to_owned()][..])
    );
    assert_eq!(model.parameters["num_ctx"], json!(1_048_576));
    stays(&ollama, &instance);

    put(&instance, "odd", "GGUF two");
    let (said, changes) = launch(&ollama, &instance);
    assert_eq!((said.as_str(), changes.len()), (MADE, 2), "{changes:?}");
    assert_ne!(ollama.models()["eve:odd"].adapters, [ONE]);
    // What Ollama has is not sent again.
    put(&instance, "odd", "GGUF one");
    is_made_anew(&ollama, &instance);
}

/// Ollama keeps these in another form, of which the digest cannot be known.
#[test]
fn an_adapter_is_a_folder_of_safetensors() {
    let (ollama, instance) = with_facets(RICH);
    put(&instance, "odd/adapter_config.json", "{}");
    put(&instance, "odd/adapter_model.safetensors", "weights");
    put(&instance, "odd/README.md", "not part of it");
    let (said, changes) = launch(&ollama, &instance);
    assert_eq!((said.as_str(), changes.len()), (MADE, 4), "{changes:?}");
    stays(&ollama, &instance);
    put(&instance, "odd/adapter_model.safetensors", "other weights");
    let (said, changes) = launch(&ollama, &instance);
    assert_eq!((said.as_str(), changes.len()), (MADE, 2), "{changes:?}");
    stays(&ollama, &instance);
}

/// A file of some pieces arrives as it is.
#[test]
fn a_large_adapter_is_sent_whole() {
    let (ollama, instance) = with_facets(RICH);
    put(&instance, "odd", &format!("GGUF{}", "0123456789".repeat(300_000)));
    assert_eq!(launch(&ollama, &instance).0, MADE);
    assert!(ollama.has_blob(&ollama.models()["eve:odd"].adapters[0]));
}

#[test]
fn what_is_no_adapter_is_told() {
    let (ollama, instance) = with_facets(RICH);
    let adapters = instance.folder().join("data/adapters");
    let odd = adapters.join("odd");
    let shown = odd.display();
    let (said, _) = launch(&ollama, &instance);
    assert_eq!(said, format!("Skipped eve:odd: there is no adapter at {shown}."));
    fs::create_dir_all(&adapters).expect("a folder");
    let secret = instance.folder().join("secret");
    fs::write(&secret, "GGUF secret").expect("a file");
    for (make, what) in [
        (
            Box::new(|| fs::write(&odd, "PK").expect("a file")) as Box<dyn Fn()>,
            format!("{shown} is no GGUF file; safetensors need a folder of their own"),
        ),
        (
            Box::new(|| {
                fs::remove_file(&odd).expect("a file");
                fs::create_dir(&odd).expect("a folder");
            }),
            format!("{shown} has no file adapter_config.json, which an adapter needs"),
        ),
        (
            Box::new(|| put(&instance, "odd/adapter_config.json", "{}")),
            format!("{shown} has no file adapter_model.safetensors, which an adapter needs"),
        ),
        (
            Box::new(|| symlink(&secret, odd.join("adapter_model.safetensors")).expect("a link")),
            format!("{shown} has no file adapter_model.safetensors, which an adapter needs"),
        ),
        (
            Box::new(|| {
                fs::remove_dir_all(&odd).expect("a folder");
                symlink("../../secret", &odd).expect("a link");
            }),
            format!("{shown} cannot be read (a path led outside of the filesystem)"),
        ),
        (
            Box::new(|| {
                fs::remove_file(&odd).expect("a link");
                nix::unistd::mkfifo(&odd, nix::sys::stat::Mode::S_IRUSR).expect("a pipe");
            }),
            format!("{shown} is neither a file nor a folder"),
        ),
    ] {
        make();
        let done = instance.run(&["genesis"]);
        let error = format!("error: Cannot make eve:odd (EVE): {what}.\n{AGAIN}");
        assert_eq!((done.code, done.stderr.as_str()), (Some(1), error.as_str()), "{done:?}");
    }
    assert_eq!(ollama.changes(), ["pull base:1b"]);
}

#[test]
fn what_ollama_does_not_do_is_told() {
    let say = |text: &str| Trouble::Say(text.to_owned());
    for (path, after, trouble, what) in [
        ("POST /api/show", 0, Trouble::Status(500, "oh".to_owned()), "answered HTTP 500 and said: oh"),
        (
            "POST /api/create",
            0,
            say("{\"error\":\"no space left on device\"}\n"),
            "failed and said: no space left on device",
        ),
        ("POST /api/create", 2, Trouble::Break, "broke its answer off: look into its log, then try again"),
        (
            "POST /api/create",
            2,
            say("{\"status\":\"writing manifest\"}\n"),
            "broke its answer off: look into its log, then try again",
        ),
        ("POST /api/create", 1, say(&"x".repeat(1 << 20)), "answered too much"),
    ] {
        let (ollama, instance) = with_facets(PLAIN);
        ollama.trouble(path, after, trouble);
        let done = instance.run(&["genesis"]);
        let error = format!("error: Cannot make eve:odd (EVE): Ollama at {} {what}.\n{AGAIN}", ollama.url());
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stderr.ends_with(&error), "{}", done.stderr);
        assert_eq!(launch(&ollama, &instance).0, MADE);
    }
    let (ollama, instance) = with_facets(RICH);
    ollama.refuse_adapters();
    put(&instance, "odd", "GGUF one");
    let done = instance.run(&["genesis"]);
    let error = format!(
        "error: Cannot make eve:odd (EVE): Ollama at {} answered HTTP 400 and said: LoRA adapters are no longer supported; \
         Ollama 0.34.1 and newer make no models with adapters, but run those that an older one made.\n{AGAIN}",
        ollama.url()
    );
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.ends_with(&error), "{}", done.stderr);
}

#[test]
fn without_its_model_a_facet_is_left_out() {
    let (_, instance) = with_facets(PLAIN);
    let empty = ScriptedOllama::start(&[]);
    let done = instance.run(&["genesis", "--set", &format!("OLLAMA_HOST={}", empty.url())]);
    let error = format!(
        "base:1b: pulling manifest\nerror: Cannot pull base:1b (EVE): Ollama at {} failed and said: pull model manifest: file does not exist.\n{AGAIN}",
        empty.url()
    );
    is(&done, 1, &format!("{}Skipped eve:odd: there is no base:1b.\n", super::ROOTS), &error);
}
