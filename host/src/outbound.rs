//! Connections from here to services: what is on this machine, how a URL is shown, and why a request failed.
//!
//! Nothing here may use the other folders of this crate.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Url};

/// A server on this machine or in this network accepts within this time or not at all.
const CONNECT: Duration = Duration::from_secs(5);

/// A client for one server. No proxy stands before what is on this machine.
pub fn client(url: &Url) -> ClientBuilder {
    let client = Client::builder().connect_timeout(CONNECT);
    if url.host_str().is_some_and(is_loopback_host) { client.no_proxy() } else { client }
}

/// Whether this machine alone reaches the address.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a host is reached from this machine alone.
pub fn is_loopback_host(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
}

/// A URL as it is named to people, and without a slash at its end.
pub fn without_credentials(url: &Url) -> String {
    let mut shown = url.clone();
    // A URL that can hold credentials can also lose them.
    let _ = (shown.set_username(""), shown.set_password(None));
    shown.as_str().trim_end_matches('/').to_owned()
}

/// What it comes down to that a request failed.
pub fn root_cause(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_this_machine() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]", "::1", "::ffff:127.0.0.1"] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["127.evil.example", "localhost.example", "10.0.0.1", "[::]", "0.0.0.0", ""] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
