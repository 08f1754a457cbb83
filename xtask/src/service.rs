//! Programs that run beside the task runner, and end with it.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const POLL: Duration = Duration::from_millis(100);
const GRACE: Duration = Duration::from_secs(15);

/// A child process that is asked to stop, then made to, when this value goes.
pub struct Service {
    name: &'static str,
    child: Child,
}

impl Service {
    /// Starts it in a process group of its own: Ctrl-C reaches the task runner alone, which stops it in order.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        on_interrupt()?;
        let child = command.process_group(0).spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child })
    }

    /// Waits until `ready`, or says why it will not come to that.
    pub fn wait_until(&mut self, limit: Duration, mut ready: impl FnMut() -> bool) -> Result<()> {
        let started = Instant::now();
        while !ready() {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} stopped by itself ({status})", self.name);
            }
            ensure!(!interrupted(), "interrupted");
            ensure!(started.elapsed() < limit, "{} was not ready after {} s", self.name, limit.as_secs());
            sleep(POLL);
        }
        Ok(())
    }

    /// Waits for Ctrl-C or for the service to end by itself.
    pub fn wait(&mut self) -> Result<()> {
        self.wait_until(Duration::MAX, interrupted)
    }

    /// Asks it to stop and waits for it.
    pub fn stop(mut self) -> Result<()> {
        let status = self.end()?;
        ensure!(status.success(), "{} did not stop cleanly ({status})", self.name);
        Ok(())
    }

    fn end(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            sleep(POLL);
        }
        self.child.kill()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{} (process {}) could not be stopped: {error}", self.name, self.child.id());
        }
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn on_interrupt() -> Result<()> {
    static ONCE: Once = Once::new();
    let mut outcome = Ok(());
    ONCE.call_once(|| outcome = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)));
    Ok(outcome?)
}

/// A port of this machine that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
