//! What the user set: flags, then the environment, then `.env`, then `aura.toml`, then defaults. Secrets may be in
//! files that those name.
//!
//! [`Config::load`] reads all of it once, at the start. Nothing else in the program reads the environment.

mod arango;
mod layers;
mod secrets;

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

pub use layers::{Flag, Origin};
use layers::{Layers, MASK, Value, masked};

use crate::mind::{ApiKey, MindConfig, MindKind};
use crate::object::{Budget, Quota, QuotaOverride};
use crate::outbound::is_loopback_host;
use crate::sandbox::remote::Address;
use crate::store::arango::ArangoConfig;

#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("{name}='{value}' ({origin}) is not valid: {expected}")]
    Invalid { name: &'static str, value: String, origin: Origin, expected: String },
    #[error("{0}")]
    File(String),
    #[error("{0}")]
    Unusable(String),
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

/// Where the Living Image is.
#[derive(Clone, Debug)]
pub enum StoreConfig {
    /// In one file in the data folder.
    Sqlite,
    Arango(ArangoConfig),
}

/// One setting as it is in force; a secret's value is masked.
#[derive(Clone, Debug)]
pub struct Setting {
    pub name: &'static str,
    pub value: String,
    pub origin: Origin,
}

impl Setting {
    /// Whether there is a secret in it.
    pub fn is_masked(&self) -> bool {
        self.value.contains(MASK)
    }
}

#[derive(Clone, Debug)]
pub struct Config {
    pub api_host: String,
    pub api_port: u16,
    pub api_token: Option<Secret>,
    /// Requests a second of one client that is not on this machine.
    pub rate: Option<NonZeroU32>,
    /// How slow a client may be.
    pub client_timeout: Duration,
    /// Where the client commands find a running AURA.
    pub url: String,
    pub data: PathBuf,
    pub mind: MindConfig,
    /// Personas in place of the built-in ones.
    pub personas: Option<PathBuf>,
    pub mind_attempts: u32,
    /// Messages running or waiting before new ones are refused.
    pub queue: usize,
    /// How long the other servers of the image wait for one that has gone silent.
    pub lease: Duration,
    pub quota: Quota,
    /// The fuel of an object's runs within an hour, where it has no budget of its own.
    pub fuel_per_hour: Option<u64>,
    pub cache: PathBuf,
    /// The guest, if not the one of this build in the cache.
    pub guest: Option<PathBuf>,
    /// A policy in place of the built-in one.
    pub policy: Option<PathBuf>,
    pub log: String,
    pub log_format: LogFormat,
    /// What the convention `NO_COLOR` asks for.
    pub no_color: bool,
    pub store: StoreConfig,
    /// Where the sandboxes are; none: in this process.
    pub sandboxes: Vec<Address>,
    settings: Vec<Setting>,
}

impl Config {
    pub fn load(flags: &[Flag]) -> Result<Self, ConfigError> {
        Self::from_layers(&Layers::read(flags)?)
    }

    /// Every setting with its value and where that came from.
    pub fn origins(&self) -> &[Setting] {
        &self.settings
    }

    /// Where the guest is, or has to be built to.
    pub fn guest_path(&self) -> PathBuf {
        let built = || self.cache.join("guest").join(env!("AURA_GUEST_KEY")).join("python.wasm");
        self.guest.clone().unwrap_or_else(built)
    }

    pub fn api_is_loopback(&self) -> bool {
        is_loopback_host(&self.api_host)
    }

    fn from_layers(layers: &Layers) -> Result<Self, ConfigError> {
        let api_host = parse(layers, "AURA_API_HOST", "use an address or a name", |text| {
            let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%".contains(&byte);
            text.bytes().all(may_be).then(|| text.to_owned())
        })?;
        let api_port =
            parse(layers, "AURA_API_PORT", "use a port from 0 to 65535", |text| text.parse().ok())?;
        let url = match layers.optional("AURA_URL") {
            Some(_) => parse(layers, "AURA_URL", "use http://HOST:PORT", |text| {
                http_url(text).filter(|url| !url.contains('@'))
            })?,
            None => format!("http://{}", authority(&client_host(&api_host), api_port)),
        };
        Ok(Self {
            api_host,
            api_port,
            api_token: token(layers)?,
            rate: parse(
                layers,
                "AURA_RATE",
                "use 1 to 1000000 requests a second, or off",
                |text| match text {
                    "off" => Some(None),
                    _ => text.parse().ok().filter(|rate: &NonZeroU32| rate.get() <= 1_000_000).map(Some),
                },
            )?,
            client_timeout: parse(layers, "AURA_CLIENT_TIMEOUT_S", "use 1 to 600 seconds", |text| {
                text.parse().ok().filter(|seconds| (1..=600).contains(seconds)).map(Duration::from_secs)
            })?,
            url,
            data: PathBuf::from(layers.get("AURA_DATA").text),
            mind: mind(layers)?,
            personas: layers.optional("AURA_PERSONAS").map(PathBuf::from),
            mind_attempts: parse(layers, "AURA_MIND_ATTEMPTS", "use 1 to 20", |text| {
                text.parse().ok().filter(|attempts| (1..=20).contains(attempts))
            })?,
            queue: parse(layers, "AURA_QUEUE", "use 1 to 100000 messages", |text| {
                text.parse().ok().filter(|messages| (1..=100_000).contains(messages))
            })?,
            lease: parse(layers, "AURA_LEASE_S", "use 1 to 600 seconds", |text| {
                text.parse().ok().filter(|seconds| (1..=600).contains(seconds)).map(Duration::from_secs)
            })?,
            quota: quota(layers)?,
            fuel_per_hour: fuel_per_hour(layers)?,
            cache: cache(layers)?,
            guest: layers.optional("AURA_GUEST").map(PathBuf::from),
            policy: layers.optional("AURA_POLICY").map(PathBuf::from),
            log: layers.optional("AURA_LOG").unwrap_or_else(|| layers.get("RUST_LOG").text),
            log_format: parse(layers, "AURA_LOG_FORMAT", "use human or json", |text| match text {
                "human" => Some(LogFormat::Human),
                "json" => Some(LogFormat::Json),
                _ => None,
            })?,
            no_color: layers.optional("NO_COLOR").is_some(),
            store: store(layers)?,
            sandboxes: sandboxes(layers)?,
            settings: layers.settings(),
        })
    }
}

/// `HOST:PORT` as it stands in a URL.
pub fn authority(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// A server that listens on every address is reached at the loopback one.
fn client_host(host: &str) -> String {
    match host {
        "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" | "[::]" => "::1".to_owned(),
        other => other.to_owned(),
    }
}

fn parse<T>(
    layers: &Layers,
    name: &'static str,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, ConfigError> {
    let Value { text, origin } = layers.get(name);
    read(&text).ok_or_else(|| ConfigError::Invalid {
        name,
        value: masked(name, text).chars().take(64).collect(),
        origin,
        expected: expected.to_owned(),
    })
}

/// What an HTTP header can carry as it is.
fn token(layers: &Layers) -> Result<Option<Secret>, ConfigError> {
    if layers.optional("AURA_API_TOKEN").is_none() {
        return Ok(None);
    }
    parse(layers, "AURA_API_TOKEN", "use 1 to 512 visible ASCII characters, without spaces", |text| {
        let token = text.trim();
        let valid = (1..=512).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        valid.then(|| Some(Secret(token.to_owned())))
    })
}

fn http_url(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host())
        .then(|| text.trim_end_matches('/').to_owned())
}

/// The URL of a service, of which scheme and port may be lacking, and which may be the address that its server was
/// told to listen on.
fn service_url(text: &str, port: u16) -> Option<String> {
    if text.contains("://") {
        return http_url(text);
    }
    let mut url = reqwest::Url::parse(&format!("http://{text}")).ok()?;
    if url.port().is_none() {
        url.set_port(Some(port)).ok()?;
    }
    if url.host_str() == Some("0.0.0.0") {
        url.set_host(Some("127.0.0.1")).ok()?;
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

fn ollama_url(text: &str) -> Option<String> {
    // A port alone, as Ollama has it.
    let host = if text.starts_with(':') { "127.0.0.1" } else { "" };
    service_url(&format!("{host}{text}"), 11434)
}

fn store(layers: &Layers) -> Result<StoreConfig, ConfigError> {
    let distributed = parse(layers, "AURA_STORE", "use sqlite or arango", |text| match text {
        "sqlite" => Some(false),
        "arango" => Some(true),
        _ => None,
    })?;
    if distributed { Ok(StoreConfig::Arango(arango::arango(layers)?)) } else { Ok(StoreConfig::Sqlite) }
}

fn mind(layers: &Layers) -> Result<MindConfig, ConfigError> {
    let kind = parse(layers, "AURA_MIND", "use ollama or openai", |text| match text {
        "ollama" => Some(MindKind::Ollama),
        "openai" => Some(MindKind::OpenAi),
        _ => None,
    })?;
    let base_url = match kind {
        MindKind::Ollama => parse(layers, "OLLAMA_HOST", "use http://HOST:PORT", ollama_url)?,
        MindKind::OpenAi if layers.optional("OPENAI_BASE_URL").is_none() => {
            return Err(ConfigError::Unusable(
                "AURA_MIND=openai needs OPENAI_BASE_URL, such as http://127.0.0.1:8080/v1.".into(),
            ));
        }
        MindKind::OpenAi => parse(layers, "OPENAI_BASE_URL", "use http://HOST:PORT/v1", http_url)?,
    };
    let timeout = parse(layers, "AURA_MIND_TIMEOUT_S", "use 1 to 3600 seconds", |text| {
        text.parse().ok().filter(|seconds| (1..=3600).contains(seconds)).map(Duration::from_secs)
    })?;
    Ok(MindConfig {
        kind,
        base_url,
        api_key: layers.optional("OPENAI_API_KEY").map(ApiKey::new),
        model: layers.optional("AURA_MIND_MODEL"),
        timeout,
    })
}

fn quota(layers: &Layers) -> Result<Quota, ConfigError> {
    let limit = |name, set: fn(&mut QuotaOverride, u64)| {
        let mut one = QuotaOverride::default();
        let value = parse(layers, name, "use a whole number", |text| text.parse().ok())?;
        set(&mut one, value);
        match one.check() {
            Ok(()) => Ok(value),
            Err(expected) => {
                let Value { text, origin } = layers.get(name);
                Err(ConfigError::Invalid { name, value: text, origin, expected })
            }
        }
    };
    Ok(Quota {
        fuel: limit("AURA_FUEL", |quota, value| quota.fuel = Some(value))?,
        wall_ms: limit("AURA_WALL_MS", |quota, value| quota.wall_ms = Some(value))?,
        memory_bytes: limit("AURA_MEMORY_BYTES", |quota, value| quota.memory_bytes = Some(value))?,
        output_bytes: limit("AURA_OUTPUT_BYTES", |quota, value| quota.output_bytes = Some(value))?,
    })
}

/// Empty: none.
fn fuel_per_hour(layers: &Layers) -> Result<Option<u64>, ConfigError> {
    let budget = |text: &str| {
        let budget = Budget { fuel_per_hour: Some(text.parse().ok()?) };
        budget.check().ok().map(|()| budget)
    };
    let Some(_) = layers.optional("AURA_FUEL_PER_HOUR") else { return Ok(None) };
    Ok(parse(layers, "AURA_FUEL_PER_HOUR", "use 1 to 1000000000000000 fuel, or leave it empty", budget)?
        .fuel_per_hour)
}

/// Empty: none.
fn sandboxes(layers: &Layers) -> Result<Vec<Address>, ConfigError> {
    if layers.optional("EXECUTION_SANDBOX_URL").is_none() {
        return Ok(Vec::new());
    }
    let expected = "use unix:/PATH, unix:/FOLDER/ or http://HOST:PORT/execute, several separated by commas";
    parse(layers, "EXECUTION_SANDBOX_URL", expected, Address::parse_all)
}

fn cache(layers: &Layers) -> Result<PathBuf, ConfigError> {
    let cache = layers.get("AURA_CACHE").text;
    if cache.is_empty() {
        return Err(ConfigError::Unusable("There is no home folder for the cache: set AURA_CACHE.".into()));
    }
    Ok(PathBuf::from(cache))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(layers: &Layers) -> Result<Config, ConfigError> {
        Config::from_layers(layers)
    }

    #[test]
    fn each_layer_hides_the_ones_below_and_is_remembered() {
        let layers = Layers::for_test(
            &[("AURA_API_PORT", "1")],
            &[("AURA_API_PORT", "2"), ("AURA_API_HOST", "localhost"), ("AURA_DATA", "")],
            &[("AURA_API_HOST", "0.0.0.0"), ("AURA_DATA", "/from/dotenv"), ("AURA_API_TOKEN", "hush")],
            &[("AURA_DATA", "/from/toml"), ("AURA_FUEL", "7")],
        );
        let config = config(&layers).unwrap();
        let shown: Vec<_> = config
            .origins()
            .iter()
            .filter(|setting| setting.origin != Origin::Default)
            .map(|setting| format!("{}={} {}", setting.name, setting.value, setting.origin))
            .collect();
        assert_eq!(
            shown,
            [
                "AURA_API_HOST=localhost environment",
                "AURA_API_PORT=1 flag",
                "AURA_API_TOKEN=******** .env",
                "AURA_DATA=/from/dotenv .env",
                "AURA_FUEL=7 aura.toml",
            ]
        );
        assert_eq!((config.api_port, config.quota.fuel), (1, 7));
        assert_eq!(config.url, "http://localhost:1");
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_origin() {
        for (name, value, text) in [
            (
                "AURA_API_PORT",
                "66000",
                "AURA_API_PORT='66000' (environment) is not valid: use a port from 0 to 65535",
            ),
            (
                "AURA_FUEL",
                "0",
                "AURA_FUEL='0' (environment) is not valid: fuel must be between 1 and 1000000000000",
            ),
            ("AURA_MIND", "gpt", "AURA_MIND='gpt' (environment) is not valid: use ollama or openai"),
            (
                "EXECUTION_SANDBOX_URL",
                "unix:/run/a.sock,b.sock",
                "EXECUTION_SANDBOX_URL='unix:/run/a.sock,b.sock' (environment) is not valid: use unix:/PATH, \
                 unix:/FOLDER/ or http://HOST:PORT/execute, several separated by commas",
            ),
            (
                "AURA_API_HOST",
                "not a host",
                "AURA_API_HOST='not a host' (environment) is not valid: use an address or a name",
            ),
            ("AURA_URL", "ftp://x", "AURA_URL='ftp://x' (environment) is not valid: use http://HOST:PORT"),
        ] {
            let error = config(&Layers::for_test(&[], &[(name, value)], &[], &[])).unwrap_err();
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        let layers = Layers::for_test(&[], &[("OLLAMA_HOST", "https://me:hush@mind.example/x@y")], &[], &[]);
        let config = config(&layers).unwrap();
        let shown = config.origins().iter().find(|setting| setting.name == "OLLAMA_HOST").unwrap();
        assert_eq!(shown.value, "https://********@mind.example/x@y");
    }

    #[test]
    fn ollama_host_may_be_an_address_alone() {
        assert_eq!(ollama_url("localhost").unwrap(), "http://localhost:11434");
        assert_eq!(ollama_url("0.0.0.0:9000").unwrap(), "http://127.0.0.1:9000");
        assert_eq!(ollama_url("https://mind.example/").unwrap(), "https://mind.example");
        assert_eq!(ollama_url(":9000").unwrap(), "http://127.0.0.1:9000");
        assert_eq!(ollama_url("a b"), None);
    }
}
