//! The program as it was built, run as a user runs it: a server on a free port with an image of its own, and the
//! command line beside it.
//!
//! Nothing of the tester's own settings reaches it but where the cache and the guest are.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::process::Process;
use crate::{Client, ScriptedMind};

/// What says where the guest and its compiled image are.
const KEPT: [&str; 5] = ["AURA_CACHE", "AURA_GUEST", "HOME", "PATH", "XDG_CACHE_HOME"];

/// A folder for one instance and the settings that its commands get.
#[derive(Clone)]
pub struct Instance {
    folder: Arc<TempDir>,
    settings: Vec<(String, String)>,
}

/// A command that ended.
#[derive(Debug)]
pub struct Done {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("it prints UTF-8");
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Done {
    /// What it printed, if it succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

impl Instance {
    #[must_use]
    pub fn new(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let folder = tempfile::tempdir().expect("a folder for the image");
        Self { folder: Arc::new(folder), settings: settings.collect() }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Changes a setting, or adds it.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    pub fn run(&self, args: &[&str]) -> Done {
        self.run_with(args, "")
    }

    /// Runs a command that reads `input` from a pipe.
    pub fn run_with(&self, args: &[&str], input: &str) -> Done {
        let mut command = self.command(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        let input = input.to_owned();
        // A command that does not read to the end closes the pipe.
        let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let done = Running(child).done();
        writer.join().expect("writing does not panic");
        done
    }

    /// Starts a command that is not waited for.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command(args);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().expect("the program starts"))
    }

    /// Runs a line of shell in which `aura` is the program. Its errors stand among its output.
    pub fn shell(&self, line: &str) -> Done {
        let mut command = Command::new("bash");
        self.prepare(command.args(["-c", &format!("exec 2>&1; {line}")]));
        let mut path = program().parent().expect("the program is in a folder").as_os_str().to_owned();
        if let Some(rest) = env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        command.env("PATH", path).stdin(Stdio::null()).output().expect("bash is there").into()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        self.prepare(command.args(args));
        command
    }

    fn prepare(&self, command: &mut Command) {
        command.current_dir(self.folder()).env_clear();
        for name in KEPT {
            let Some(value) = env::var_os(name).filter(|value| !value.is_empty()) else { continue };
            // Commands run in another folder than the tests, so what is relative has to be made absolute.
            let absolute = name.starts_with("AURA_").then(|| std::path::absolute(&value).ok()).flatten();
            command.env(name, absolute.map_or(value, PathBuf::into_os_string));
        }
        command.env("AURA_DATA", self.folder().join("data"));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
    }
}

/// A command that runs. Its output waits in pipes, so it must be little.
pub struct Running(Child);

impl Running {
    /// As Ctrl-C does.
    pub fn interrupt(&self) {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGINT).expect("the program runs");
    }

    /// As `kill -9` does.
    pub fn kill(mut self) -> Done {
        self.0.kill().expect("the program runs");
        self.done()
    }

    /// Waits until it ends.
    pub fn done(self) -> Done {
        self.0.wait_with_output().expect("the program ends").into()
    }
}

/// The program that cargo built beside this test.
fn program() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let program = test.ancestors().nth(2).map(|folder| folder.join("aura")).unwrap_or_default();
    assert!(
        program.is_file(),
        "there is no {}: `cargo build -p aura` or `cargo xtask test` makes it",
        program.display()
    );
    program
}

/// A running `aura serve`. It is killed when this value goes.
pub struct Server {
    process: Process,
    client: Client,
    instance: Instance,
}

impl Server {
    /// Starts with a fresh image and asks `mind`.
    pub fn start(mind: &ScriptedMind) -> Self {
        Self::start_with(&[("OLLAMA_HOST", &mind.url())])
    }

    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        Self::serve(Instance::new(settings))
    }

    /// Serves what is in the instance's folder.
    pub fn serve(mut instance: Instance) -> Self {
        instance.settings.retain(|(name, _)| name != "AURA_URL");
        let mut command = instance.command(&["serve", "--port", "0"]);
        let (process, line) = Process::start(&mut command, instance.folder().join("log"));
        let url = line.trim().strip_prefix("AURA listens on ").expect("the server starts").to_owned();
        instance.settings.push(("AURA_URL".to_owned(), url.clone()));
        Self { process, client: Client::new(url), instance }
    }

    /// A second server on the same image.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::serve(self.instance.clone())
    }

    /// Stops its clock, as when a laptop sleeps.
    pub fn freeze(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    pub fn wake(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The command line, speaking to this server.
    pub fn cli(&self) -> &Instance {
        &self.instance
    }

    /// As `kill -9` ends it, or the machine losing power.
    pub fn kill(self) -> Stopped {
        self.process.signal(Signal::SIGKILL);
        self.stopped()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to stop, as a service manager does, and does not wait for it.
    pub fn terminate(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// Waits until it has ended.
    pub fn stopped(mut self) -> Stopped {
        let status = self.process.wait();
        Stopped { instance: self.instance, status }
    }
}

/// A server that has ended, with its image.
pub struct Stopped {
    instance: Instance,
    pub status: ExitStatus,
}

impl Stopped {
    /// Serves the same image again.
    #[must_use]
    pub fn restart(self) -> Server {
        Server::serve(self.instance)
    }

    /// The command line, with the settings of the server.
    pub fn cli(&self) -> &Instance {
        &self.instance
    }

    /// All that the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.instance.folder().join("log")).expect("the log is UTF-8")
    }
}
