//! One kept-alive HTTP/1.1 connection, with as little of a client around it as possible.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

const PATIENCE: Duration = Duration::from_mins(1);

pub struct Connection {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
    line: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), request: Vec::new(), line: String::new() })
    }

    /// Sends JSON and returns the body of the answer, which must be a success. `headers`: whole lines.
    pub fn send(&mut self, method: &str, path: &str, headers: &str, json: &str) -> Result<String> {
        self.request.clear();
        write!(
            self.request,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n{headers}\r\n{json}",
            json.len()
        )?;
        self.stream.get_mut().write_all(&self.request)?;
        let status = self.line()?.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok());
        let status = status.context("not an HTTP answer")?;
        let mut length = None;
        while !self.line()?.is_empty() {
            if let Some((name, value)) = self.line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.trim().parse()?);
            }
        }
        let mut body = vec![0; length.context("an answer without a length")?];
        self.stream.read_exact(&mut body)?;
        let body = String::from_utf8(body)?;
        if !(200..300).contains(&status) {
            bail!("{method} {path} was answered with {status}: {body}");
        }
        Ok(body)
    }

    fn line(&mut self) -> Result<&str> {
        self.line.clear();
        ensure!(self.stream.read_line(&mut self.line)? > 0, "the connection was closed");
        self.line.truncate(self.line.trim_end().len());
        Ok(&self.line)
    }
}
