//! `aura sandbox confined`: the process in which isolates are served. It reads no settings; it takes what it needs from
//! the file system, gives up everything, and only then starts threads and accepts connections.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use nix::sys::signal::{SigSet, Signal};
use rustix::fs::Mode;
use rustix::process::umask;

use super::serve::address;
use crate::cli::failure::Failure;
use crate::cli::term::{print, tell};
use crate::cli::{parts, start_log_as};
use crate::config::LogFormat;
use crate::sandbox::confine::{close_inherited_files, confine};
use crate::sandbox::parallel_runs;
use crate::sandbox::remote::{Address, Listener, Service, most_connections};
use crate::sandbox::wasm::{Silent, WasmSandbox};

/// Files beside the connections: the standard ones, the listener, the image, and what the program itself holds.
const FILES: u64 = 32;
/// What calls may take to end when the sandbox stops.
const PATIENCE: Duration = Duration::from_secs(10);

#[allow(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Args)]
pub struct Options {
    #[arg(long, value_parser = address)]
    listen: Address,
    #[arg(long)]
    guest: PathBuf,
    #[arg(long)]
    cache: PathBuf,
    #[arg(long)]
    policy: Option<PathBuf>,
    #[arg(long)]
    log: String,
    #[arg(long)]
    json_log: bool,
    #[arg(long)]
    no_color: bool,
    #[arg(long)]
    group: bool,
    #[arg(long)]
    require_confinement: bool,
}

pub fn serve_confined(options: &Options) -> Result<(), Failure> {
    close_inherited_files();
    let format = if options.json_log { LogFormat::Json } else { LogFormat::Human };
    start_log_as(&options.log, format, options.no_color)?;
    // Threads begin with what their parent does not take.
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    let cannot = |error: nix::Error| Failure::Failed(format!("Cannot listen for signals: {error}"));
    signals.thread_block().map_err(cannot)?;

    let (listener, at) = listen(&options.listen, options.group)?;
    // The kernel does not tell once the process is confined.
    let parallel = parallel_runs();
    let files = most_connections(parallel) as u64 + FILES;
    let mut confined = Err(String::new());
    let policy = parts::read_policy(options.policy.as_deref())?;
    let before_threads = || confined = confine(files);
    let loaded = WasmSandbox::load_with(&options.guest, &options.cache, &policy, &Silent, before_threads);
    let sandbox = loaded.map_err(|error| Failure::Unreachable(error.to_string()))?;
    let confinement =
        confined.map_err(|why| Failure::Failed(format!("The sandbox cannot be confined: {why}.")))?;
    if !confinement.missing.is_empty() {
        if options.require_confinement {
            return Err(Failure::Failed(format!("The sandbox would be {confinement}: it does not start.")));
        }
        tracing::warn!("the sandbox is {confinement}");
    }
    let service = Service::new(Arc::new(sandbox), at.path(), parallel, confinement.to_string());
    service
        .start(listener)
        .map_err(|error| Failure::Failed(format!("Cannot start a thread for connections: {error}")))?;
    // Who does not read this may still make calls.
    let _ = print(&format!("The sandbox listens on {at}, {confinement}."));
    signals.wait().map_err(cannot)?;
    match service.stop(PATIENCE) {
        0 => tell("The sandbox stopped."),
        calls => tell(&format!("The sandbox stopped; {calls} calls were not done.")),
    }
    Ok(())
}

/// The listener, and the address with the port that was really taken.
fn listen(address: &Address, group: bool) -> Result<(Listener, Address), Failure> {
    let cannot = |error| Failure::Failed(format!("Cannot listen on {address}: {error}"));
    match address {
        Address::Unix(path) => {
            give_way(path)?;
            // Nobody else gets in before the mode is set.
            let before = umask(Mode::from_raw_mode(0o177));
            let bound = UnixListener::bind(path);
            umask(before);
            let mode = if group { 0o660 } else { 0o600 };
            let listener = bound.map_err(cannot)?;
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(cannot)?;
            Ok((Listener::Unix(listener), address.clone()))
        }
        Address::Tcp { host, path, .. } => {
            let listener = TcpListener::bind(address.authority()).map_err(cannot)?;
            let port = listener.local_addr().map_err(cannot)?.port();
            let at = Address::Tcp { host: host.clone(), port, path: path.clone() };
            Ok((Listener::Tcp(listener), at))
        }
    }
}

/// Removes the socket of a sandbox that is gone. A sandbox cannot do so itself when it ends.
fn give_way(path: &Path) -> Result<(), Failure> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?,
    };
    if !metadata.file_type().is_socket() {
        return Err(Failure::Failed(format!("{} is there already, and is no socket.", path.display())));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(|error| Failure::Failed(format!("{} cannot be removed: {error}", path.display()))),
        Err(error) => Err(Failure::Failed(format!("{}: {error}", path.display()))),
        Ok(_) => Err(Failure::Failed(format!("Another sandbox listens on {} already.", path.display()))),
    }
}
