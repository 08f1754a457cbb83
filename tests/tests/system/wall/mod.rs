//! The wall around the API, from outside: what is refused, and that it harms nobody else. What is said over a
//! connection is written byte by byte, as no well-behaved client would.

mod browsers;
mod internals;
mod requests;
mod secrets;
mod share;
mod slow;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

use aura_tests::Server;

/// Far beyond what anything here takes: reaching it is a hang.
const PATIENCE: Duration = Duration::from_mins(2);

/// A connection.
struct Wire(TcpStream);

impl Wire {
    fn to(server: &Server) -> Self {
        Self::at(server.client().address())
    }

    fn at(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self(stream)
    }

    fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).expect("the server reads");
    }

    /// All that is answered until the server closes the connection.
    fn rest(mut self) -> String {
        let mut answer = Vec::new();
        match self.0.read_to_end(&mut answer) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => {
                panic!("the server does not close the connection: {error}")
            }
            _ => String::from_utf8_lossy(&answer).into_owned(),
        }
    }
}

/// What a request is answered with, all of it.
fn said(server: &Server, request: impl AsRef<[u8]>) -> String {
    let mut wire = Wire::to(server);
    // A server that refuses early may close before it has read all.
    let _ = wire.0.write_all(request.as_ref());
    wire.rest()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

/// An address of this machine that is not loopback; nothing is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    if address.is_loopback() {
        println!("skipped: this machine has no address but loopback");
        return None;
    }
    Some(address)
}
