//! As much of HTTP/1.1 as a database speaks, by hand: so that it can also be broken.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub method: String,
    /// With what stands behind the question mark.
    pub path: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, wanted: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.next().map(|(_, value)| value.as_str())
    }
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum Answer {
    Whole {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The connection ends behind that many bytes of the body.
    CutOff {
        body: String,
        after: usize,
    },
    /// So many bytes are announced, and never sent.
    Claims(usize),
    /// Another server than the database answers.
    Foreign,
    /// The connection ends at once.
    Nothing,
    /// The connection stays, and nothing comes.
    Never,
}

impl Answer {
    pub fn json(status: u16, body: impl ToString) -> Self {
        Self::Whole {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string(),
        }
    }
}

/// The next request of a connection. `None`: it was closed.
pub async fn receive(stream: &mut TcpStream, rest: &mut Vec<u8>) -> io::Result<Option<Request>> {
    let head_end = loop {
        if let Some(at) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&rest[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
    let mut request = Request { method, path, headers, body: String::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while rest.len() < head_end + 4 + length {
        if stream.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    }
    let later = rest.split_off(head_end + 4 + length);
    request.body = String::from_utf8(rest.split_off(head_end + 4)).unwrap();
    *rest = later;
    Ok(Some(request))
}

/// Whether the connection goes on.
pub async fn answer(stream: &mut TcpStream, answer: &Answer) -> io::Result<bool> {
    let (status, headers, body, bytes) = match answer {
        Answer::Nothing => return Ok(false),
        Answer::Never => std::future::pending().await,
        Answer::Foreign => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
            return Ok(true);
        }
        Answer::Claims(bytes) => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n ");
            stream.write_all(head.as_bytes()).await?;
            return Ok(false);
        }
        Answer::CutOff { body, after } => (200, &Vec::new(), body, *after),
        Answer::Whole { status, headers, body } => (*status, headers, body, body.len()),
    };
    let mut head =
        format!("HTTP/1.1 {status} Said\r\nserver: ArangoDB\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.extend([*name, ": ", value, "\r\n"]);
    }
    head += "\r\n";
    head += &body[..bytes];
    stream.write_all(head.as_bytes()).await?;
    Ok(bytes == body.len())
}
