//! Sandboxes that die, hang and come back, while a server makes use of them.

use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use aura_tests::proc::ticks;
use aura_tests::{Client, Instance, Record, SandboxProcess, ScriptedMind, Server};
use futures::future::join_all;
use serde_json::json;

/// Adds one to a counter; long enough to be killed meanwhile.
const COUNT: &str = "for _ in range(args[0]):\n    pass\nself.n = getattr(self, 'n', 0) + 1\nreturn self.n";
/// The same in another object's method, on the way.
const THROUGH: &str =
    "self.m = self.send('system', 'count', 0)\nfor _ in range(args[0]):\n    pass\nreturn self.m";

/// Takes seconds: far longer than what is waited for before the sandbox is killed.
const LONG: u64 = 20_000_000;

struct Scene {
    sandboxes: Vec<SandboxProcess>,
    instance: Instance,
    server: Server,
    _mind: ScriptedMind,
}

impl Scene {
    async fn with(sandboxes: usize) -> Self {
        let mind = ScriptedMind::start().await;
        let instance = Instance::new(&[]);
        let names = (0..sandboxes).map(|number| format!("{number}.sock"));
        let sandboxes: Vec<_> = names.map(|name| SandboxProcess::start(&instance, &name)).collect();
        let urls: Vec<_> = sandboxes.iter().map(SandboxProcess::url).collect();
        let server = Server::start_with(&[
            ("OLLAMA_HOST", &mind.url()),
            ("EXECUTION_SANDBOX_URL", &urls.join(",")),
            ("AURA_FUEL", "100000000000"),
            ("AURA_WALL_MS", "60000"),
        ]);
        let scene = Self { sandboxes, instance, server, _mind: mind };
        for (name, source) in [("count", COUNT), ("through", THROUGH)] {
            let body = json!({ "source": source }).to_string();
            let path = format!("/objects/system/methods/{name}");
            let installed = scene.client().send("PUT", &path, &body).await;
            assert_eq!(installed.status, 201, "{}", installed.text);
        }
        scene
    }

    fn client(&self) -> &Client {
        self.server.client()
    }

    async fn send(&self, method: &str, turns: u64) -> Record {
        let message = json!({ "target_object_id": "system", "method_name": method, "args": [turns] });
        self.client().message(&message.to_string()).await
    }

    /// Returns when a sandbox has begun to burn processor time on a run.
    async fn until_it_runs(sandbox: &SandboxProcess, before: u64) {
        while ticks(sandbox.id()) < before + 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn counted(&self) -> serde_json::Value {
        self.client().get("/objects/system").await.json()["attributes"]["n"].clone()
    }
}

fn is_done(record: &Record, result: &str) {
    let error = record.error.as_ref().map(|error| &error.message);
    assert_eq!((record.status.as_str(), record.result.get(), error), ("completed", result, None));
}

#[tokio::test]
async fn a_run_whose_sandbox_is_killed_is_made_again_when_that_is_back() {
    for method in ["count", "through"] {
        let mut scene = Scene::with(1).await;
        let sandbox = scene.sandboxes.remove(0);
        let (before, url) = (ticks(sandbox.id()), sandbox.url().to_owned());
        let (scene, instance) = (&scene, scene.instance.clone());
        let kill = async {
            Scene::until_it_runs(&sandbox, before).await;
            let newest = scene.client().get("/messages?limit=1").await.json();
            assert_eq!(newest["messages"][0]["status"], "running", "{newest}");
            sandbox.kill();
            SandboxProcess::start_at(&instance, &url)
        };
        let (record, _again) = tokio::join!(scene.send(method, LONG), kill);
        is_done(&record, "1");
        assert_eq!(scene.counted().await, 1);
        is_done(&scene.send("count", 0).await, "2");
    }
}

#[tokio::test]
async fn a_run_whose_sandbox_hangs_is_made_in_another() {
    let scene = Scene::with(2).await;
    let quota = json!({ "source": COUNT, "quota": { "wall_ms": 1_000 } }).to_string();
    let installed = scene.client().send("PUT", "/objects/system/methods/quick", &quota).await;
    assert_eq!(installed.status, 201, "{}", installed.text);
    for (round, sandbox) in scene.sandboxes.iter().enumerate() {
        sandbox.freeze();
        for turn in 0..3 {
            is_done(&scene.send("quick", 0).await, &(round * 4 + turn + 1).to_string());
        }
        let ready = scene.client().get("/readyz").await;
        assert_eq!(ready.status, 200, "{}", ready.text);
        sandbox.wake();
        is_done(&scene.send("quick", 0).await, &(round * 4 + 4).to_string());
        while scene.client().get("/readyz").await.text.contains("is away") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn without_a_sandbox_messages_fail_and_change_nothing_and_with_it_they_work_again() {
    let mut scene = Scene::with(1).await;
    let sandbox = scene.sandboxes.remove(0);
    let url = sandbox.url().to_owned();
    sandbox.kill();
    let record = scene.send("count", 0).await;
    let error = record.error.expect("it fails");
    let text = format!("no sandbox can be used: {url} is away: Connection refused (os error 111)");
    assert_eq!((error.kind.as_str(), error.message), ("SandboxUnavailable", text));
    assert_eq!(scene.counted().await, serde_json::Value::Null);
    let ready = scene.client().get("/readyz").await;
    let detail = format!("{url} is away: Connection refused (os error 111)");
    assert_eq!((ready.status, ready.json()["sandbox"]["detail"].clone()), (503, detail.into()));
    let doctor = scene.server.cli().run(&["doctor"]);
    let line = format!("FAIL  sandbox: {url} is away: Connection refused (os error 111)\n");
    assert!(doctor.stdout.contains(&line), "{}", doctor.stdout);

    let again = SandboxProcess::start_at(&scene.instance, &url);
    while scene.client().get("/readyz").await.status != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    is_done(&scene.send("count", 0).await, "1");
    let ready = scene.client().get("/readyz").await.json();
    let detail = format!("{url} is ready (confined by limits, no privileges, Landlock, seccomp)");
    assert_eq!(ready["sandbox"]["detail"], detail.as_str());
    drop(again);
}

#[tokio::test]
async fn load_goes_on_when_one_of_two_sandboxes_dies() {
    let mut scene = Scene::with(2).await;
    for number in 0..8 {
        let body = json!({ "key": format!("o{number}"), "prototypes": ["system"] }).to_string();
        assert_eq!(scene.client().send("POST", "/objects", &body).await.status, 201);
    }
    let dies = scene.sandboxes.remove(0);
    let before = ticks(dies.id());
    let kill = async {
        Scene::until_it_runs(&dies, before).await;
        dies.kill();
    };
    let scene = &scene;
    let sends = join_all((0..8).map(async |number| {
        for turn in 1..=10 {
            let target = format!("o{number}");
            let message = json!({ "target_object_id": target, "method_name": "count", "args": [500_000] });
            is_done(&scene.client().message(&message.to_string()).await, &turn.to_string());
        }
    }));
    tokio::join!(sends, kill);
    for number in 0..8 {
        let object = scene.client().get(&format!("/objects/o{number}")).await.json();
        assert_eq!(object["attributes"]["n"], 10, "{object}");
    }
}

#[tokio::test]
async fn sandboxes_of_a_folder_are_found_as_they_come_and_go() {
    let instance = Instance::new(&[]);
    let folder = instance.folder().join("sandboxes");
    std::fs::create_dir(&folder).expect("a folder");
    let url = format!("unix:{}/", folder.display());
    let at = |place: u32| format!("{url}{place}.sock");
    let begin = || SandboxProcess::start_at(&instance, &url);
    let first = begin();
    assert_eq!(first.url(), at(0));
    let server =
        Server::start_with(&[("OLLAMA_HOST", "http://127.0.0.1:9"), ("EXECUTION_SANDBOX_URL", &url)]);
    let detail = async || server.client().get("/readyz").await.json()["sandbox"]["detail"].to_string();
    let (seen, away) =
        (async |place| while !detail().await.contains(&format!("{} is ready", at(place))) {}, "is away");
    let second = begin();
    assert_eq!(second.url(), at(1));
    seen(1).await;
    assert!(!detail().await.contains(away), "{}", detail().await);

    first.kill();
    for _ in 0..4 {
        let body = json!({ "source": "return 1" }).to_string();
        let put = server.client().send("PUT", "/objects/system/methods/one", &body).await;
        assert_eq!(put.status, 201, "{}", put.text);
    }
    // The next one takes the place of the one that is gone.
    let third = begin();
    assert_eq!(third.url(), at(0));
    seen(0).await;
    let doctor = server.cli().run(&["doctor"]).stdout;
    let found: Vec<_> = doctor.lines().filter(|line| line.contains("sandbox: ")).collect();
    let ready = |place| format!("ok    sandbox: {} is ready, ", at(place));
    assert!(
        found.len() == 2 && found[0].starts_with(&ready(0)) && found[1].starts_with(&ready(1)),
        "{doctor}"
    );

    for sandbox in [second, third] {
        sandbox.kill();
    }
    for place in [0, 1] {
        std::fs::remove_file(folder.join(format!("{place}.sock"))).expect("it is left behind");
    }
    let message = json!({ "target_object_id": "system", "method_name": "one" }).to_string();
    let error = server.client().message(&message).await.error.expect("it fails");
    let text = format!("no sandbox can be used: no sandbox listens in {url}");
    assert_eq!((error.kind.as_str(), error.message), ("SandboxUnavailable", text));
}

/// Places that others keep in ways of their own: one that lets all wait, a link to elsewhere, a file.
#[tokio::test]
async fn a_sandbox_passes_over_what_is_not_its_own_in_a_folder() {
    let instance = Instance::new(&[]);
    let folder = instance.folder().join("sandboxes");
    std::fs::create_dir(&folder).expect("a folder");
    let hung = UnixListener::bind(folder.join("0.sock")).expect("a socket");
    // SAFETY: the descriptor is that of a socket that listens.
    assert_eq!(unsafe { libc::listen(hung.as_raw_fd(), 0) }, 0);
    let _waiting = UnixStream::connect(folder.join("0.sock")).expect("one may wait");
    std::fs::write(folder.join("1.sock"), "a file").expect("a file");
    let sandbox = SandboxProcess::start_at(&instance, &format!("unix:{}/", folder.display()));
    assert_eq!(sandbox.url(), format!("unix:{}/2.sock", folder.display()));
    sandbox.kill();

    let elsewhere = instance.folder().join("elsewhere");
    std::fs::remove_file(folder.join("2.owner")).expect("it was made");
    std::os::unix::fs::symlink(&elsewhere, folder.join("2.owner")).expect("a link");
    let listen = format!("unix:{}/", folder.display());
    let refused = instance.run(&["sandbox", "serve", "--listen", &listen]);
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    let text = format!("error: Cannot listen on {listen}: Too many levels of symbolic links (os error 40)\n");
    assert!(refused.stderr.ends_with(&text), "{}", refused.stderr);
    assert!(!elsewhere.exists());
}
