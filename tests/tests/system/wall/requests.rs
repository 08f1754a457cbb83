//! Requests that are too large, malformed, or two in one.

use aura_tests::Server;

use super::{Wire, said, status};
use crate::api::{NOWHERE, is_problem};

const HOST: &str = "host: localhost\r\nconnection: close\r\n";

#[test]
fn a_head_that_is_too_large_is_refused_and_the_server_goes_on() {
    let server = Server::start_with(&[NOWHERE]);
    let many = "x: 1\r\n".repeat(200);
    let long = "x".repeat(100 << 10);
    for (request, expected) in [
        (format!("GET /healthz HTTP/1.1\r\n{HOST}{many}\r\n"), "431"),
        (format!("GET /healthz HTTP/1.1\r\n{HOST}x: {long}\r\n\r\n"), "431"),
        (format!("GET /{long} HTTP/1.1\r\n{HOST}\r\n"), "431"),
        (format!("GET /{} HTTP/1.1\r\n{HOST}\r\n", "x".repeat(10_000)), "414"),
        (format!("GET /healthz?{} HTTP/1.1\r\n{HOST}\r\n", "x".repeat(10_000)), "414"),
        (format!("GET /objects?{} HTTP/1.1\r\n{HOST}\r\n", "limit=1&".repeat(1_000)), "400"),
    ] {
        let answer = said(&server, &request);
        assert_eq!(status(&answer), expected, "{request:.60} {answer}");
    }
    assert_eq!(status(&said(&server, format!("GET /healthz HTTP/1.1\r\n{HOST}\r\n"))), "200");
}

#[test]
fn each_request_names_its_host_once() {
    let server = Server::start_with(&[NOWHERE]);
    for (request, expected) in [
        ("GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), "400"),
        (format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{HOST}\r\n"), "400"),
        ("GET /healthz HTTP/1.0\r\n\r\n".to_owned(), "200"),
    ] {
        let answer = said(&server, &request);
        assert_eq!(status(&answer), expected, "{request} {answer}");
    }
}

/// Whoever reads the lengths otherwise than this server, such as a proxy before it, must not smuggle a second request
/// through as the end of the first.
#[test]
fn a_request_whose_length_is_told_twice_is_never_two_requests() {
    let server = Server::start_with(&[NOWHERE]);
    let smuggled = "POST /objects HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                    content-length: 18\r\n\r\n{\"key\":\"smuggled\"}";
    let begin = "POST /objects HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let length = smuggled.len() + 5;
    for lengths in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        "content-length: 5\r\ncontent-length: 6\r\n".to_owned(),
        "content-length: 5, 6\r\n".to_owned(),
        "content-length: +5\r\n".to_owned(),
        "content-length: 0x5\r\n".to_owned(),
        "transfer-encoding: chunked, identity\r\n".to_owned(),
        "transfer-encoding: xchunked\r\n".to_owned(),
        "transfer-encoding : chunked\r\n".to_owned(),
        " transfer-encoding: chunked\r\n".to_owned(),
    ] {
        let answer = said(&server, format!("{begin}{lengths}\r\n0\r\n\r\n{smuggled}"));
        assert_eq!(status(&answer), "400", "{lengths}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answer}");
    }
    let there = said(&server, format!("GET /objects/smuggled HTTP/1.1\r\n{HOST}\r\n"));
    assert_eq!(status(&there), "404", "{there}");
}

#[test]
fn a_body_in_chunks_is_bounded_too() {
    let server = Server::start_with(&[NOWHERE]);
    let mut wire = Wire::to(&server);
    wire.say(format!(
        "POST /message HTTP/1.1\r\n{HOST}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    ));
    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    for _ in 0..9 {
        wire.say(&chunk);
    }
    wire.say("0\r\n\r\n");
    let answer = wire.rest();
    assert_eq!(status(&answer), "413", "{answer}");
    assert!(answer.contains(r#""detail":"The body is larger than 8388608 bytes.""#), "{answer}");
}

#[tokio::test]
async fn a_body_is_read_as_it_is() {
    let server = Server::start_with(&[NOWHERE]);
    for coding in ["gzip", "br", "identity, gzip"] {
        let headers = [("content-type", "application/json"), ("content-encoding", coding)];
        let answer = server.client().request("POST", "/objects", &headers, vec![0x1f, 0x8b]).await;
        is_problem(&answer, 415, "Malformed", "Send the body as it is, without Content-Encoding.");
    }
    let headers = [("content-type", "application/json"), ("content-encoding", "identity")];
    let answer = server.client().request("POST", "/objects", &headers, br#"{"key":"plain"}"#.to_vec()).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test]
async fn each_answer_names_its_request() {
    let server = Server::start_with(&[NOWHERE]);
    let ask = async |path: &'static str, id: &str| {
        server.client().request("GET", path, &[("x-request-id", id)], Vec::new()).await
    };
    for path in ["/healthz", "/objects", "/nothing/here", "/objects/nobody"] {
        let answer = ask(path, "order-66:a_b.c").await;
        assert_eq!(answer.header("x-request-id"), Some("order-66:a_b.c"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        if answer.status >= 400 {
            assert_eq!(answer.json()["request_id"], "order-66:a_b.c", "{path}");
        }
    }
    for useless in ["", "a b", "<script>", "\"", &"x".repeat(65)] {
        let answer = ask("/objects/nobody", useless).await;
        let id = answer.header("x-request-id").expect("an id").to_owned();
        assert_eq!((id.len(), &answer.json()["request_id"]), (36, &id.as_str().into()), "{useless}");
    }
    let document = server.client().get("/openapi.json").await.json();
    let header =
        &document["paths"]["/objects/{key}"]["get"]["responses"]["default"]["headers"]["X-Request-Id"];
    assert_eq!(header["$ref"], "#/components/headers/RequestId");
}
