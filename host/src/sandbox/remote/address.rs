//! Where a sandbox of its own process is.

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::wire::Socket;

/// Where the port is not said.
const PORT: u16 = 8100;
/// Where the path is not said, and on a Unix socket.
const PATH: &str = "/execute";

/// The most sandboxes of a folder.
pub const PLACES: u32 = 16;

/// `unix:/PATH`, `unix:/FOLDER/` or `http://HOST:PORT/PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    /// As many sandboxes as there are, up to [`PLACES`]: each has a socket there.
    Folder(PathBuf),
    Tcp {
        host: String,
        port: u16,
        path: String,
    },
}

impl Address {
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            let kind = if path.ends_with('/') { Self::Folder } else { Self::Unix };
            return path.starts_with('/').then(|| kind(PathBuf::from(path)));
        }
        let url = url::Url::parse(text).ok().filter(|url| url.scheme() == "http")?;
        let is_plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let path = if url.path() == "/" { PATH } else { url.path() };
        // A URL forgets the port that its scheme stands for: under another scheme it says it.
        let said = || url::Url::parse(&format!("https:{}", text.split_once(':')?.1)).ok()?.port();
        is_plain.then_some(Self::Tcp {
            host: url.host_str()?.to_owned(),
            port: url.port().or_else(said).unwrap_or(PORT),
            path: path.to_owned(),
        })
    }

    /// Several, separated by commas.
    pub fn parse_all(text: &str) -> Option<Vec<Self>> {
        text.split(',').map(|one| Self::parse(one.trim())).collect()
    }

    /// Where sandboxes may listen: the address itself, or the sockets that a folder can have.
    pub fn places(&self) -> Vec<Self> {
        match self {
            Self::Folder(folder) => {
                (0..PLACES).map(|place| Self::Unix(folder.join(format!("{place}.sock")))).collect()
            }
            one => vec![one.clone()],
        }
    }

    /// Where sandboxes should be found now: in a folder, those that have left a socket, or else the folder itself.
    pub fn expected(&self) -> Vec<Self> {
        let there: Vec<_> = self.places().into_iter().filter(Self::is_there).collect();
        match self {
            Self::Folder(_) if !there.is_empty() => there,
            _ => vec![self.clone()],
        }
    }

    /// Whether there is a socket, if it is an address of a file.
    pub fn is_there(&self) -> bool {
        match self {
            Self::Unix(path) | Self::Folder(path) => path.exists(),
            Self::Tcp { .. } => true,
        }
    }

    /// What is asked for in the HTTP request.
    pub fn path(&self) -> &str {
        match self {
            Self::Unix(_) | Self::Folder(_) => PATH,
            Self::Tcp { path, .. } => path,
        }
    }

    /// The name of the server in the HTTP request.
    pub fn authority(&self) -> String {
        match self {
            Self::Unix(_) | Self::Folder(_) => "localhost".to_owned(),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
        }
    }

    pub fn connect(&self, patience: Duration) -> io::Result<Socket> {
        match self {
            Self::Unix(path) => {
                let socket: OwnedFd =
                    socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
                // A server that hangs lets those who come wait.
                set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
                connect(&socket, &SocketAddrUnix::new(path)?)?;
                Ok(Socket::Unix(UnixStream::from(socket)))
            }
            Self::Folder(_) => Err(io::Error::new(io::ErrorKind::NotFound, "no sandbox listens there")),
            Self::Tcp { .. } => {
                let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                for address in self.authority().to_socket_addrs()? {
                    match TcpStream::connect_timeout(&address, patience) {
                        Ok(stream) => {
                            stream.set_nodelay(true)?;
                            return Ok(Socket::Tcp(stream));
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or("use unix:/PATH, unix:/FOLDER/ or http://HOST:PORT")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) | Self::Folder(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { path, .. } => write!(f, "http://{}{path}", self.authority()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_socket_file_or_a_url_without_secrets() {
        for (text, shown) in [
            ("unix:/run/aura.sock", Some("unix:/run/aura.sock")),
            ("unix:/run/aura/", Some("unix:/run/aura/")),
            ("http://sandbox:8100/execute", Some("http://sandbox:8100/execute")),
            ("http://sandbox", Some("http://sandbox:8100/execute")),
            ("http://sandbox:80/execute", Some("http://sandbox:80/execute")),
            ("http://sandbox:443", Some("http://sandbox:443/execute")),
            ("http://[::1]:9/x", Some("http://[::1]:9/x")),
            ("unix:relative.sock", None),
            ("https://sandbox:8100/execute", None),
            ("http://me:hush@sandbox/", None),
            ("http://sandbox/?a=b", None),
            ("/run/aura.sock", None),
            ("", None),
        ] {
            assert_eq!(Address::parse(text).map(|address| address.to_string()).as_deref(), shown, "{text}");
        }
        assert_eq!(Address::parse_all("unix:/a, unix:/b").map(|all| all.len()), Some(2));
        assert_eq!(Address::parse_all("unix:/a,"), None);
    }
}
