//! Clients that take their time. What is said here is that each connection ends, not when.

use std::io::Write as _;
use std::net::Shutdown;
use std::time::Duration;

use aura_tests::Server;
use serde_json::json;

use super::{PATIENCE, Wire, status};
use crate::api::{NOWHERE, done};

fn impatient() -> Server {
    Server::start_with(&[NOWHERE, ("AURA_CLIENT_TIMEOUT_S", "1")])
}

/// Sends one byte after the other until the server has had enough.
fn drip(wire: &mut Wire) {
    let stream = &mut wire.0;
    let pause = Duration::from_millis(50);
    stream.set_read_timeout(Some(pause)).expect("a timeout");
    for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
        // Nothing to be read within the pause means that it still listens.
        if stream.write_all(b"x").is_err() || stream.peek(&mut [0]).is_ok() {
            break;
        }
    }
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
}

#[test]
fn a_head_that_does_not_end_is_not_waited_for() {
    let server = impatient();
    let mut wire = Wire::to(&server);
    wire.say("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ");
    drip(&mut wire);
    assert_eq!(wire.rest(), "");
}

#[test]
fn a_body_that_does_not_end_is_answered_all_the_same() {
    let server = impatient();
    let mut wire = Wire::to(&server);
    wire.say("POST /message HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n");
    drip(&mut wire);
    let answer = wire.rest();
    assert_eq!(status(&answer), "408", "{answer}");
    assert!(answer.contains(r#""detail":"The body did not arrive within 1 seconds.""#), "{answer}");
}

#[test]
fn a_connection_over_which_nothing_is_said_is_closed() {
    let server = impatient();
    assert_eq!(Wire::to(&server).rest(), "");
    let mut used = Wire::to(&server);
    used.say("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let answer = used.rest();
    assert_eq!(status(&answer), "200", "{answer}");
}

/// The answers are far more than the buffers of both ends hold.
#[tokio::test]
async fn an_answer_that_nobody_takes_is_given_up() {
    let server = impatient();
    let client = server.client();
    let large = json!({ "key": "large", "attributes": { "text": "x".repeat(1 << 20) } });
    done(client, "POST", "/objects", &large, 201).await;
    let before = sockets(&server);
    let mut wire = Wire::to(&server);
    for _ in 0..64 {
        wire.say("GET /objects/large HTTP/1.1\r\nhost: localhost\r\n\r\n");
    }
    while sockets(&server) == before {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let wait = async {
        while sockets(&server) > before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the server gives the connection up");
    let _ = wire.0.shutdown(Shutdown::Both);
    assert_eq!(client.get("/healthz").await.status, 200);
}

/// How many sockets the server holds.
fn sockets(server: &Server) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.id())).expect("the server runs");
    let target = |file: std::io::Result<std::fs::DirEntry>| std::fs::read_link(file.ok()?.path()).ok();
    files.filter_map(target).filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}
