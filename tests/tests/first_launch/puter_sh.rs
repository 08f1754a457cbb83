//! `genesis/puter.sh` where all is well, where something is missing, and where it is interrupted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread;
use std::time::Duration;

use aura_tests::{Done, ScriptedMind, root, which};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::checkout::Checkout;

const INSTEAD: &str = "Without containers, `cargo xtask first-contact` in CHECKOUT runs everything.\n";

fn assert_fails(done: &Done, code: i32, stderr: &str) {
    assert_eq!((done.code, done.stderr.as_str()), (Some(code), stderr), "{}", done.stdout);
}

const FIRST: &str = "\
Mind: none found, so AURA will answer, but learn nothing.
  Start Ollama (https://ollama.com/download) and run this again.
Made the secret compose/secrets/aura_api_token.
Starting the containers.
Creating aura_aura_1
All containers are well.
Genesis: the first objects, and the models of the mind.
Created UvmObjects/system.
What the doctor finds:
ok    image

AURA is up at http://127.0.0.1:8000. Talk to it:

  CHECKOUT/genesis/puter.sh client
  CHECKOUT/genesis/puter.sh monologue

In the client: send UvmObjects/system teach_yourself_to_greet
";

pub fn a_second_run_changes_nothing() {
    let mut checkout = Checkout::new();
    // What a user of cd may have set.
    checkout.set("CDPATH", "/tmp:/");
    let done = checkout.run(&[]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), FIRST, ""));
    let calls = checkout.calls();

    let secret = checkout.secrets().join("aura_api_token");
    let mode = |path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(checkout.secrets()), mode(secret.clone())), (0o700, 0o444));
    let token = fs::read_to_string(&secret).expect("the secret is text");
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    let told = [calls.join("\n"), done.stdout].concat();
    assert!(!told.contains(&token), "the secret is shown: {told}");

    let written = fs::metadata(&secret).and_then(|file| file.modified()).expect("its time");
    let done = checkout.run(&["up"]);
    let second = FIRST.replace("Made the secret compose/secrets/aura_api_token.\n", "");
    let second = second.replace("Creating aura_aura_1\n", "");
    assert_eq!((done.code, done.stdout, done.stderr.as_str()), (Some(0), second, ""));
    assert_eq!(fs::read_to_string(&secret).expect("the secret is text"), token);
    assert_eq!(fs::metadata(&secret).and_then(|file| file.modified()).expect("its time"), written);
    assert_eq!(fs::read_dir(checkout.secrets()).expect("the folder").count(), 1);
    let starts =
        |calls: &[String]| calls.iter().filter(|call| call.ends_with("up -d")).cloned().collect::<Vec<_>>();
    assert_eq!(starts(&checkout.calls()), starts(&calls));
    assert_eq!(starts(&calls), ["docker compose -p aura -f compose.yaml up -d"]);
}

pub fn no_docker() {
    let checkout = Checkout::new();
    checkout.without("docker");
    let text = format!(
        "Docker is not installed here.\nInstall it: https://docs.docker.com/engine/install/\n{INSTEAD}"
    );
    assert_fails(&checkout.run(&[]), 3, &text);
    let checkout = Checkout::on_wsl();
    checkout.without("docker");
    let text = format!("Docker is not installed here.\n{SWITCH_ON}\n{INSTEAD}");
    assert_fails(&checkout.run(&[]), 3, &text);
}

const SWITCH_ON: &str =
    "Start Docker Desktop in Windows, and in its Settings > Resources > WSL integration switch this on.";

pub fn docker_does_not_answer() {
    const DOWN: &str =
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?";
    let checkout = Checkout::new();
    checkout.says("info.fails", DOWN);
    let cure = "Start it: `sudo systemctl start docker`, or open Docker Desktop.";
    assert_fails(&checkout.run(&[]), 3, &format!("Docker does not answer: {DOWN}\n{cure}\n{INSTEAD}"));
    assert_fails(&checkout.run(&["down"]), 3, &format!("Docker does not answer: {DOWN}\n{cure}\n{INSTEAD}"));

    let checkout = Checkout::on_wsl();
    checkout.says("info.fails", DOWN);
    assert_fails(&checkout.run(&[]), 3, &format!("Docker does not answer: {DOWN}\n{SWITCH_ON}\n{INSTEAD}"));
    checkout.says("info.fails", "\nThe command 'docker' could not be found in this WSL 2 distro.\n");
    let text = format!("Docker Desktop is not switched on for this WSL distribution.\n{SWITCH_ON}\n");
    assert_fails(&checkout.run(&[]), 3, &text);
}

pub fn this_user_may_not() {
    const DENIED: &str = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock";
    let checkout = Checkout::new();
    checkout.program("id", "#!/usr/bin/env bash\necho robin\n");
    checkout.says("info.fails", DENIED);
    let text =
        "This user may not speak to Docker.\nRun `sudo usermod -aG docker robin`, then log in again.\n";
    assert_fails(&checkout.run(&[]), 3, text);
}

pub fn compose_is_missing_or_old() {
    let checkout = Checkout::new();
    checkout.says_no_more("version");
    let cure = "Install the plugin: https://docs.docker.com/compose/install/\n";
    assert_fails(&checkout.run(&[]), 3, &format!("Docker Compose is not installed.\n{cure}"));
    checkout.program("docker-compose", "#!/usr/bin/env bash\necho 1.25.0\n");
    let text = "docker-compose 1.25.0 is too old: 1.29 or newer is needed.\n";
    assert_fails(&checkout.run(&[]), 3, &format!("{text}{cure}"));
}

pub fn the_older_compose_will_do() {
    let checkout = Checkout::new();
    let program = include_str!("docker.sh");
    checkout.program("docker", &program.replace("[[ $1 == compose ]]", "[[ $1 == compose ]] && exit 1"));
    checkout.program("docker-compose", program);
    checkout.says("version", "1.29.2\n");
    let done = checkout.run(&[]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (Some(0), FIRST, ""));
    assert!(checkout.calls().contains(&"docker-compose -p aura -f compose.yaml up -d".to_owned()));
}

pub fn a_port_is_taken() {
    const CURE: &str = "A port that AURA needs is taken by another program.\n\
        Set another in compose/.env, such as AURA_API_PORT=8010, and run this again.\n";
    let said = [
        "Error: failed to bind host port for 127.0.0.1:8000: address already in use",
        "ERROR: for aura  Cannot start service aura: Bind for 127.0.0.1:8000 failed: port is already allocated",
        "Error response from daemon: Ports are not available: exposing port TCP 127.0.0.1:8000 -> 0.0.0.0:0",
    ];
    for said in said {
        let checkout = Checkout::new();
        checkout.says("up.fails", said);
        let done = checkout.run(&[]);
        assert_fails(&done, 1, CURE);
        assert!(done.stdout.ends_with(said), "{}", done.stdout);
    }
}

pub fn what_is_ill_is_shown() {
    let checkout = Checkout::new();
    checkout.says("health", "Up 2 minutes (unhealthy)");
    let ill = |how: &str| {
        format!(
            "\naura_aura_1 is {how}. It said last:\n    cannot open /data\n\
             AURA has not become healthy.\n\
             What it said is above. `puter.sh status` looks again; the next run goes on from here.\n"
        )
    };
    assert_fails(&checkout.run(&[]), 1, &ill("unhealthy"));
    checkout.says("health", "Restarting (1) 4 seconds ago");
    assert_fails(&checkout.run(&[]), 1, &ill("falling"));
    checkout.says("health", "Up 2 minutes (healthy)");
    checkout.says("genesis.fails", "cannot pull\n");
    let text =
        "cannot pull\nGenesis is not complete.\nWhat is above says why; the next run goes on from here.\n";
    assert_fails(&checkout.run(&[]), 1, text);
    checkout.says_no_more("genesis.fails");
    assert_eq!(checkout.run(&[]).code, Some(0));
}

/// It waits no longer than it was told to for what does not become healthy.
pub fn waiting_ends() {
    let mut checkout = Checkout::new();
    checkout.set("AURA_LAUNCH_PATIENCE_S", "0");
    checkout.says("health", "Up 2 seconds (health: starting)");
    let done = checkout.run(&[]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(done.stderr.contains("aura_aura_1 is starting"), "{}", done.stderr);
}

pub fn images_are_built() {
    let checkout = Checkout::new();
    checkout.says("images", "aura-sandbox:0.1.0\n");
    let text = "The images aura:0.1.0 are not there, and neither is Rust to build them.\n\
        Install Rust from https://rustup.rs, or load images made elsewhere with `docker load`.\n";
    assert_fails(&checkout.run(&[]), 3, text);

    // Not on the PATH, as in a shell that is not a login shell.
    let cargo_home = checkout.home().join(".cargo/bin");
    fs::create_dir_all(&cargo_home).expect("a folder");
    let cargo =
        "#!/usr/bin/env bash\necho \"cargo $*\" >>\"$STATE/calls\"\necho aura:0.1.0 >>\"$STATE/images\"\n";
    checkout.program("cargo", cargo);
    let from = checkout.place().join("../../bin/cargo");
    fs::rename(from, cargo_home.join("cargo")).expect("it can be moved");
    let done = checkout.run(&[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(
        done.stdout.contains("\nBuilding aura:0.1.0: the first time this takes a while.\n"),
        "{}",
        done.stdout
    );
    assert!(checkout.calls().contains(&"cargo xtask image".to_owned()));
    let done = checkout.run(&[]);
    assert_eq!((done.code, done.stdout.contains("Building")), (Some(0), false));
}

pub fn an_interrupted_run_is_completed() {
    let checkout = Checkout::new();
    checkout.says("up.waits", "");
    let mut child = checkout.command(&[]).spawn().expect("it starts");
    while !checkout.said("up.began") {
        assert_eq!(child.try_wait().expect("it can be asked"), None, "it ended before it was interrupted");
        thread::sleep(Duration::from_millis(20));
    }
    // As Ctrl-C in a terminal does.
    killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).expect("it runs");
    let done = checkout.done(child.wait_with_output().expect("it ends"));
    assert_eq!(done.code, Some(130), "{}{}", done.stdout, done.stderr);
    assert!(done.stderr.ends_with("\nInterrupted. The next run goes on from here.\n"), "{}", done.stderr);
    let secret = checkout.secrets().join("aura_api_token");
    let token = fs::read_to_string(&secret).expect("the secret was made");

    checkout.says_no_more("up.waits");
    let done = checkout.run(&[]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(fs::read_to_string(&secret).expect("the secret"), token);
}

pub fn an_empty_secret_is_told() {
    let checkout = Checkout::new();
    fs::create_dir(checkout.secrets()).expect("a folder");
    fs::write(checkout.secrets().join("aura_api_token"), "").expect("a file");
    let text = "The secret CHECKOUT/compose/secrets/aura_api_token is empty.\nRemove that file and run this again.\n";
    assert_fails(&checkout.run(&[]), 3, text);
}

pub fn the_mind_is_found() {
    let started = |checkout: &Checkout| {
        let call = checkout.calls().into_iter().find(|call| call.ends_with(" up -d"));
        call.unwrap_or_default().replace("docker compose -p aura -f compose.yaml", "")
    };
    let checkout = Checkout::new();
    checkout.says("gpu", "");
    let done = checkout.run(&["--no-models"]);
    assert!(
        done.stdout.starts_with("Mind: Ollama in a container, on the GPU.\n"),
        "{}{}",
        done.stdout,
        done.stderr
    );
    assert_eq!(started(&checkout), " -f compose.ollama.yaml up -d");

    // What runs is kept, though another choice would be made now.
    checkout.says_no_more("gpu");
    checkout.run(&[]);
    assert_eq!(started(&checkout), " -f compose.ollama.yaml up -d");

    let mut checkout = Checkout::new();
    checkout.set("AURA_MIND", "openai");
    let done = checkout.run(&[]);
    assert!(done.stdout.starts_with("Mind: as compose/.env or the environment says.\n"), "{}", done.stdout);
    assert_eq!(started(&checkout), " up -d");
    fs::write(checkout.secrets().join("openai_api_key"), "a key\n").expect("a file");
    checkout.run(&[]);
    assert_eq!(started(&checkout), " -f compose.openai.yaml up -d");
    assert_eq!(fs::read_to_string(checkout.secrets().join("openai_api_key")).expect("a file"), "a key\n");
}

/// An Ollama of this machine, seen by containers or not.
pub fn ollama_on_this_machine_is_found() {
    let mind = ScriptedMind::start_blocking();
    let url = mind.url();
    let port = url.rsplit(':').next().expect("a port");
    let mut checkout = Checkout::new();
    checkout.tool("curl");
    checkout.set("OLLAMA_PORT", port);
    // Where it listens is not where containers find it.
    checkout.set("OLLAMA_HOST", &url);
    let done = checkout.run(&[]);
    let told = "Mind: Ollama on this machine.\n  Containers do not reach it: it listens on 127.0.0.1 alone.\n  \
        Give it the lines [Service] and Environment=OLLAMA_HOST=127.0.0.9 with `sudo systemctl edit ollama`,\n  \
        then `sudo systemctl restart ollama`, and run this again.\n";
    assert!(done.stdout.starts_with(told), "{}{}", done.stdout, done.stderr);
    assert!(checkout.calls().iter().any(|call| call.ends_with("-f compose.ollama-on-host.yaml up -d")));
    checkout.says("system", "Docker Desktop\n");
    let done = checkout.run(&[]);
    assert!(done.stdout.starts_with("Mind: Ollama on this machine.\nStarting"), "{}", done.stdout);
}

pub fn arango_gets_its_secrets_and_is_kept() {
    let checkout = Checkout::new();
    let done = checkout.run(&["--arango"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let names = |checkout: &Checkout| {
        let names = fs::read_dir(checkout.secrets())
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    assert_eq!(names(&checkout), ["arango_jwt_secret", "arango_root_password", "aura_api_token"]);
    assert_eq!(checkout.run(&["down"]).code, Some(0));
    checkout.calls();
    let done = checkout.run(&[]);
    assert!(done.stdout.starts_with("Image of objects: ArangoDB.\n"), "{}", done.stdout);
    assert!(
        checkout
            .calls()
            .contains(&"docker compose -p aura -f compose.yaml -f compose.arango.yaml up -d".to_owned())
    );
}

/// Other folders are called `compose` too. What another project learnt is not mistaken for its own.
pub fn its_project_has_a_name_of_its_own() {
    let compose = |checkout: &Checkout| {
        let calls = checkout.calls().into_iter();
        calls.filter(|call| call.starts_with("docker compose -")).collect::<Vec<_>>()
    };
    let all_of = |calls: &[String], project: &str| {
        let begin = format!("docker compose -p {project} -f compose.yaml ");
        assert!(!calls.is_empty() && calls.iter().all(|call| call.starts_with(&begin)), "{calls:?}");
    };
    let mut checkout = Checkout::new();
    checkout.run(&["--arango"]);
    all_of(&compose(&checkout), "aura");
    fs::write(checkout.place().join("compose/.env"), "COMPOSE_PROJECT_NAME=mine\n").expect("a file");
    let done = checkout.run(&[]);
    assert!(!done.stdout.contains("ArangoDB"), "{}", done.stdout);
    all_of(&compose(&checkout), "mine");
    checkout.set("COMPOSE_PROJECT_NAME", "ours");
    checkout.run(&["down"]);
    assert_eq!(compose(&checkout), ["docker compose -p ours -f compose.yaml down --remove-orphans"]);
}

/// On a disk of 200 MB, mounted for this run alone.
pub fn a_full_disk_is_told() {
    let checkout = Checkout::new();
    for tool in ["cp", "mount", "sh"] {
        checkout.tool(tool);
    }
    let script = "set -e\ncp -r \"$1\" \"$STATE/checkout\"\nmount -t tmpfs -o size=200m none \"$1\"\n\
        cp -r \"$STATE/checkout/.\" \"$1\"\nexec \"$1/genesis/puter.sh\"";
    let mut command = Command::new(which("unshare").expect("it is there, else this is skipped"));
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(checkout.place());
    checkout.prepare(&mut command);
    let done = checkout.done(command.output().expect("it starts"));
    let text = "Only 200 MB are free in CHECKOUT/compose, and AURA needs 1024 MB.\n\
        Make room there (`docker system df` shows what Docker keeps), then run this again.\n";
    assert_fails(&done, 3, text);
}

/// Whether a disk can be mounted for one process.
pub fn can_mount() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "mount", "-t", "tmpfs", "-o", "size=200m", "none", "/mnt"]);
    command.output().is_ok_and(|output| output.status.success())
}

pub fn wrong_usage_is_told() {
    let checkout = Checkout::new();
    let usage = checkout.run(&["--help"]);
    assert_eq!((usage.code, usage.stderr.as_str()), (Some(0), ""));
    let text = format!("--please is neither a command nor an option.\n\n{}", usage.stdout);
    assert_fails(&checkout.run(&["up", "--please"]), 2, &text);
    assert_fails(&checkout.run(&["up", "down"]), 2, "up and down exclude each other.\nChoose one.\n");
    let text = "--gpu and --host-ollama exclude each other.\nChoose one.\n";
    assert_fails(&checkout.run(&["--gpu", "--host-ollama"]), 2, text);
    assert_eq!(checkout.calls(), Vec::<String>::new());
}

pub fn the_other_commands_need_a_server() {
    let checkout = Checkout::new();
    for command in ["monologue", "client", "status"] {
        let text = "AURA is not running.\nStart it: CHECKOUT/genesis/puter.sh\n";
        assert_fails(&checkout.run(&[command]), 3, text);
    }
    assert_eq!(checkout.run(&[]).code, Some(0));
    for (command, call) in [
        ("monologue", "logs -f --tail 100 aura"),
        ("client", "exec aura /aura repl"),
        ("status", "exec -T aura /aura doctor"),
        ("down", "down --remove-orphans"),
    ] {
        checkout.calls();
        assert_eq!(checkout.run(&[command]).code, Some(0), "{command}");
        assert_eq!(checkout.calls().last(), Some(&format!("docker compose -p aura -f compose.yaml {call}")));
    }
}

pub fn shellcheck_is_content() {
    let output = Command::new("shellcheck").arg(root().join("genesis/puter.sh")).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
