//! As much of HTTP/1.1 as a scripted server needs, by hand: so that it can also break it.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A request as it came in.
pub struct Incoming {
    pub method: String,
    pub path: String,
    pub authorization: Option<String>,
    pub body: Vec<u8>,
}

/// Reads one request with its whole body.
pub async fn receive(stream: &mut TcpStream) -> io::Result<Incoming> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        more(stream, &mut bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length = header(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        more(stream, &mut body).await?;
    }
    let word = |at| head.split(' ').nth(at).unwrap_or_default().to_owned();
    Ok(Incoming { method: word(0), path: word(1), authorization: header(&head, "authorization"), body })
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    if stream.read_buf(bytes).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn header(head: &str, wanted: &str) -> Option<String> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let mut values = fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
    values.next().map(|(_, value)| value.trim().to_owned())
}

/// A whole answer at once.
pub async fn document(stream: &mut TcpStream, status: u16, body: &str) -> io::Result<()> {
    dated(stream, None, status, body).await
}

/// A whole answer at once, with the time of the server's clock.
pub async fn dated(stream: &mut TcpStream, date: Option<&str>, status: u16, body: &str) -> io::Result<()> {
    let date = date.map(|date| format!("date: {date}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\nconnection: close\r\n{date}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// An answer in chunks; with a seed, of one to seven bytes each.
pub async fn stream(
    stream: &mut TcpStream,
    content_type: &str,
    body: &[u8],
    seed: Option<u64>,
) -> io::Result<()> {
    head(stream, 200, content_type).await?;
    let mut state = seed;
    let mut rest = body;
    while !rest.is_empty() {
        let size = state.as_mut().map_or(rest.len(), |state| 1 + next(state) % 7);
        let (now, later) = rest.split_at(size.min(rest.len()));
        chunk(stream, now).await?;
        rest = later;
    }
    end(stream).await
}

/// The end of an answer in chunks.
pub async fn end(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"0\r\n\r\n").await?;
    stream.shutdown().await
}

/// The beginning of an answer in chunks.
pub async fn head(stream: &mut TcpStream, status: u16, content_type: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await
}

pub async fn chunk(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    stream.write_all(&framed).await
}

/// A linear congruential step; the high bits are the random ones.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap_or_default()
}
