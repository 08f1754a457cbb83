//! The sources of settings, and which of them decides.

use std::collections::HashMap;
use std::path::Path;
use std::{env, fmt, fs, io};

use super::secrets::{self, SECRETS};
use super::{ConfigError, Setting};

const DOT_ENV: &str = ".env";
const AURA_TOML: &str = "aura.toml";

/// All settings there are, with their defaults.
const SETTINGS: [(&str, &str); 40] = [
    ("AURA_API_HOST", "127.0.0.1"),
    ("AURA_API_PORT", "8000"),
    ("AURA_API_TOKEN", ""),
    ("AURA_API_TOKEN_FILE", ""),
    ("AURA_RATE", "100"),
    ("AURA_CLIENT_TIMEOUT_S", "30"),
    ("AURA_URL", ""),
    ("AURA_DATA", "./.aura"),
    ("AURA_QUEUE", "1024"),
    ("AURA_LEASE_S", "15"),
    ("AURA_STORE", "sqlite"),
    ("ARANGO_HOST", "http://localhost:8529"),
    ("ARANGO_USER", "root"),
    ("ARANGO_PASS", ""),
    ("ARANGO_PASS_FILE", ""),
    ("DB_NAME", "aura_live_image"),
    ("ARANGO_SINGLE_SERVER", ""),
    ("ARANGO_TIMEOUT_S", "30"),
    ("EXECUTION_SANDBOX_URL", ""),
    ("AURA_MIND", "ollama"),
    ("OLLAMA_HOST", "http://localhost:11434"),
    ("OPENAI_BASE_URL", ""),
    ("OPENAI_API_KEY", ""),
    ("OPENAI_API_KEY_FILE", ""),
    ("AURA_MIND_MODEL", ""),
    ("AURA_PERSONAS", ""),
    ("AURA_MIND_ATTEMPTS", "4"),
    ("AURA_MIND_TIMEOUT_S", "120"),
    ("AURA_FUEL", "2000000000"),
    ("AURA_WALL_MS", "5000"),
    ("AURA_MEMORY_BYTES", "134217728"),
    ("AURA_OUTPUT_BYTES", "65536"),
    ("AURA_FUEL_PER_HOUR", ""),
    ("AURA_CACHE", ""),
    ("AURA_GUEST", ""),
    ("AURA_POLICY", ""),
    ("AURA_LOG", ""),
    ("RUST_LOG", "warn,aura::cli=info,aura::monologue=info"),
    ("AURA_LOG_FORMAT", "human"),
    ("NO_COLOR", ""),
];

/// What may hold a password although it does not look like a URL.
const URLS: [&str; 5] =
    ["AURA_URL", "ARANGO_HOST", "EXECUTION_SANDBOX_URL", "OLLAMA_HOST", "OPENAI_BASE_URL"];

pub const MASK: &str = "********";

/// A setting given on the command line.
pub type Flag = (String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Flag,
    Environment,
    DotEnv,
    Toml,
    /// A file that holds a secret.
    File(String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(path) => return write!(f, "file {path}"),
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::DotEnv => DOT_ENV,
            Self::Toml => AURA_TOML,
            Self::Default => "default",
        })
    }
}

pub struct Value {
    pub text: String,
    pub origin: Origin,
}

/// The layers, highest first. An empty value counts as none.
pub struct Layers(Vec<(Origin, HashMap<String, String>)>);

impl Layers {
    pub fn read(flags: &[Flag]) -> Result<Self, ConfigError> {
        for (name, value) in flags {
            check_name(name, "a flag")?;
            check_shown(name, value)?;
        }
        let mut layers = Self(vec![
            (Origin::Flag, flags.iter().cloned().collect()),
            (Origin::Environment, environment()?),
            (Origin::DotEnv, dot_env(Path::new(DOT_ENV))?),
            (Origin::Toml, aura_toml(Path::new(AURA_TOML))?),
        ]);
        secrets::read(&mut layers)?;
        Ok(layers)
    }

    /// The file that decides a secret, if one does: its path, the layer that names it, and where that is.
    pub fn deciding(&self, name: &str, file: &str) -> Result<Option<(usize, Origin, String)>, ConfigError> {
        for (at, (origin, values)) in self.0.iter().enumerate() {
            let set = |name| values.get(name).filter(|text| !text.is_empty());
            match (set(name), set(file)) {
                (None, None) => {}
                (Some(_), None) => return Ok(None),
                (None, Some(path)) => return Ok(Some((at, origin.clone(), path.clone()))),
                (Some(_), Some(_)) => {
                    return Err(ConfigError::Unusable(format!(
                        "{name} and {file} are both set ({origin}): keep one of them."
                    )));
                }
            }
        }
        Ok(None)
    }

    /// Puts a layer with one value above the one that is there.
    pub fn insert(&mut self, at: usize, origin: Origin, name: &str, text: String) {
        self.0.insert(at, (origin, HashMap::from([(name.to_owned(), text)])));
    }

    pub fn get(&self, name: &str) -> Value {
        for (origin, values) in &self.0 {
            if let Some(text) = values.get(name).filter(|text| !text.is_empty()) {
                return Value { text: text.clone(), origin: origin.clone() };
            }
        }
        Value { text: default(name), origin: Origin::Default }
    }

    pub fn optional(&self, name: &str) -> Option<String> {
        Some(self.get(name).text).filter(|text| !text.is_empty())
    }

    pub fn settings(&self) -> Vec<Setting> {
        let shown = |name: &'static str| {
            let Value { text, origin } = self.get(name);
            Setting { name, value: masked(name, text), origin }
        };
        SETTINGS.iter().map(|(name, _)| shown(name)).collect()
    }

    #[cfg(test)]
    pub fn for_test(
        flags: &[(&str, &str)],
        environment: &[(&str, &str)],
        dot_env: &[(&str, &str)],
        toml: &[(&str, &str)],
    ) -> Self {
        let own = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Self(vec![
            (Origin::Flag, own(flags)),
            (Origin::Environment, own(environment)),
            (Origin::DotEnv, own(dot_env)),
            (Origin::Toml, own(toml)),
        ])
    }
}

fn default(name: &str) -> String {
    if name == "AURA_CACHE" {
        return user_cache();
    }
    SETTINGS
        .iter()
        .find(|(known, _)| *known == name)
        .map_or_else(String::new, |(_, default)| (*default).to_owned())
}

fn user_cache() -> String {
    let folder = |name: &str| env::var(name).ok().filter(|path| !path.is_empty());
    folder("XDG_CACHE_HOME")
        .or_else(|| folder("HOME").map(|home| format!("{home}/.cache")))
        .map_or_else(String::new, |cache| format!("{cache}/aura"))
}

fn environment() -> Result<HashMap<String, String>, ConfigError> {
    let mut values = HashMap::new();
    for (name, _) in SETTINGS {
        let Some(value) = env::var_os(name) else { continue };
        let text = value
            .into_string()
            .map_err(|_| ConfigError::Unusable(format!("{name} (environment) is not UTF-8 text")))?;
        values.insert(name.to_owned(), text);
    }
    Ok(values)
}

/// The value as it may be shown: without secrets, and without the password in a URL.
pub fn masked(name: &str, text: String) -> String {
    if SECRETS.iter().any(|(secret, _)| *secret == name) && !text.is_empty() {
        return MASK.to_owned();
    }
    // Services may be named without a scheme.
    let begin = text.find("://").map_or(0, |scheme| scheme + 3);
    let is_url = begin > 0 || URLS.contains(&name);
    let rest = &text[begin..];
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rfind('@') {
        Some(end) if is_url => format!("{}{MASK}{}", &text[..begin], &rest[end..]),
        _ => text,
    }
}

/// All users of a machine can read the command lines of its programs.
fn check_shown(name: &str, value: &str) -> Result<(), ConfigError> {
    if masked(name, value.to_owned()) == value {
        return Ok(());
    }
    Err(ConfigError::Unusable(format!(
        "{name} is given as a flag, where other users of this machine can read it: put the secret into the \
         environment, {DOT_ENV} or {AURA_TOML}."
    )))
}

/// Other programs have their settings in `.env` too, so unknown names are none of our business.
fn dot_env(path: &Path) -> Result<HashMap<String, String>, ConfigError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        other => other.map_err(|error| ConfigError::File(format!("{DOT_ENV}: {error}")))?,
    };
    // Editors of Windows put a mark in front.
    let lines = dotenvy::from_read_iter(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
    let (mut values, mut line) = (HashMap::new(), "the first line".to_owned());
    for entry in lines {
        let (name, value) = entry.map_err(|error| {
            ConfigError::File(match error {
                // The line itself may be a secret.
                dotenvy::Error::LineParse(..) => {
                    format!("{DOT_ENV}: {line} cannot be read; write NAME='VALUE'")
                }
                other => format!("{DOT_ENV}: {other}"),
            })
        })?;
        line = format!("the line after {name}");
        values.insert(name, value);
    }
    Ok(values)
}

fn aura_toml(path: &Path) -> Result<HashMap<String, String>, ConfigError> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(HashMap::new()),
        other => other.map_err(|error| ConfigError::File(format!("{AURA_TOML}: {error}")))?,
    };
    // The line itself may be a secret.
    let table: toml::Table = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        ConfigError::File(format!("{AURA_TOML}: line {line} cannot be read: {}", error.message()))
    })?;
    let mut values = HashMap::new();
    for (name, value) in table {
        check_name(&name, AURA_TOML)?;
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            _ => {
                return Err(ConfigError::File(format!(
                    "{AURA_TOML}: {name} must be a text or a whole number"
                )));
            }
        };
        values.insert(name, text);
    }
    Ok(values)
}

fn check_name(name: &str, place: &str) -> Result<(), ConfigError> {
    if SETTINGS.iter().any(|(known, _)| *known == name) {
        return Ok(());
    }
    let known: Vec<_> = SETTINGS.iter().map(|(known, _)| *known).collect();
    Err(ConfigError::File(format!("{place}: '{name}' is not a setting; there are {}", known.join(", "))))
}
