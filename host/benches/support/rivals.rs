//! The rivals: a Python environment of pinned packages in the cache, and the programs that run beside a
//! benchmark.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::connection::Connection;

const START: Duration = Duration::from_mins(1);

/// The folder of the rivals' scripts.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/rivals")
}

/// The interpreter of the rivals' environment, which is made if it is not there or not the pinned one.
pub fn python(cache: &Path) -> Result<PathBuf> {
    let venv = cache.join("bench/venv");
    let python = venv.join("bin/python");
    let wanted = fs::read(scripts().join("requirements.txt"))?;
    let installed = venv.join("requirements.txt");
    if fs::read(&installed).is_ok_and(|content| content == wanted) {
        return Ok(python);
    }
    eprintln!("installing the rivals into {}", venv.display());
    quietly(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    let pip = [
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "install",
        "--no-deps",
        "--require-hashes",
    ];
    quietly(Command::new(&python).args(pip).arg("-r").arg(scripts().join("requirements.txt")))?;
    fs::write(installed, wanted)?;
    Ok(python)
}

/// The interpreter's name and version.
pub fn version(python: &Path) -> Result<String> {
    Ok(String::from_utf8(Command::new(python).arg("--version").output()?.stdout)?.trim().to_owned())
}

fn quietly(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} cannot be started"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// A method's body as a Python function `method`.
pub fn function(body: &str) -> String {
    format!("def method(self):\n    {}\n", body.replace('\n', "\n    "))
}

/// A program beside the benchmark that ends with it.
pub struct Beside(pub Child);

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server on this machine.
pub struct Server {
    pub address: SocketAddr,
    process: Beside,
}

impl Server {
    /// Starts what `command` says for a port, and waits until it takes connections.
    pub fn start(command: impl FnOnce(u16) -> Command) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = command(port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("{command:?} cannot be started"))?;
        let mut server = Self { address: (Ipv4Addr::LOCALHOST, port).into(), process: Beside(child) };
        let begun = Instant::now();
        while server.connect().is_err() {
            if let Some(status) = server.process.0.try_wait()? {
                bail!("{command:?} ended by itself ({status})");
            }
            ensure!(begun.elapsed() < START, "{command:?} takes no connections");
            sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    pub fn connect(&self) -> Result<Connection> {
        Connection::open(self.address)
    }
}

/// The sandbox service that starts a process for each call.
pub fn process_per_call(python: &Path) -> Result<Server> {
    Server::start(|port| {
        let mut command = Command::new(python);
        command.arg(scripts().join("process_per_call.py")).arg(port.to_string());
        command
    })
}
