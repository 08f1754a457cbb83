//! A connection between host and sandbox: an HTTP/1.1 request that is upgraded, then frames with their length before
//! them. Every read and write ends at a moment that was set before.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::address::Address;
use super::protocol::UPGRADE;

/// The most that an HTTP head may have.
const MAX_HEAD: u64 = 8 << 10;
const MAX_HEADERS: usize = 32;

/// Why a connection is of no use any more.
#[derive(Debug, Error)]
pub enum WireError {
    /// Nobody is to blame, or nobody can be: it may work again.
    #[error("{0}")]
    Lost(String),
    /// The other side closed it.
    #[error("it closed the connection")]
    Closed,
    /// The other side broke the protocol.
    #[error("it answered with {0}")]
    Violation(String),
}

pub type Result<T, E = WireError> = std::result::Result<T, E>;

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::Closed
            }
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Self::Lost("it did not answer in time".to_owned())
            }
            _ => Self::Lost(error.to_string()),
        }
    }
}

pub enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    fn read_within(&self, time: Duration) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.set_read_timeout(Some(time)),
            Self::Tcp(socket) => socket.set_read_timeout(Some(time)),
        }
    }

    fn write_within(&self, time: Duration) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.set_write_timeout(Some(time)),
            Self::Tcp(socket) => socket.set_write_timeout(Some(time)),
        }
    }
}

/// A socket whose reads and writes all end at one moment.
struct Timed {
    socket: Socket,
    until: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read_within(self.left()?)?;
        match &mut self.socket {
            Socket::Unix(socket) => socket.read(buffer),
            Socket::Tcp(socket) => socket.read(buffer),
        }
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.socket.write_within(self.left()?)?;
        match &mut self.socket {
            Socket::Unix(socket) => socket.write(buffer),
            Socket::Tcp(socket) => socket.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Wire {
    reader: BufReader<Timed>,
}

impl Wire {
    pub fn new(socket: Socket, time: Duration) -> Self {
        Self { reader: BufReader::new(Timed { socket, until: Instant::now() + time }) }
    }

    /// All that follows has to be done within this time.
    pub fn within(&mut self, time: Duration) {
        self.reader.get_mut().until = Instant::now() + time;
    }

    pub fn send<T: Serialize + ?Sized>(&mut self, value: &T, most: usize) -> Result<()> {
        let frame = postcard::to_extend(value, vec![0; 4])
            .map_err(|error| WireError::Lost(format!("a frame cannot be made: {error}")))?;
        self.send_made(frame, most)
    }

    fn send_made(&mut self, mut frame: Vec<u8>, most: usize) -> Result<()> {
        let length = frame.len() - 4;
        let Some(length) = u32::try_from(length).ok().filter(|length| *length as usize <= most) else {
            return Err(WireError::Lost(format!("{length} bytes are more than a frame may have")));
        };
        frame[..4].copy_from_slice(&length.to_le_bytes());
        Ok(self.reader.get_mut().write_all(&frame)?)
    }

    /// A frame of so many bytes at most.
    pub fn receive(&mut self, most: usize) -> Result<Vec<u8>> {
        let mut length = [0; 4];
        self.reader.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length as usize > most {
            return Err(WireError::Violation(format!("a frame of {length} bytes where it may have {most}")));
        }
        // Grows with what really comes.
        let mut frame = Vec::new();
        (&mut self.reader).take(length.into()).read_to_end(&mut frame)?;
        if frame.len() < length as usize {
            return Err(WireError::Closed);
        }
        Ok(frame)
    }

    /// Asks for the upgrade.
    pub fn ask(&mut self, address: &Address) -> Result<()> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n",
            address.path(),
            address.authority()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        let head = self.head()?;
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        if !response.parse(&head).is_ok_and(|status| status.is_complete()) {
            return Err(WireError::Violation("what is no HTTP".to_owned()));
        }
        match response.code {
            Some(101) if has_upgrade(response.headers) => Ok(()),
            Some(503) => Err(WireError::Lost("all its connections are taken".to_owned())),
            code => Err(WireError::Violation(format!(
                "HTTP status {} and no upgrade to {UPGRADE}",
                code.unwrap_or_default()
            ))),
        }
    }

    /// Waits for the request for the upgrade and grants it. What asks for something else is told so.
    pub fn grant(&mut self, path: &str) -> Result<()> {
        let head = self.head()?;
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let is_whole = request.parse(&head).is_ok_and(|status| status.is_complete());
        let refusal = if !is_whole {
            "400 Bad Request"
        } else if request.path != Some(path) {
            "404 Not Found"
        } else if request.method != Some("GET") || !has_upgrade(request.headers) {
            "426 Upgrade Required"
        } else {
            let granted = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {UPGRADE}\r\n\r\n"
            );
            return Ok(self.reader.get_mut().write_all(granted.as_bytes())?);
        };
        self.refuse(refusal)?;
        Err(WireError::Violation(format!("a request that was refused with {refusal}")))
    }

    pub fn refuse(&mut self, status: &str) -> Result<()> {
        let refusal = format!(
            "HTTP/1.1 {status}\r\nUpgrade: {UPGRADE}\r\nConnection: Upgrade, close\r\nContent-Length: 0\r\n\r\n"
        );
        Ok(self.reader.get_mut().write_all(refusal.as_bytes())?)
    }

    fn head(&mut self) -> Result<Vec<u8>> {
        let mut head = Vec::new();
        let mut limited = (&mut self.reader).take(MAX_HEAD);
        while !head.ends_with(b"\r\n\r\n") {
            if limited.read_until(b'\n', &mut head)? == 0 {
                return Err(if head.len() as u64 == MAX_HEAD {
                    WireError::Violation(format!("an HTTP head of more than {MAX_HEAD} bytes"))
                } else {
                    WireError::Closed
                });
            }
        }
        Ok(head)
    }
}

fn has_upgrade(headers: &[httparse::Header]) -> bool {
    headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("upgrade") && header.value.eq_ignore_ascii_case(UPGRADE.as_bytes())
    })
}

/// Reads all of a frame.
pub fn decode<'a, T: Deserialize<'a>>(frame: &'a [u8]) -> Result<T> {
    match postcard::take_from_bytes(frame) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(WireError::Violation("a frame with more in it than was asked for".to_owned())),
        Err(_) => Err(WireError::Violation("a frame that cannot be read".to_owned())),
    }
}
