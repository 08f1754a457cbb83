//! The one HTTP question of the task runner, to servers of this machine: HTTP/1.0, without encryption or proxy.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3);

/// Whether `url` answers, and says that all is well.
pub fn answers(url: &str) -> bool {
    url.strip_prefix("http://").is_some_and(|address| {
        let (host, path) = address.split_once('/').unwrap_or((address, ""));
        status(host, path)
            .is_ok_and(|status| status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')))
    })
}

fn status(host: &str, path: &str) -> io::Result<String> {
    let connected = host.to_socket_addrs()?.find_map(|at| TcpStream::connect_timeout(&at, PATIENCE).ok());
    let mut stream = connected.ok_or(io::ErrorKind::NotConnected)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut status = String::new();
    BufReader::new(stream).take(1024).read_line(&mut status)?;
    Ok(status)
}
