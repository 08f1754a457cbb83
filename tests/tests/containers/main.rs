//! The container images, started with what `compose/compose.yaml` says. They need Docker with Compose, and the images:
//! `cargo xtask test` makes these where there is an engine. Elsewhere the tests are reported as skipped.

mod stack;

use std::fs;
use std::process::{Command, ExitCode};

use aura_tests::compose::SECRET;
use aura_tests::proc::ticks;
use aura_tests::{root, trial, until};
use libtest_mimic::Arguments;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use self::stack::{Stack, docker, inspect, is_possible, process};

const SANDBOX: &str = concat!("aura-sandbox:", env!("CARGO_PKG_VERSION"));
const CONFINED: &str = "confined by limits, no privileges, Landlock, seccomp";

fn main() -> ExitCode {
    let trial = |name: &str, test: fn()| trial(name, test).with_ignored_flag(!is_possible());
    let mut trials = vec![
        trial("the_image_holds_nothing_but_a_program_and_python", the_image_holds_nothing_else),
        trial("the_image_is_the_same_bytes_again", the_image_is_the_same_bytes_again),
        trial("methods_run_in_the_sandbox_and_are_replayed", methods_run_in_the_sandbox),
        trial("a_method_goes_on_elsewhere_when_its_sandbox_is_killed", a_sandbox_is_killed),
        trial("what_was_accepted_is_done_when_the_server_is_killed", the_server_is_killed),
    ];
    // It makes system calls by their numbers.
    if cfg!(target_arch = "x86_64") {
        trials.push(trial("a_hostile_program_finds_the_walls_of_the_container", the_walls));
        trials.push(trial("memory_and_processes_are_bounded", memory_and_processes_are_bounded));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn the_image_holds_nothing_else() {
    let container = docker(&["create", SANDBOX]).ok().trim().to_owned();
    let list = Command::new("sh").args(["-c", &format!("docker export {container} | tar -t")]).output();
    docker(&["rm", &container]).ok();
    let list = String::from_utf8(list.expect("tar is there").stdout).expect("names are text");
    let of_the_engine = [".dockerenv", "dev/", "etc/", "proc/", "sys/"];
    let ours = list.lines().filter(|name| !of_the_engine.iter().any(|theirs| name.starts_with(theirs)));
    let mut ours: Vec<_> = ours.collect();
    ours.sort_unstable();
    let expected = ["aura-sandbox", "image/", "image/python.cwasm", "image/python.json", "run/", "run/aura/"];
    assert_eq!(ours, expected);

    let labels = inspect(SANDBOX)["Config"]["Labels"].take();
    let digest = |name: &str| labels[name].as_str().is_some_and(|text| text.len() == 64);
    assert!(digest("aura.guest") && digest("aura.configuration"), "{labels}");
    assert_eq!(labels["org.opencontainers.image.title"], "aura-sandbox");
}

/// Its layers, which are named by their content. The image itself has the time of its making as well, where the
/// builder does not take that from `SOURCE_DATE_EPOCH`.
fn the_image_is_the_same_bytes_again() {
    let context = std::env::var("AURA_TEST_IMAGES").expect("where the images were made from");
    let recipe = root().join("sandbox-image/Dockerfile");
    let tag = format!("auratest{}", std::process::id());
    let build = ["build", "--no-cache", "--quiet", "--tag", &tag, "--file"];
    let recipe = recipe.to_str().expect("a path of text");
    let context = format!("{context}/aura-sandbox");
    docker(&[&build[..], &[recipe, &context]].concat()).ok();
    let layers = |image: &str| inspect(image)["RootFS"]["Layers"].take();
    let again = layers(&tag);
    docker(&["rmi", &tag]).ok();
    assert_eq!(layers(SANDBOX), again);
}

fn methods_run_in_the_sandbox() {
    let stack = Stack::new();
    stack.up(&["--scale", "sandbox=2"]);
    stack.install("count", "self.n = getattr(self, 'n', 0) + 1\nprint('counted')\nreturn self.n");
    let record = stack.send("count");
    assert_eq!((&record["result"], &record["output"]), (&json!(1), &json!("counted\n")));
    let invocation = record["invocation_id"].as_str().expect("a recorded run").to_owned();
    let replay = stack.aura(&["replay", &invocation], "");
    assert!(replay.stdout.contains("identical"), "{}{}", replay.stdout, replay.stderr);

    let refused = stack.aura(&["audit", "-"], "import os\nreturn os.listdir('/')");
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);

    let report = stack.aura(&["doctor", "--json"], "");
    let report: Value = serde_json::from_str(&report.stdout).expect("JSON");
    let checks = report["checks"].as_array().expect("checks");
    let sandboxes = checks.iter().filter(|check| check["what"] == "sandbox");
    let found: Vec<_> = sandboxes.map(|check| check["found"].as_str().unwrap_or_default()).collect();
    let guest = inspect(SANDBOX)["Config"]["Labels"]["aura.guest"].as_str().unwrap_or_default().to_owned();
    let ready = |place| format!("unix:/run/aura/{place}.sock is ready, {CONFINED}; guest SHA-256 {guest}");
    assert_eq!(found, [ready(0), ready(1)]);
}

fn a_sandbox_is_killed() {
    let stack = Stack::new();
    stack.up(&[]);
    stack.install("slow", "n = 0\nfor _ in range(3000000): n += 1\nreturn n");
    stack
        .aura(
            &["method", "quota", "UvmObjects/system", "slow", "--wall-ms", "60000", "--fuel", "900000000000"],
            "",
        )
        .ok();
    let sandbox = stack.containers("sandbox").remove(0);
    let first = process(&sandbox);
    let before = ticks(first.cast_unsigned());
    let told = stack.aura(&["send", "--no-wait", "UvmObjects/system", "slow"], "").ok();
    let id = told.trim().to_owned();
    until("the method runs", || ticks(first.cast_unsigned()) > before + 30);
    // Docker starts again what ended by itself, but not what it was told to kill.
    kill(Pid::from_raw(first), Signal::SIGKILL).expect("it runs");
    until("the sandbox is back", || {
        let state = &inspect(&sandbox)["State"];
        state["Running"] == true && state["Pid"] != first && state["Health"]["Status"] == "healthy"
    });
    let path = format!("/messages/{id}");
    let record = ended(&stack, &path);
    assert_eq!((&record["status"], &record["result"]), (&json!("completed"), &json!(3_000_000)));
    assert_eq!(stack.send("slow")["result"], 3_000_000);
}

fn the_server_is_killed() {
    let stack = Stack::new();
    stack.up(&[]);
    stack.install("count", "n = 0\nfor _ in range(300000): n += 1\nself.n = getattr(self, 'n', 0) + 1");
    let ids: Vec<_> = (0..5)
        .map(|_| stack.aura(&["send", "--no-wait", "UvmObjects/system", "count"], "").ok().trim().to_owned())
        .collect();
    let server = stack.containers("aura").remove(0);
    let first = process(&server);
    kill(Pid::from_raw(first), Signal::SIGKILL).expect("it runs");
    until("the server is back", || {
        let state = &inspect(&server)["State"];
        state["Pid"] != first && state["Health"]["Status"] == "healthy"
    });
    for id in ids {
        assert_eq!(ended(&stack, &format!("/messages/{id}"))["status"], "completed");
    }
    let object = stack.aura(&["object", "show", "--json", "UvmObjects/system"], "").ok();
    let object: Value = serde_json::from_str(&object).expect("JSON");
    assert_eq!(object["attributes"]["n"], 5);
}

/// The record of a message when it has ended, asked over the published port.
fn ended(stack: &Stack, path: &str) -> Value {
    let server = inspect(&stack.containers("aura").remove(0));
    let port =
        server["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"].as_str().expect("a port").to_owned();
    let url = format!("http://127.0.0.1:{port}{path}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let asked = http.get(&url).bearer_auth(SECRET).header("prefer", "wait=60").send().await;
        let text = asked.expect("it answers").text().await.expect("text");
        serde_json::from_str(&text).expect("JSON")
    })
}

/// A stack whose sandbox is another program, with all that holds the sandbox.
fn probed() -> Stack {
    let stack = Stack::new().with(
        "probe",
        r#"services:
  probe:
    extends: { file: compose.yaml, service: sandbox }
    entrypoint: ["/probe/probe"]
    restart: "no"
    volumes: ["./probe:/probe:ro"]
"#,
    );
    let folder = stack.folder().join("probe");
    fs::create_dir(&folder).expect("a folder");
    let source = root().join("tests/tests/containers/probe.rs");
    let mut rustc = Command::new("rustc");
    rustc.args(["--edition", "2024", "-Ctarget-feature=+crt-static", "-O"]).arg(source);
    let status = rustc.arg("-o").arg(folder.join("probe")).status().expect("rustc starts");
    assert!(status.success(), "the probe is not compiled");
    stack
}

fn the_walls() {
    let stack = probed();
    let told = stack.compose(&["run", "--rm", "--no-deps", "-T", "probe", "walls"]);
    assert_eq!(told.stdout, include_str!("walls.txt"), "{}", told.stderr);
}

fn memory_and_processes_are_bounded() {
    let stack = probed();
    let told = stack.compose(&["run", "--rm", "--no-deps", "-T", "probe", "processes"]);
    assert_eq!(told.stdout, "511 processes: Resource temporarily unavailable (os error 11)\n");
    let told = stack.compose(&["run", "--rm", "--no-deps", "-T", "probe", "memory"]);
    let megabytes = told.stdout.lines().last().and_then(|line| line.parse::<u32>().ok());
    assert_eq!(told.code, Some(137), "it is killed: {}", told.stderr);
    assert!(megabytes.is_some_and(|taken| (1_900..=2_048).contains(&taken)), "{megabytes:?}");
}
