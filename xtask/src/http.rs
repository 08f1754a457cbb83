//! The few HTTP requests of the task runner, to servers of the user's own: HTTP/1.0, without encryption or proxy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(3);

/// Whether `url` answers, and says that all is well.
pub fn answers(url: &str) -> bool {
    request("GET", url, "", Some(PATIENCE)).is_ok()
}

/// Posts JSON and returns the answer as it comes in.
pub fn post(url: &str, json: &str) -> Result<impl BufRead + use<>> {
    request("POST", url, json, None)
}

fn request(method: &str, url: &str, body: &str, patience: Option<Duration>) -> Result<BufReader<TcpStream>> {
    let address =
        url.strip_prefix("http://").with_context(|| format!("{url} does not begin with http://"))?;
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let connected = host.to_socket_addrs()?.find_map(|at| TcpStream::connect_timeout(&at, PATIENCE).ok());
    let mut stream = connected.with_context(|| format!("nobody answers at {host}"))?;
    stream.set_read_timeout(patience)?;
    let (kind, length) = ("application/json", body.len());
    write!(
        stream,
        "{method} /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )?;
    let mut answer = BufReader::new(stream);
    let mut status = String::new();
    answer.by_ref().take(1024).read_line(&mut status)?;
    if !status.split(' ').nth(1).is_some_and(|code| code.starts_with('2')) {
        bail!("{url} answers {}", status.trim());
    }
    let mut header = String::from("status");
    while !header.trim().is_empty() {
        header.clear();
        answer.by_ref().take(64 << 10).read_line(&mut header)?;
    }
    Ok(answer)
}
