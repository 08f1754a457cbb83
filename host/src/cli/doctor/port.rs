//! Whether the server can listen where it is told to.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use reqwest::Url;
use tokio::net::lookup_host;

use super::diagnosis::{Diagnosis, State};
use super::machine::Machine;
use crate::cli::folder::DataFolder;
use crate::config::{Config, authority};
use crate::object::one_line;

const NAME: &str = "port";
const OTHER: &str = "Choose another with AURA_API_HOST and AURA_API_PORT.";

pub async fn look(machine: &Machine, config: &Config, folder: &DataFolder) -> Diagnosis {
    let port = config.api_port;
    if port == 0 {
        return Diagnosis::ok(NAME, "AURA_API_PORT is 0: any that is free");
    }
    let address = authority(&config.api_host, port);
    let bound = match lookup_host(&address).await {
        Ok(found) => TcpListener::bind(found.collect::<Vec<SocketAddr>>().as_slice()).map(drop),
        Err(error) => Err(error),
    };
    let own = || {
        let words = folder.words().unwrap_or_default();
        let listens = |url: &str| Url::parse(url).is_ok_and(|url| url.port_or_known_default() == Some(port));
        words.into_iter().find(|word| word.url.as_deref().is_some_and(listens)).map(|word| word.place)
    };
    judge(&address, &bound, own, || holder(machine, port))
}

fn judge(
    address: &str,
    bound: &io::Result<()>,
    own: impl FnOnce() -> Option<String>,
    holder: impl FnOnce() -> Option<String>,
) -> Diagnosis {
    match bound {
        Ok(()) => Diagnosis::ok(NAME, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => match own() {
            Some(place) => {
                Diagnosis::ok(NAME, format!("{address} is taken by this folder's server, {place}"))
            }
            None => Diagnosis::bad(
                State::Fail,
                NAME,
                match holder() {
                    Some(holder) => format!("{address} is taken by {holder}"),
                    None => format!("{address} is taken by a program of another user, or of Windows"),
                },
            )
            .cured_by("Stop that, or choose another port with AURA_API_PORT."),
        },
        Err(error) => Diagnosis::bad(State::Fail, NAME, format!("{address} cannot be listened on ({error})"))
            .cured_by(OTHER),
    }
}

/// The process that listens on a port, as far as this user may know.
fn holder(machine: &Machine, port: u16) -> Option<String> {
    let inodes = listeners(machine, port);
    let is_process = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
    let id = machine.names("/proc").into_iter().filter(is_process).find(|id| {
        let files = format!("/proc/{id}/fd");
        machine.names(&files).iter().any(|file| {
            let link = fs::read_link(machine.path(&format!("{files}/{file}")));
            link.is_ok_and(|link| inodes.iter().any(|inode| link == Path::new(inode)))
        })
    })?;
    let name = machine.text(&format!("/proc/{id}/comm")).unwrap_or_default();
    Some(format!("process {id} ({})", one_line(&name, 32)))
}

/// The sockets that listen on a port, as the links to them say it.
pub fn listeners(machine: &Machine, port: u16) -> Vec<String> {
    let texts = ["/proc/net/tcp", "/proc/net/tcp6"].iter().filter_map(|file| machine.text(file));
    let inodes =
        texts.flat_map(|text| text.lines().filter_map(|line| listening(line, port)).collect::<Vec<_>>());
    inodes.map(|inode| format!("socket:[{inode}]")).collect()
}

/// The inode of a socket that listens on a port: `sl local_address rem_address st … uid timeout inode …`.
fn listening(line: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    let words: Vec<&str> = line.split_whitespace().collect();
    let (_, at) = words.get(1)?.rsplit_once(':')?;
    let is_it = u16::from_str_radix(at, 16) == Ok(port) && words.get(3) == Some(&LISTEN);
    is_it.then(|| words.get(9).map(ToString::to_string)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 777 1 0000 100 0 0 10 0
   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 778 1 0000 100 0 0 10 0
   2: 0100007F:1F92 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 779 1 0000 100 0 0 10 0
";

    #[test]
    fn whoever_has_the_port_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine::laid_out(
            folder.path(),
            &[
                ("/proc/net/tcp", TCP),
                ("/proc/41/fd/3", "->socket:[779]"),
                ("/proc/42/fd/0", "->/dev/null"),
                ("/proc/42/fd/5", "->socket:[777]"),
                ("/proc/42/comm", "python3\n"),
                ("/proc/self/fd/5", "->socket:[777]"),
            ],
        );
        let taken = Err(ErrorKind::AddrInUse.into());
        let told = |port, own: Option<&str>| {
            let address = format!("127.0.0.1:{port}");
            judge(&address, &taken, || own.map(str::to_owned), || holder(&machine, port)).told()
        };
        let cure = "Stop that, or choose another port with AURA_API_PORT.";
        assert_eq!(
            told(8080, None),
            format!("fail: 127.0.0.1:8080 is taken by process 42 (python3) -> {cure}")
        );
        for port in [8081, 8082, 9] {
            let who = "a program of another user, or of Windows";
            assert_eq!(told(port, None), format!("fail: 127.0.0.1:{port} is taken by {who} -> {cure}"));
        }
        assert_eq!(
            told(8080, Some("process 42 at http://127.0.0.1:8080")),
            "ok: 127.0.0.1:8080 is taken by this folder's server, process 42 at http://127.0.0.1:8080"
        );
        assert_eq!(judge("[::1]:9", &Ok(()), || None, || None).told(), "ok: [::1]:9 is free");
        let refused = Err(ErrorKind::PermissionDenied.into());
        assert_eq!(
            judge("127.0.0.1:80", &refused, || None, || None).told(),
            format!("fail: 127.0.0.1:80 cannot be listened on (permission denied) -> {OTHER}")
        );
    }
}
