//! Where the distributed store is.

use std::time::Duration;

use super::layers::Layers;
use super::{ConfigError, parse, service_url};
use crate::store::arango::ArangoConfig;

pub(super) fn arango(layers: &Layers) -> Result<ArangoConfig, ConfigError> {
    Ok(ArangoConfig {
        url: parse(layers, "ARANGO_HOST", "use http://HOST:PORT; the user goes into ARANGO_USER", |text| {
            service_url(text, 8529).filter(|url| !url.contains('@'))
        })?,
        user: layers.get("ARANGO_USER").text,
        password: layers.get("ARANGO_PASS").text,
        database: parse(
            layers,
            "DB_NAME",
            "use a letter, then up to 63 of the characters A-Z a-z 0-9 _ -",
            database,
        )?,
        single_server_allowed: parse(
            layers,
            "ARANGO_SINGLE_SERVER",
            "use allow, or leave it empty",
            |text| match text {
                "" => Some(false),
                "allow" => Some(true),
                _ => None,
            },
        )?,
        timeout: parse(layers, "ARANGO_TIMEOUT_S", "use 1 to 50 seconds", |text| {
            text.parse().ok().filter(|seconds| (1..=50).contains(seconds)).map(Duration::from_secs)
        })?,
    })
}

/// `ArangoDB`'s traditional names, which every server takes.
fn database(text: &str) -> Option<String> {
    let valid = text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    valid.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<ArangoConfig, ConfigError> {
        arango(&Layers::for_test(&[], settings, &[], &[]))
    }

    #[test]
    fn all_of_it_can_be_set() {
        let local = read(&[]).unwrap();
        assert_eq!((local.url.as_str(), local.user.as_str()), ("http://localhost:8529", "root"));
        assert_eq!((local.database.as_str(), local.single_server_allowed), ("aura_live_image", false));
        assert_eq!(local.timeout, Duration::from_secs(30));

        let set = read(&[
            ("ARANGO_HOST", "coordinator"),
            ("ARANGO_USER", "aura"),
            ("ARANGO_PASS", "hush"),
            ("DB_NAME", "image-2"),
            ("ARANGO_SINGLE_SERVER", "allow"),
            ("ARANGO_TIMEOUT_S", "5"),
        ])
        .unwrap();
        assert_eq!((set.url.as_str(), set.user.as_str()), ("http://coordinator:8529", "aura"));
        assert_eq!((set.password.as_str(), set.database.as_str()), ("hush", "image-2"));
        assert_eq!((set.single_server_allowed, set.timeout), (true, Duration::from_secs(5)));
        assert!(!format!("{set:?}").contains("hush"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (name, value, text) in [
            (
                "ARANGO_HOST",
                "http://aura:hush@coordinator:8529",
                "ARANGO_HOST='http://********@coordinator:8529' (environment) is not valid: use http://HOST:PORT; the user goes into ARANGO_USER",
            ),
            (
                "DB_NAME",
                "_system",
                "DB_NAME='_system' (environment) is not valid: use a letter, then up to 63 of the characters A-Z a-z 0-9 _ -",
            ),
            (
                "ARANGO_SINGLE_SERVER",
                "yes",
                "ARANGO_SINGLE_SERVER='yes' (environment) is not valid: use allow, or leave it empty",
            ),
            ("ARANGO_TIMEOUT_S", "0", "ARANGO_TIMEOUT_S='0' (environment) is not valid: use 1 to 50 seconds"),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().to_string(), text);
        }
    }
}
