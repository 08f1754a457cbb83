//! What one client takes leaves enough for the others.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};

use aura_tests::Server;

use super::{Wire, own_address, said, status};
use crate::api::NOWHERE;

const TOKEN: (&str, &str) = ("AURA_API_TOKEN", "open-sesame");
const ASK: &str =
    "GET /objects HTTP/1.1\r\nhost: x\r\nauthorization: Bearer open-sesame\r\nconnection: close\r\n\r\n";

/// A server that listens everywhere, and where another machine would find it.
fn reachable(settings: &[(&str, &str)], own: IpAddr) -> (Server, String) {
    let server = Server::start_with(&[&[NOWHERE, TOKEN, ("AURA_API_HOST", "0.0.0.0")], settings].concat());
    let port: SocketAddr = server.client().address().parse().expect("an address");
    let elsewhere = SocketAddr::new(own, port.port()).to_string();
    (server, elsewhere)
}

fn asked(address: &str) -> String {
    let mut wire = Wire::at(address);
    wire.say(ASK);
    wire.rest()
}

#[test]
fn who_asks_too_often_is_told_to_wait_and_the_others_are_answered() {
    let Some(own) = own_address() else { return };
    let (server, elsewhere) = reachable(&[("AURA_RATE", "1")], own);
    let refused = (0..1_000).map(|_| asked(&elsewhere)).find(|answer| status(answer) != "200");
    let refused = refused.expect("nobody asks a thousand times within a second");
    assert_eq!(status(&refused), "429", "{refused}");
    for expected in [
        "retry-after: 1\r\n",
        r#""kind":"Busy""#,
        r#""detail":"You ask more often than this server allows (AURA_RATE): try again later.""#,
    ] {
        assert!(refused.contains(expected), "{refused}");
    }
    for _ in 0..100 {
        assert_eq!(status(&asked(server.client().address())), "200", "this machine itself is not limited");
    }
    let (_server, elsewhere) = reachable(&[("AURA_RATE", "off")], own);
    for _ in 0..300 {
        assert_eq!(status(&asked(&elsewhere)), "200");
    }
}

/// Tokens cannot be tried faster than anything else.
#[test]
fn wrong_tokens_count_too() {
    let Some(own) = own_address() else { return };
    let (_server, elsewhere) = reachable(&[("AURA_RATE", "1")], own);
    let guess = |number| {
        let mut wire = Wire::at(&elsewhere);
        wire.say(ASK.replace("sesame", &format!("{number}")));
        wire.rest()
    };
    let answers: Vec<String> = (0..50).map(|number| status(&guess(number)).to_owned()).collect();
    assert_eq!(answers[0], "401");
    assert!(answers.iter().any(|answer| answer == "429"), "{answers:?}");
}

#[test]
fn one_client_cannot_take_all_connections() {
    let Some(own) = own_address() else { return };
    let (server, elsewhere) = reachable(&[("AURA_RATE", "off")], own);
    let probe = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..128 {
        let mut wire = Wire::at(&elsewhere);
        wire.say(probe);
        // Until it is answered it may not be counted yet.
        wire.0.read_exact(&mut [0; 12]).expect("an answer");
        held.push(wire);
    }
    let mut beyond = Wire::at(&elsewhere);
    let _ = beyond.0.write_all(probe.as_bytes());
    assert_eq!(beyond.rest(), "", "it is closed at once");
    assert_eq!(status(&asked(server.client().address())), "200", "others get through");
    drop(held);
    loop {
        let mut again = Wire::at(&elsewhere);
        let _ = again.0.write_all(ASK.as_bytes());
        if status(&again.rest()) == "200" {
            break;
        }
    }
}

#[test]
fn listening_to_events_leaves_connections_for_others() {
    let server = Server::start_with(&[NOWHERE]);
    let listen = || {
        let mut wire = Wire::to(&server);
        wire.say("GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let mut start = [0; 12];
        wire.0.read_exact(&mut start).expect("an answer");
        (wire, String::from_utf8_lossy(&start).into_owned())
    };
    let mut held = Vec::new();
    for _ in 0..256 {
        let (wire, start) = listen();
        assert_eq!(status(&start), "200");
        held.push(wire);
    }
    let refused = said(&server, "GET /events HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&refused), "503", "{refused}");
    for expected in
        [r#""kind":"Busy""#, r#""detail":"256 clients listen to events already: try again later""#]
    {
        assert!(refused.contains(expected), "{refused}");
    }
    let other = said(&server, "GET /objects HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&other), "200", "other requests are answered");
    drop(held);
    while status(&listen().1) != "200" {}
}
