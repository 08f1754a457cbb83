//! Clients that take their time. What is said here is that each connection ends, not when.

use std::io::Write as _;
use std::time::Duration;

use aura_tests::{Server, proc, until};
use serde_json::json;

use super::{PATIENCE, Wire, said, status};
use crate::api::NOWHERE;

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
#[test]
fn an_answer_that_nobody_takes_is_given_up() {
    let server = impatient();
    let large = json!({ "key": "large", "attributes": { "text": "x".repeat(1 << 20) } }).to_string();
    let head =
        "POST /objects HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close";
    let answer = said(&server, format!("{head}\r\ncontent-length: {}\r\n\r\n{large}", large.len()));
    assert_eq!(status(&answer), "201", "{answer}");
    let mut wire = Wire::to(&server);
    let port = wire.0.local_addr().expect("it is connected").port();
    for _ in 0..64 {
        wire.say("GET /objects/large HTTP/1.1\r\nhost: localhost\r\n\r\n");
    }
    until("the server accepts", || proc::serves(port));
    until("the server gives the connection up", || !proc::serves(port));
    assert_eq!(
        status(&said(&server, "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")),
        "200"
    );
}
