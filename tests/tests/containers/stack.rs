//! The containers as `compose/compose.yaml` starts them, from a copy of its folder.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use aura_tests::compose::{Folder, Tool};
use aura_tests::{Done, until};
use serde_json::Value;

/// Set by `cargo xtask test` when it has made the images.
const VARIABLE: &str = "AURA_TEST_IMAGES";

pub fn is_possible() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// A Compose project of its own. Taken down when this value goes, with its volumes.
pub struct Stack {
    tool: Tool,
    name: String,
    folder: Folder,
    overrides: Vec<&'static str>,
}

pub fn docker(args: &[&str]) -> Done {
    Command::new("docker").args(args).stdin(Stdio::null()).output().expect("docker starts").into()
}

pub fn inspect(what: &str) -> Value {
    let told = docker(&["inspect", what]).ok();
    serde_json::from_str::<Value>(&told).expect("docker prints JSON")[0].take()
}

impl Stack {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("auratest{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let tool = Tool::first().expect("Compose is there");
        Self { tool, name, folder: Folder::copied().with_secrets(), overrides: Vec::new() }
    }

    /// Adds an override of the test.
    pub fn with(mut self, name: &'static str, text: &str) -> Self {
        fs::write(self.folder().join(format!("compose.{name}.yaml")), text).expect("a file");
        self.overrides.push(name);
        self
    }

    /// Where the Compose files are.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("compose")
    }

    pub fn compose(&self, args: &[&str]) -> Done {
        self.compose_with(args, "")
    }

    fn compose_with(&self, args: &[&str], input: &str) -> Done {
        let file = self.folder().join("input");
        fs::write(&file, input).expect("a file");
        let input = fs::File::open(&file).expect("it was just written");
        let mut command = self.tool.command(&self.folder, &self.overrides);
        command.args(args).env("COMPOSE_PROJECT_NAME", &self.name).stdin(input);
        command.output().expect("Compose starts").into()
    }

    /// Starts all there is and waits until the server is healthy.
    pub fn up(&self, more: &[&str]) {
        self.compose(&[&["up", "--detach"], more].concat()).ok();
        let server = self.containers("aura").remove(0);
        until("the server is healthy", || inspect(&server)["State"]["Health"]["Status"] == "healthy");
    }

    /// The ids of a service's containers.
    pub fn containers(&self, service: &str) -> Vec<String> {
        self.compose(&["ps", "--quiet", service]).ok().lines().map(str::to_owned).collect()
    }

    /// The `aura` program in the server's container.
    pub fn aura(&self, args: &[&str], input: &str) -> Done {
        self.compose_with(&[&["exec", "-T", "aura", "/aura"], args].concat(), input)
    }

    /// Installs a body on the system object.
    pub fn install(&self, method: &str, body: &str) {
        self.aura(&["method", "install", "UvmObjects/system", method, "-"], body).ok();
    }

    pub fn send(&self, method: &str) -> Value {
        let told = self.aura(&["send", "--json", "UvmObjects/system", method], "");
        serde_json::from_str(&told.stdout).unwrap_or_else(|_| panic!("{}\n{}", told.stdout, told.stderr))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = self.compose(&["logs"]);
            eprintln!("the containers' logs:\n{}{}", logs.stdout, logs.stderr);
        }
        self.compose(&["down", "--volumes", "--timeout", "1"]);
    }
}

/// The process of a container, as this machine numbers it.
pub fn process(container: &str) -> i32 {
    let id = inspect(container)["State"]["Pid"].as_i64().expect("a number");
    i32::try_from(id).expect("the id of a process")
}
