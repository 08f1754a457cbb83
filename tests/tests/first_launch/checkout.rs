//! The launcher in a checkout of its own, on a machine where Docker is what a test says.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use aura_tests::{Done, copy, root, which};
use tempfile::TempDir;

/// What the launcher needs of the machine beside Docker. There is no curl unless a test asks for it, so that an Ollama
/// of the tester's is not found.
const TOOLS: [&str; 24] = [
    "awk", "basename", "bash", "cat", "chmod", "df", "dirname", "find", "grep", "head", "id", "mkdir",
    "mktemp", "mv", "od", "rm", "sed", "sleep", "sort", "tail", "tee", "timeout", "touch", "tr",
];

const LINUX: &str = "6.1.0-13-amd64";
const WSL: &str = "5.15.90.1-microsoft-standard-WSL2";

pub struct Checkout {
    scratch: TempDir,
    settings: BTreeMap<&'static str, String>,
}

impl Checkout {
    /// On Linux, with all that is needed.
    pub fn new() -> Self {
        let checkout = Self { scratch: tempfile::tempdir().expect("a folder"), settings: BTreeMap::new() };
        for folder in ["bin", "state", "home"] {
            fs::create_dir(checkout.scratch.path().join(folder)).expect("a folder");
        }
        for folder in ["compose", "genesis"] {
            copy(&root().join(folder), &checkout.place().join(folder));
        }
        for tool in TOOLS {
            checkout.tool(tool);
        }
        checkout.program("docker", include_str!("docker.sh"));
        checkout.kernel(LINUX);
        checkout.says("version", "v2.29.1\n");
        checkout.says("images", "aura:0.1.0\naura-sandbox:0.1.0\n");
        checkout.says("health", "Up 2 minutes (healthy)");
        checkout
    }

    pub fn on_wsl() -> Self {
        let checkout = Self::new();
        checkout.kernel(WSL);
        checkout
    }

    /// The folder of the checkout, with what a path may have.
    pub fn place(&self) -> PathBuf {
        self.scratch.path().join("my code & (more)/it's aura")
    }

    pub fn home(&self) -> PathBuf {
        self.scratch.path().join("home")
    }

    pub fn secrets(&self) -> PathBuf {
        self.place().join("compose/secrets")
    }

    fn kernel(&self, release: &str) {
        self.program("uname", &format!("#!/usr/bin/env bash\necho {release}\n"));
    }

    fn bin(&self, name: &str) -> PathBuf {
        self.scratch.path().join("bin").join(name)
    }

    pub fn program(&self, name: &str, script: &str) {
        // Never through the link to the machine's own.
        let _ = fs::remove_file(self.bin(name));
        fs::write(self.bin(name), script).expect("the program is written");
        fs::set_permissions(self.bin(name), Permissions::from_mode(0o755)).expect("its mode is set");
    }

    /// Lets it find a program of this machine.
    pub fn tool(&self, name: &str) {
        let path = which(name).unwrap_or_else(|| panic!("this machine has no {name}"));
        symlink(path, self.bin(name)).expect("a link");
    }

    pub fn without(&self, name: &str) {
        fs::remove_file(self.bin(name)).expect("it was there");
    }

    fn state(&self, name: &str) -> PathBuf {
        self.scratch.path().join("state").join(name)
    }

    /// What Docker answers from now on.
    pub fn says(&self, name: &str, text: &str) {
        fs::write(self.state(name), text).expect("the answer is written");
    }

    pub fn says_no_more(&self, name: &str) {
        fs::remove_file(self.state(name)).expect("it was said");
    }

    pub fn said(&self, name: &str) -> bool {
        self.state(name).exists()
    }

    /// The calls of Docker since this was asked last.
    pub fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.state("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.state("calls"));
        calls.lines().map(ToOwned::to_owned).collect()
    }

    pub fn set(&mut self, name: &'static str, value: &str) {
        self.settings.insert(name, value.to_owned());
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let script = self.place().join("genesis/puter.sh");
        let mut command = Command::new(script);
        command.args(args);
        self.prepare(&mut command);
        command
    }

    pub fn prepare(&self, command: &mut Command) {
        // From a folder that has nothing to do with it.
        command.current_dir(self.home()).env_clear().envs(&self.settings);
        command.env("PATH", self.scratch.path().join("bin")).env("HOME", self.home());
        command.env("STATE", self.scratch.path().join("state"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    }

    /// Runs it; what it printed has `CHECKOUT` in place of the folder.
    pub fn run(&self, args: &[&str]) -> Done {
        self.done(self.command(args).output().expect("it starts"))
    }

    pub fn done(&self, output: Output) -> Done {
        let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
        let Done { stdout, stderr, .. } = output.into();
        let place = self.place().display().to_string();
        let quoted = place.replace(' ', "\\ ").replace('&', "\\&").replace('\'', "\\'");
        let quoted = quoted.replace('(', "\\(").replace(')', "\\)");
        let here = |text: String| text.replace(&place, "CHECKOUT").replace(&quoted, "CHECKOUT");
        Done { code, stdout: here(stdout), stderr: here(stderr) }
    }
}
