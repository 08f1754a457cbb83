//! Web pages from elsewhere, open in a browser on this machine.

use aura_tests::Server;

use crate::api::{JSON, NOWHERE, is_problem};

const FOREIGN: &str = "This server has no token (AURA_API_TOKEN) and answers no web pages of other sites.";

#[tokio::test]
async fn no_page_of_another_site_is_answered_without_a_token() {
    let server = Server::start_with(&[NOWHERE]);
    let client = server.client();
    let body = br#"{"key":"forged"}"#.to_vec();
    for origin in ["http://evil.example", "https://evil.example", "null", "http://localhost:1", "file://", ""]
    {
        let answer = client.request("POST", "/objects", &[JSON, ("origin", origin)], body.clone()).await;
        is_problem(&answer, 403, "Unauthorized", FOREIGN);
    }
    // What browsers send for pictures, scripts and streams, which have no origin.
    for site in ["cross-site", "same-site"] {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", "no-cors")];
        is_problem(
            &client.request("GET", "/events", &headers, Vec::new()).await,
            403,
            "Unauthorized",
            FOREIGN,
        );
    }
    let followed = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
    assert_eq!(client.request("GET", "/objects", &followed, Vec::new()).await.status, 200);
    assert_eq!(client.get("/objects/forged").await.status, 404);
    let own = format!("http://{}", client.address());
    let answer = client.request("POST", "/objects", &[JSON, ("origin", &own)], body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

/// What a form can send needs no leave from the server it goes to.
#[tokio::test]
async fn what_a_form_can_send_is_no_json() {
    let server = Server::start_with(&[NOWHERE]);
    let types = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "text/json",
    ];
    for content_type in types {
        let headers = [("content-type", content_type)];
        let body = br#"{"key":"forged"}"#.to_vec();
        let answer = server.client().request("POST", "/objects", &headers, body).await;
        let text = "Send the body as JSON, with the header Content-Type: application/json.";
        is_problem(&answer, 415, "Malformed", text);
    }
}

#[tokio::test]
async fn browsers_are_given_no_leave_to_ask_from_elsewhere() {
    let settings = [NOWHERE, ("AURA_API_TOKEN", "open-sesame")];
    let (open, closed) = (Server::start_with(&[NOWHERE]), Server::start_with(&settings));
    let own = format!("http://{}", open.client().address());
    let shown = ("authorization", "Bearer open-sesame");
    for (server, origin) in [(&open, own.as_str()), (&closed, "http://evil.example")] {
        let asked = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type,authorization"),
        ];
        let preflight = server.client().request("OPTIONS", "/message", &asked, Vec::new()).await;
        assert!([401, 405].contains(&preflight.status), "{}", preflight.text);
        let read = server.client().request("GET", "/objects", &[("origin", origin), shown], Vec::new()).await;
        assert_eq!(read.status, 200, "{}", read.text);
        for answer in [preflight, read] {
            let mut names = answer.headers.keys();
            let granted = names.any(|name| name.as_str().starts_with("access-control-"));
            assert!(!granted, "{:?}", answer.headers);
        }
    }
}
