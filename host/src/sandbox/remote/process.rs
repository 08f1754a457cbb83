//! The process in which isolates are served. It takes what it needs from the file system, gives up everything else for
//! good, and only then starts threads and accepts connections.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use rustix::fs::{Mode, OFlags};
use rustix::process::umask;
use thiserror::Error;

use super::address::PLACES;
use super::{Address, Listener, Service, most_connections};
use crate::sandbox::confine::confine;
use crate::sandbox::parallel_runs;
use crate::sandbox::wasm::{LoadError, WasmSandbox};

/// Files beside the connections: the standard ones, the listener, the image, and what the program itself holds.
const FILES: u64 = 32;
/// What calls may take to end when the sandbox stops.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a sandbox that listens may take to show it.
const LISTENING: Duration = Duration::from_secs(2);

/// What decides how a process serves isolates.
pub struct Process {
    pub listen: Address,
    /// The group of the socket's file may connect too.
    pub group: bool,
    /// Where the kernel offers less than all of the confinement, it does not start.
    pub require_confinement: bool,
}

#[derive(Debug, Error)]
pub enum ProcessError {
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl Process {
    /// Serves until it is told to stop; how many calls were not done then.
    ///
    /// `load` does what it is given when all is there but the threads. `ready` is told what to say to whoever started it.
    pub fn serve(
        &self,
        load: impl FnOnce(&mut dyn FnMut()) -> Result<WasmSandbox, LoadError>,
        ready: impl FnOnce(&str),
    ) -> Result<usize, ProcessError> {
        // Threads begin with what their parent does not take.
        let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
        let cannot = |error: nix::Error| ProcessError::Failed(format!("Cannot listen for signals: {error}"));
        signals.thread_block().map_err(cannot)?;

        let (listener, at) = listen(&self.listen, self.group)?;
        // The kernel does not tell once the process is confined.
        let parallel = parallel_runs();
        let files = most_connections(parallel) as u64 + FILES;
        let mut confined = None;
        let sandbox = load(&mut || confined = Some(confine(files)))?;
        let confinement = confined
            .unwrap_or_else(|| confine(files))
            .map_err(|why| ProcessError::Failed(format!("The sandbox cannot be confined: {why}.")))?;
        if !confinement.missing.is_empty() {
            if self.require_confinement {
                let text = format!("The sandbox would be {confinement}: it does not start.");
                return Err(ProcessError::Failed(text));
            }
            tracing::warn!("the sandbox is {confinement}");
        }
        let service = Service::new(Arc::new(sandbox), at.path(), parallel, confinement.to_string());
        service.start(listener).map_err(|error| {
            ProcessError::Failed(format!("Cannot start a thread for connections: {error}"))
        })?;
        ready(&format!("The sandbox listens on {at}, {confinement}."));
        signals.wait().map_err(cannot)?;
        Ok(service.stop(PATIENCE))
    }
}

/// What to say at the end.
pub fn stopped(calls: usize) -> String {
    match calls {
        0 => "The sandbox stopped.".to_owned(),
        1 => "The sandbox stopped; a call was not done.".to_owned(),
        calls => format!("The sandbox stopped; {calls} calls were not done."),
    }
}

/// The listener, and the address with the port that was really taken.
fn listen(address: &Address, group: bool) -> Result<(Listener, Address), ProcessError> {
    let cannot = |error| ProcessError::Failed(format!("Cannot listen on {address}: {error}"));
    match address {
        Address::Unix(path) => {
            let _turn = turn(path.parent().unwrap_or(path), 1);
            if !give_way(path)? {
                let text = format!("Another sandbox listens on {} already.", path.display());
                return Err(ProcessError::Failed(text));
            }
            Ok((Listener::Unix(bind(path, group).map_err(cannot)?), address.clone()))
        }
        Address::Folder(folder) => {
            let _turn = turn(folder, PLACES);
            for place in address.places() {
                let Address::Unix(path) = &place else { continue };
                // What cannot be had is left to whoever has it.
                if !give_way(path).unwrap_or_else(|why| {
                    tracing::warn!("a place is passed over: {why}");
                    false
                }) {
                    continue;
                }
                let owner =
                    plain().write(true).create(true).truncate(true).open(owner(path)).map_err(cannot)?;
                (&owner).write_all(&this_machine()).map_err(cannot)?;
                return Ok((Listener::Unix(bind(path, group).map_err(cannot)?), place));
            }
            Err(ProcessError::Failed(format!("{PLACES} sandboxes listen in {} already.", folder.display())))
        }
        Address::Tcp { host, path, .. } => {
            let listener = TcpListener::bind(address.authority()).map_err(cannot)?;
            let port = listener.local_addr().map_err(cannot)?.port();
            let at = Address::Tcp { host: host.clone(), port, path: path.clone() };
            Ok((Listener::Tcp(listener), at))
        }
    }
}

/// To open a file of a folder that others write to as well: through no link, and without waiting for anybody.
fn plain() -> OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.custom_flags(flags.bits().cast_signed());
    options
}

/// A lock on a folder, which leaves no file there: nobody else takes a socket for left behind and removes it, while one
/// looks whether it is and binds its own. Where none is to be had, or whoever holds it keeps it for longer than a look
/// at so many places takes, one goes on without, and says so.
fn turn(folder: &Path, places: u32) -> Option<File> {
    let lock = || {
        let file = File::open(Path::new(".").join(folder))?;
        let end = Instant::now() + LISTENING * (places + 1);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < end => {
                    thread::sleep(Duration::from_millis(50));
                }
                Err(error) => return Err(io::Error::from(error)),
            }
        }
    };
    let without = |error| tracing::warn!("{} is used without a lock: {error}", folder.display());
    lock().map_err(without).ok()
}

fn bind(path: &Path, group: bool) -> io::Result<UnixListener> {
    // Nobody else gets in before the mode is set.
    let before = umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    umask(before);
    let mode = if group { 0o660 } else { 0o600 };
    let listener = bound?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Makes room for a socket: a sandbox that is gone leaves its own behind. False: one listens there.
fn give_way(path: &Path) -> Result<bool, ProcessError> {
    let failed = |error| ProcessError::Failed(format!("{}: {error}", path.display()));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Ok(seen) if !seen.file_type().is_socket() => {
            let text = format!("{} is there already, and is no socket.", path.display());
            return Err(ProcessError::Failed(text));
        }
        seen => seen.map_err(failed)?,
    };
    if !is_left(path).map_err(failed)? {
        return Ok(false);
    }
    fs::remove_file(path)
        .map_err(|error| ProcessError::Failed(format!("{} cannot be removed: {error}", path.display())))?;
    Ok(true)
}

/// Removes the socket of a sandbox that is gone. False: one listens there.
pub fn remove_left(path: &Path) -> Result<bool, ProcessError> {
    let _turn = turn(path.parent().unwrap_or(path), 1);
    give_way(path)
}

/// Whether it is the socket of a sandbox that is gone: nobody listens on it.
pub fn is_left(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    match Address::Unix(path.to_owned()).connect(LISTENING) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(true),
        // It lets those who come wait.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
        connected => connected.map(|_| false),
    }
}

/// The address at which the sandbox of this machine listens: in a folder that several share, its own.
pub fn own(address: &Address) -> Option<Address> {
    let Address::Folder(_) = address else { return Some(address.clone()) };
    let this = this_machine();
    let is_own = |place: &Address| {
        let Address::Unix(path) = place else { return false };
        let mut name = Vec::new();
        let file = plain().read(true).open(owner(path));
        let read = file.and_then(|file| file.take(this.len() as u64 + 1).read_to_end(&mut name));
        read.is_ok() && name == this
    };
    address.places().into_iter().find(is_own)
}

/// Says of a socket in a folder whose it is.
fn owner(socket: &Path) -> PathBuf {
    socket.with_extension("owner")
}

/// Each container is a machine by name.
fn this_machine() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn of_those_that_find_a_socket_left_behind_one_listens_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let address = Address::Unix(path.clone());
        for _ in 0..100 {
            drop(UnixListener::bind(&path).unwrap());
            let together = Barrier::new(2);
            let start = || {
                together.wait();
                listen(&address, false)
            };
            let [one, other] = thread::scope(|scope| {
                [scope.spawn(start), scope.spawn(start)].map(|thread| thread.join().unwrap())
            });
            let refused = match (&one, &other) {
                (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused.to_string(),
                _ => panic!("{:?}", [one.is_ok(), other.is_ok()]),
            };
            assert_eq!(refused, format!("Another sandbox listens on {} already.", path.display()));
            assert!(address.connect(LISTENING).is_ok());
            fs::remove_file(&path).unwrap();
        }
    }
}
