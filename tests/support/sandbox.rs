//! A running `aura sandbox serve`.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Instance;

/// It is killed when this value goes.
pub struct SandboxProcess {
    child: Child,
    url: String,
    log: PathBuf,
    /// What it said when it began to listen.
    pub greeting: String,
}

impl SandboxProcess {
    /// Listens on a socket `name` in the instance's folder, with the instance's settings in its environment.
    pub fn start(instance: &Instance, name: &str) -> Self {
        let url = format!("unix:{}", instance.folder().join(name).display());
        Self::start_at(instance, &url)
    }

    pub fn start_at(instance: &Instance, url: &str) -> Self {
        let log = instance.folder().join("sandbox.log");
        let file = File::options().create(true).append(true).open(&log).expect("a log file");
        let mut command = instance.command(&["sandbox", "serve", "--listen", url, "--require-confinement"]);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().expect("the program starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut greeting = String::new();
        stdout.read_line(&mut greeting).expect("the sandbox prints UTF-8");
        thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        let mut process = Self { child, url: url.to_owned(), log, greeting };
        let begin = process.greeting.strip_prefix("The sandbox listens on ").map(|rest| rest.split(','));
        process.url = begin.and_then(|mut parts| parts.next()).expect("the sandbox starts").to_owned();
        process
    }

    /// For EXECUTION_SANDBOX_URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// As `kill -9` ends it.
    pub fn kill(mut self) {
        self.child.kill().expect("the sandbox runs");
        self.child.wait().expect("it can be waited for");
    }

    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn wake(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Asks it to stop and waits until it has; its exit status and its log.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        self.signal(Signal::SIGTERM);
        let status = self.child.wait().expect("it can be waited for");
        (status.code(), std::fs::read_to_string(&self.log).expect("the log is UTF-8"))
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("the sandbox runs");
    }
}

impl Drop for SandboxProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the sandbox's log:\n{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}
