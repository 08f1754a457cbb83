//! `aura doctor`: each ill as it is told, and that it is gone once it was cured. What only a machine can have, such as a
//! GPU or WSL, is tested beside its diagnosis.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use aura_tests::models::{ALFRED, BABS, BRICK, ROBIN};
use aura_tests::{Done, Instance, SandboxProcess, ScriptedMind, ScriptedOllama, Server};
use serde_json::Value;

use crate::api::NOWHERE;
use crate::image::{copied, flip_in_the_middle, kept};

const ALL: [(&str, u64); 4] = [(BRICK, 1), (ROBIN, 1), (BABS, 1), (ALFRED, 1)];

/// Settings with which nothing of this machine is in the way.
fn instance(mind: &str) -> Instance {
    Instance::new(&[("OLLAMA_HOST", mind), ("AURA_API_PORT", "0")])
}

struct Report {
    code: Option<i32>,
    json: Value,
}

fn report(done: &Done) -> Report {
    assert_eq!(done.stderr, "", "{done:?}");
    Report { code: done.code, json: serde_json::from_str(&done.stdout).expect("JSON") }
}

fn look(instance: &Instance) -> Report {
    report(&instance.run(&["doctor", "--json"]))
}

fn fix(instance: &Instance) -> Report {
    report(&instance.run(&["doctor", "--fix", "--json"]))
}

impl Report {
    fn checks(&self) -> &[Value] {
        self.json["checks"].as_array().expect("a list")
    }

    /// What is told under a name: `state: found -> cure [fix]`, and `fixed` at the front if it was.
    fn told(&self, name: &str) -> Vec<String> {
        let told = self.checks().iter().filter(|check| check["name"] == name).map(|check| {
            let text = |key: &str| check[key].as_str().expect("a text");
            let cure = check.get("cure").map(|_| format!(" -> {}", text("cure"))).unwrap_or_default();
            let fix = if check["fixable"] == true { " [fix]" } else { "" };
            let fixed = if check["fixed"] == true { "fixed, " } else { "" };
            format!("{fixed}{}: {}{cure}{fix}", text("state"), text("found"))
        });
        told.collect()
    }

    /// What is told under a name that is given once.
    #[track_caller]
    fn one(&self, name: &str) -> String {
        let mut told = self.told(name);
        assert_eq!(told.len(), 1, "{name}: {told:?}");
        told.remove(0)
    }

    /// What `--fix` did: `name: done`.
    fn fixes(&self) -> Vec<String> {
        let fixes = self.json["fixes"].as_array().expect("a list").iter();
        fixes
            .map(|fix| {
                format!(
                    "{}: {}",
                    fix["name"].as_str().expect("a name"),
                    fix["done"].as_str().unwrap_or("failed")
                )
            })
            .collect()
    }
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).expect("a file").permissions().mode() & 0o777
}

fn set_mode(file: &Path, mode: u32) {
    fs::set_permissions(file, Permissions::from_mode(mode)).expect("permissions");
}

/// Whatever is set, a run tells of all there is, so that no entry of the table is idle and no diagnosis lacks one.
#[test]
fn the_table_has_all_diagnoses_and_no_others() {
    let ollama = ScriptedOllama::with(&ALL);
    let base = instance(&ollama.url());
    let lines = |args: &[&str]| {
        let done = base.run(args);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        done.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let listed = lines(&["doctor", "--explain"]);
    let listed: BTreeSet<&str> = listed.iter().filter_map(|line| line.split_whitespace().next()).collect();
    let as_json: Vec<Value> =
        serde_json::from_str(&lines(&["doctor", "--explain", "--json"]).concat()).expect("JSON");
    assert_eq!(as_json.iter().filter_map(|entry| entry["name"].as_str()).collect::<BTreeSet<_>>(), listed);
    let table = lines(&["doctor", "--explain", "--markdown"]);
    assert_eq!(table[..2], ["| diagnosis | what is looked at | why | cure |", "|---|---|---|---|"]);
    let rows: BTreeSet<&str> = table[2..].iter().filter_map(|row| row.split('`').nth(1)).collect();
    assert_eq!(listed, rows);

    let mut openai = instance(&ollama.url());
    openai.set("AURA_MIND", "openai");
    openai.set("OPENAI_BASE_URL", &format!("{}/v1", ollama.url()));
    let mut arango = instance(NOWHERE.1);
    arango.set("AURA_STORE", "arango");
    arango.set("ARANGO_HOST", "http://127.0.0.1:1");
    arango.set("EXECUTION_SANDBOX_URL", "unix:/nowhere/a.sock");
    for instance in [&base, &openai, &arango] {
        let report = look(instance);
        let names = report.checks().iter().filter_map(|check| check["name"].as_str());
        let names: BTreeSet<&str> =
            names.map(|name| if name.starts_with("model-") { "model-PERSONA" } else { name }).collect();
        assert_eq!(names, listed);
    }

    let explained = lines(&["doctor", "--explain", "token"]);
    assert_eq!(
        explained,
        [
            "token: how long AURA_API_TOKEN is.",
            "",
            "A token with fewer than 16 characters can be guessed.",
            "",
            "Cure: Set AURA_API_TOKEN to what `openssl rand -hex 32` prints.",
        ]
    );
    assert_eq!(
        lines(&["doctor", "--explain", "model-robin"]),
        lines(&["doctor", "--explain", "model-PERSONA"])
    );
    assert_eq!(lines(&["doctor", "--explain", "python guest"]), lines(&["doctor", "--explain", "guest"]));
    let unknown = base.run(&["doctor", "--explain", "luck"]);
    let text = "error: There is no diagnosis luck. `aura doctor --explain` lists them.\n";
    assert_eq!((unknown.code, unknown.stderr.as_str()), (Some(2), text));
}

#[test]
fn an_ollama_that_is_too_old_is_replaced() {
    let ollama = ScriptedOllama::with(&ALL);
    ollama.version("0.4.7");
    let instance = instance(&ollama.url());
    let ill = look(&instance);
    let cure = "Install the newest from https://ollama.com/download.";
    let told = format!("fail: 0.4.7, which does not hold answers to a schema: 0.5.0 is the first -> {cure}");
    assert_eq!((ill.code, ill.one("ollama-version")), (Some(1), told));
    ollama.version("0.5.0");
    let well = look(&instance);
    assert_eq!((well.code, well.one("ollama-version").as_str()), (Some(0), "ok: 0.5.0"));
    assert_eq!(
        well.one("mind"),
        format!("ok: ALFRED ({ALFRED}): Ollama at {} 0.5.0, model {ALFRED}", ollama.url())
    );
    ollama.version("nightly");
    let told = format!(
        "warn: 'nightly' cannot be compared with 0.5.0, the first that holds answers to a schema -> {cure}"
    );
    assert_eq!(look(&instance).one("ollama-version"), told);
}

#[test]
fn models_that_are_missing_or_damaged_are_pulled() {
    let ollama = ScriptedOllama::with(&[(BRICK, 1), (BABS, 1)]);
    let instance = instance(&ollama.url());
    let ill = look(&instance);
    assert_eq!(ill.code, Some(1));
    let missing = |state, persona, model| {
        format!(
            "{state}: {persona} has no model: {model} is not in Ollama -> Run `aura genesis`, or `ollama pull {model}`."
        )
    };
    assert_eq!(ill.one("model-alfred"), missing("fail", "ALFRED", ALFRED));
    assert_eq!(ill.one("model-robin"), missing("warn", "ROBIN", ROBIN));
    assert_eq!(ill.one("model-brick"), format!("ok: BRICK: {BRICK} (2c1ce5a8b2f0)"));
    assert_eq!(ill.one("mind"), format!("ok: ALFRED ({ALFRED}): Ollama at {} 0.9.0", ollama.url()));
    let room = ill.one("models-disk");
    assert!(room.contains("2 models are missing and need up to 11.18 GiB; "), "{room}");

    ollama.has(&ALL);
    ollama.damaged(&[ALFRED]);
    let damaged = look(&instance);
    let told = format!(
        "fail: ALFRED: {ALFRED} is in Ollama, but cannot be read -> Run `ollama pull {ALFRED}`: it loads what is missing or \
         damaged."
    );
    assert_eq!((damaged.code, damaged.one("model-alfred")), (Some(1), told));

    ollama.damaged(&[]);
    let well = look(&instance);
    assert_eq!((well.code, well.one("models-disk").as_str()), (Some(0), "ok: no model is missing"));
    for (name, persona, model) in
        [("model-alfred", "ALFRED", ALFRED), ("model-robin", "ROBIN", ROBIN), ("model-babs", "BABS", BABS)]
    {
        assert_eq!(well.one(name), format!("ok: {persona}: {model} (2c1ce5a8b2f0)"));
    }

    // One model for all is one that is needed.
    let mut one = instance.clone();
    one.set("AURA_MIND_MODEL", "tiny");
    let told = look(&one);
    let missing =
        "fail: ALFRED has no model: tiny is not in Ollama -> Run `aura genesis`, or `ollama pull tiny`.";
    assert_eq!((told.code, told.one("model-alfred").as_str()), (Some(1), missing));
    ollama.has(&[("tiny:latest", 1)]);
    let told = look(&one);
    assert_eq!((told.code, told.one("model-alfred").as_str()), (Some(0), "ok: ALFRED: tiny (2c1ce5a8b2f0)"));
    assert_eq!(told.told("model-robin"), [""; 0]);
}

#[test]
fn a_mind_that_does_not_answer_is_started() {
    let alone = instance(NOWHERE.1);
    let ill = look(&alone);
    assert_eq!(ill.code, Some(3));
    assert!(
        ill.one("mind")
            .starts_with("unreachable: it cannot write methods now -> Ollama at http://127.0.0.1:1 ")
    );
    for name in ["ollama-version", "model-alfred", "gpu-used"] {
        assert_eq!(ill.one(name), "skipped: Ollama does not answer");
    }
    let ollama = ScriptedOllama::with(&ALL);
    let mut cured = alone.clone();
    cured.set("OLLAMA_HOST", &ollama.url());
    assert_eq!(look(&cured).code, Some(0));
}

#[test]
fn a_model_too_large_for_the_memory_gives_way_to_a_smaller_one() {
    // More than any machine has.
    let ollama = ScriptedOllama::with(&[(ALFRED, 1 << 60), (ROBIN, 1)]);
    let instance = instance(&ollama.url());
    let ill = look(&instance);
    let told = ill.one("memory");
    assert_eq!(ill.code, Some(1));
    let end = format!(
        "; ALFRED's {ALFRED} needs 1.20 EiB -> End other programs, give WSL more with `memory=` in .wslconfig, or set \
         AURA_MIND_MODEL to a smaller model."
    );
    assert!(told.starts_with("fail: ") && told.ends_with(&end), "{told}");
    ollama.has(&[(ALFRED, 1 << 20), (ROBIN, 1 << 60), (BABS, 1), (BRICK, 1)]);
    let less = look(&instance);
    assert!(less.code == Some(0) && less.one("memory").starts_with("warn: "), "{}", less.one("memory"));
    ollama.has(&ALL);
    let well = look(&instance).one("memory");
    assert!(well.starts_with("ok: ") && well.ends_with("; all models that are there need 4 B"), "{well}");
}

#[test]
fn what_is_loaded_is_seen_on_the_gpu_or_beside_it() {
    let ollama = ScriptedOllama::with(&ALL);
    let instance = instance(&ollama.url());
    let none = "skipped: no model is loaded now: `aura mind ask greet` loads one, then look again";
    assert_eq!(look(&instance).one("gpu-used"), none);
    ollama.loaded(&[(ALFRED, 4 << 30, 4 << 30), (BRICK, 2 << 30, 1 << 30), ("\u{1b}[2Jx", 1 << 30, 0)]);
    let told = look(&instance).told("gpu-used");
    assert_eq!(told[0], format!("ok: {ALFRED}: all of its 4.00 GiB is on the GPU"));
    assert!(
        told[1].starts_with(&format!("warn: {BRICK}: 1.00 GiB of its 2.00 GiB is on the GPU")),
        "{told:?}"
    );
    assert!(told[2].starts_with("warn:  [2Jx: none of its 1.00 GiB is on the GPU -> "), "{told:?}");
}

#[test]
fn a_clock_that_is_hours_late_is_told() {
    let ollama = ScriptedOllama::with(&ALL);
    let instance = instance(&ollama.url());
    ollama.date(Some("Tue, 19 Jan 2038 03:14:07 GMT"));
    let ill = look(&instance);
    let told = ill.one("clock");
    assert!(
        told.starts_with("warn: it is ") && told.contains(" s behind that of Ollama -> Run `sudo "),
        "{told}"
    );
    for no_date in [None, Some("yesterday")] {
        ollama.date(no_date);
        assert!(!look(&instance).one("clock").contains("Ollama"));
    }
}

#[test]
fn whoever_has_the_port_is_named_unless_it_is_our_own_server() {
    let mind = ScriptedMind::start_blocking();
    let held = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = held.local_addr().expect("its address").port();
    let mut taken = instance(&mind.url());
    taken.set("AURA_API_PORT", &port.to_string());
    let ill = look(&taken);
    let told = ill.one("port");
    let begin = format!("fail: 127.0.0.1:{port} is taken by process {} (", std::process::id());
    let end = ") -> Stop that, or choose another port with AURA_API_PORT.";
    assert!(ill.code == Some(1) && told.starts_with(&begin) && told.ends_with(end), "{told}");
    drop(held);
    let well = look(&taken);
    assert_eq!((well.code, well.one("port")), (Some(0), format!("ok: 127.0.0.1:{port} is free")));

    let server = Server::start(&mind);
    let listens = server.cli().run(&["doctor", "--json"]);
    let place = report(&listens).one("server");
    let place =
        place.strip_prefix("ok: ").and_then(|place| place.strip_suffix(" is ready")).expect("a place");
    let port = place.rsplit(':').next().expect("a port");
    let mut own = server.cli().clone();
    own.set("AURA_API_PORT", port);
    let told = look(&own);
    let expected = format!("ok: 127.0.0.1:{port} is taken by this folder's server, {place}");
    assert_eq!((told.code, told.one("port")), (Some(0), expected));
}

#[test]
fn fix_makes_what_a_first_launch_needs_and_says_so() {
    let ollama = ScriptedOllama::with(&ALL);
    let instance = instance(&ollama.url());
    let data = instance.folder().join("data");
    let (shown, image) = (data.display(), data.join("image.sqlite").display().to_string());
    assert!(look(&instance).one("data-folder").ends_with(" are free [fix]"));
    let fixed = fix(&instance);
    assert_eq!(fixed.code, Some(0));
    assert_eq!(
        fixed.fixes(),
        [
            format!("data-folder: created {shown}, for this user alone"),
            format!("image: created the image {image} with UvmObjects/nil, UvmObjects/system"),
        ]
    );
    assert_eq!(mode(&data), 0o700);
    assert!(fixed.told("image").iter().any(|told| told.starts_with("fixed, ok: content: sound: 2 objects")));
    assert_eq!(fixed.one("image-permissions"), "ok: others of this machine cannot get at it");
    assert!(fixed.one("data-folder").starts_with(&format!("fixed, ok: {shown} is writable; ")));
    let again = fix(&instance);
    assert_eq!((again.code, again.fixes()), (Some(0), Vec::<String>::new()));
    set_mode(&data, 0o755);
    let told = format!("warn: others of this machine may read it -> Run `chmod 700 {shown}`.");
    assert_eq!(look(&instance).one("image-permissions"), told);

    // A file with nothing in it, as a launch that was ended early leaves it.
    for file in fs::read_dir(&data).expect("the folder") {
        fs::remove_file(file.expect("a file").path()).expect("a file");
    }
    fs::write(&image, "").expect("a file");
    let empty = "ok: file: empty; the next start makes an image of it [fix]";
    assert_eq!(look(&instance).one("image"), empty);
    assert!(
        fix(&instance)
            .told("image")
            .iter()
            .any(|told| told.starts_with("fixed, ok: content: sound: 2 objects"))
    );

    // In words.
    fs::remove_dir_all(&data).expect("the folder");
    let done = instance.run(&["doctor", "--fix"]);
    let said = format!(
        "\nfixed data-folder: created {shown}, for this user alone\nfixed image: created the image {image} with \
         UvmObjects/nil, UvmObjects/system\n\nok    settings: "
    );
    assert!(done.code == Some(0) && done.stdout.contains(&said), "{done:?}");
    let done = instance.run(&["doctor", "--fix"]);
    assert!(done.stdout.contains("\nThere is nothing that --fix could do.\n\nok    settings: "), "{done:?}");
}

#[test]
fn files_with_secrets_are_locked_up() {
    let ollama = ScriptedOllama::with(&ALL);
    let mut instance = instance(&ollama.url());
    instance.set("ARANGO_PASS_FILE", "pass");
    let (env, pass) = (instance.folder().join(".env"), instance.folder().join("pass"));
    fs::write(&env, "AURA_API_TOKEN=hush-hush\n").expect("a file");
    fs::write(&pass, "hush\n").expect("a file");
    set_mode(&env, 0o644);
    set_mode(&pass, 0o660);
    let ill = look(&instance);
    assert_eq!(ill.code, Some(1));
    assert_eq!(
        ill.told("secrets"),
        [
            "fail: .env holds a secret, and others may get at it (mode 644) -> Run `chmod 600 .env`. [fix]",
            "fail: pass holds a secret, and others may get at it (mode 660) -> Run `chmod 600 pass`. [fix]",
        ]
    );
    assert_eq!(
        ill.one("token"),
        "warn: AURA_API_TOKEN has fewer than 16 characters, and can be guessed -> Set it to what `openssl rand -hex 32` prints."
    );
    assert_eq!((mode(&env), mode(&pass)), (0o644, 0o660), "a look changes nothing");
    let fixed = fix(&instance);
    assert_eq!(
        (fixed.code, fixed.one("secrets").as_str()),
        (Some(0), "fixed, ok: others cannot read .env, pass")
    );
    assert_eq!((mode(&env), mode(&pass)), (0o600, 0o600));
    fs::write(&env, "AURA_API_TOKEN=0123456789abcdef\n").expect("a file");
    assert_eq!(look(&instance).one("token"), "ok: AURA_API_TOKEN has 16 characters or more");
    // A file without a secret may be read by anyone.
    fs::write(&env, "AURA_QUEUE=7\n").expect("a file");
    set_mode(&env, 0o644);
    let well = look(&instance);
    assert_eq!(
        (well.one("secrets").as_str(), well.one("settings").as_str()),
        ("ok: others cannot read pass", "ok: read from .env")
    );
}

#[test]
fn a_damaged_image_of_the_guest_is_compiled_anew_and_drafts_are_swept() {
    let ollama = ScriptedOllama::with(&ALL);
    let (mut instance, guest, image) = copied(&kept());
    instance.set("OLLAMA_HOST", &ollama.url());
    instance.set("AURA_API_PORT", "0");
    flip_in_the_middle(&image);
    let draft = image.with_added_extension("7.draft");
    fs::write(&draft, "half of it").expect("a draft");
    let ill = look(&instance);
    let told = ill.one("guest");
    let end =
        "), not compiled for this machine yet -> The first start does it, which takes some seconds. [fix]";
    assert!(
        told.starts_with(&format!("warn: {} (SHA-256 ", guest.display())) && told.ends_with(end),
        "{told}"
    );
    let told = ill.one("cache");
    let end = "; 1 draft of compiled images that nobody finishes, 10 B -> Remove them with `aura doctor --fix`. [fix]";
    assert!(told.starts_with("warn: ") && told.ends_with(end), "{told}");

    let done = instance.run(&["doctor", "--fix", "--json"]);
    let fixed = Report { code: done.code, json: serde_json::from_str(&done.stdout).expect("JSON") };
    let done = fixed.fixes();
    assert!(done.contains(&"cache: removed 1 draft".to_owned()), "{done:?}");
    assert!(done.contains(&"guest: compiled Python for this machine".to_owned()), "{done:?}");
    let told = fixed.one("guest");
    assert!(
        told.starts_with("fixed, ok: ") && told.contains("), compiled for this machine (SHA-256 "),
        "{told}"
    );
    assert!(fixed.one("cache").starts_with("fixed, ok: ") && !draft.exists());
}

#[test]
fn a_sandbox_that_is_gone_leaves_no_socket_and_one_that_runs_tells_its_guest() {
    let ollama = ScriptedOllama::with(&ALL);
    let mut instance = instance(&ollama.url());
    assert_eq!(look(&instance).one("sandbox"), "skipped: isolates run in this process");
    let data = instance.folder().join("data");
    fs::create_dir(&data).expect("a folder");
    let socket = data.join("sandbox.sock");
    drop(UnixListener::bind(&socket).expect("a socket"));
    let told = format!(
        "warn: isolates run in this process; {} is left of a sandbox that is gone -> Remove it with `aura doctor --fix`. [fix]",
        socket.display()
    );
    assert_eq!(look(&instance).one("sandbox"), told);
    assert_eq!(fix(&instance).one("sandbox"), "fixed, skipped: isolates run in this process");
    assert!(!socket.exists());

    let url = format!("unix:{}", socket.display());
    instance.set("EXECUTION_SANDBOX_URL", &url);
    drop(UnixListener::bind(&socket).expect("a socket"));
    let ill = fix(&instance);
    let away = "Start it with `aura sandbox serve`, or take it out of EXECUTION_SANDBOX_URL.";
    let told = format!("fixed, unreachable: {url} is away: No such file or directory (os error 2) -> {away}");
    assert_eq!((ill.code, ill.one("sandbox")), (Some(3), told));
    let sandbox = SandboxProcess::start_at(&instance, &url);
    let well = look(&instance);
    let told = well.one("sandbox");
    let begin = format!("ok: {url} is ready, confined by ");
    assert!(well.code == Some(0) && told.starts_with(&begin) && told.contains("; guest SHA-256 "), "{told}");
    assert_eq!(well.one("guest"), "skipped: that is the sandboxes' concern");
    drop(sandbox);
}
