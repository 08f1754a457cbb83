//! A running `aura sandbox serve`.

use nix::sys::signal::Signal;

use crate::Instance;
use crate::process::Process;

/// It is killed when this value goes.
pub struct SandboxProcess {
    process: Process,
    url: String,
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
        let mut command = instance.command(&["sandbox", "serve", "--listen", url, "--require-confinement"]);
        let (process, greeting) = Process::start(&mut command, instance.folder().join("sandbox.log"));
        let begin = greeting.strip_prefix("The sandbox listens on ").map(|rest| rest.split(','));
        let url = begin.and_then(|mut parts| parts.next()).expect("the sandbox starts").to_owned();
        Self { process, url, greeting }
    }

    /// For EXECUTION_SANDBOX_URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// As `kill -9` ends it.
    pub fn kill(mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait();
    }

    pub fn freeze(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    pub fn wake(&self) {
        self.process.signal(Signal::SIGCONT);
    }

    /// Asks it to stop and waits until it has; its exit status and its log.
    pub fn terminate(mut self) -> (Option<i32>, String) {
        self.process.signal(Signal::SIGTERM);
        (self.process.wait().code(), self.process.log())
    }
}
