//! The containers as `compose/compose.yaml` starts them, from a copy of its folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Far beyond what anything here takes: reaching it is a hang.
const PATIENCE: Duration = Duration::from_mins(3);

/// What the server asks for.
pub const TOKEN: &str = "a-token-of-sixteen-and-more";

/// Set by `cargo xtask test` when it has made the images.
const VARIABLE: &str = "AURA_TEST_IMAGES";

pub fn is_possible() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A Compose project of its own. Taken down when this value goes, with its volumes.
pub struct Stack {
    name: String,
    folder: TempDir,
    files: Vec<String>,
}

/// What a command answered.
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Done {
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
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
        let folder = tempfile::tempdir().expect("a folder");
        let compose = folder.path().join("compose");
        for (from, to) in [
            ("compose/compose.yaml", "compose/compose.yaml"),
            ("sandbox-image/seccomp.json", "sandbox-image/seccomp.json"),
        ] {
            let to = folder.path().join(to);
            fs::create_dir_all(to.parent().expect("it is in a folder")).expect("a folder");
            fs::copy(root().join(from), to).expect("the checkout is whole");
        }
        let secrets = compose.join("secrets");
        fs::create_dir(&secrets).expect("a folder");
        fs::write(secrets.join("aura_api_token"), format!("{TOKEN}\n")).expect("a file");
        // As .env.example says: a closed folder of open files.
        fs::set_permissions(&secrets, fs::Permissions::from_mode(0o700)).expect("it is ours");
        Self { name, folder, files: vec!["compose.yaml".to_owned()] }
    }

    /// Adds a file of the test to those of the project.
    pub fn with(mut self, name: &str, text: &str) -> Self {
        fs::write(self.folder().join(name), text).expect("a file");
        self.files.push(name.to_owned());
        self
    }

    /// Where the Compose files are.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("compose")
    }

    fn command(&self) -> Command {
        let has_plugin = Command::new("docker").args(["compose", "version"]).output();
        let mut command = if has_plugin.is_ok_and(|done| done.status.success()) {
            let mut docker = Command::new("docker");
            docker.arg("compose");
            docker
        } else {
            Command::new("docker-compose")
        };
        command.current_dir(self.folder()).args(["--project-name", &self.name]);
        for file in &self.files {
            command.args(["--file", file]);
        }
        command
    }

    pub fn compose(&self, args: &[&str]) -> Done {
        self.compose_with(args, "")
    }

    fn compose_with(&self, args: &[&str], input: &str) -> Done {
        let file = self.folder().join("input");
        fs::write(&file, input).expect("a file");
        let input = fs::File::open(&file).expect("it was just written");
        self.command().args(args).stdin(input).output().expect("Compose starts").into()
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

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "not so: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
