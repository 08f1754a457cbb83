//! What method bodies may use, as data: a TOML file, of which the one beside this is the default.
//!
//! The guest is made by the policy when its snapshot is taken: the audit reads bodies by it, and the builtins and
//! modules that bodies find when they run are those it allows.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::object::Digest;

/// The default policy, as text.
pub const BUILT_IN: &str = include_str!("policy.toml");
/// The most bytes of a policy, and the most names in one of its lists.
const MAX_BYTES: usize = 256 << 10;
const MAX_NAMES: usize = 2_000;
const MAX_NAME: usize = 100;
/// What the limits may be at most: more than a method may have, or the guest's stack takes.
const MAX_SOURCE: u32 = 64 << 10;
const MAX_DEPTH: u32 = 200;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum PolicyError {
    #[error("the policy {0} cannot be read: {1}")]
    Unreadable(String, String),
    #[error("the policy is not valid: {0}")]
    Invalid(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub limits: Limits,
    pub modules: Modules,
    pub builtins: Allowed,
    pub attributes: Attributes,
    pub constructs: Allowed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub bytes: u32,
    pub depth: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Modules {
    pub allowed: BTreeSet<Name>,
    pub hidden: BTreeSet<Name>,
    pub shown: BTreeSet<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowed {
    pub allowed: BTreeSet<Name>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    pub denied: BTreeSet<Name>,
    pub private: BTreeSet<Name>,
    pub dunders: BTreeSet<Name>,
    pub defined_dunders: BTreeSet<Name>,
}

/// A name of Python's, dotted or not, or of a construct.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if text.is_empty() || text.len() > MAX_NAME || !text.chars().all(fits) {
            let shown: String = text.chars().take(MAX_NAME).collect();
            return Err(format!("{shown:?} is not a name"));
        }
        Ok(Self(text))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Policy {
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("the policy beside this file is read by every test")
    }

    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_BYTES {
            return Err(PolicyError::Invalid(format!("it has more than {MAX_BYTES} bytes")));
        }
        let policy: Self = toml::from_str(text)
            .map_err(|error| PolicyError::Invalid(error.to_string().trim_end().to_owned()))?;
        policy.check().map_err(PolicyError::Invalid)?;
        Ok(policy)
    }

    pub fn read(path: &Path) -> Result<Self, PolicyError> {
        let unreadable = |why: String| PolicyError::Unreadable(path.display().to_string(), why);
        let size = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if size > MAX_BYTES as u64 {
            return Err(unreadable(format!("it has more than {MAX_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(&text)
    }

    fn check(&self) -> Result<(), String> {
        let lists = [
            &self.modules.allowed,
            &self.modules.hidden,
            &self.modules.shown,
            &self.builtins.allowed,
            &self.attributes.denied,
            &self.attributes.private,
            &self.attributes.dunders,
            &self.attributes.defined_dunders,
            &self.constructs.allowed,
        ];
        if lists.iter().any(|list| list.len() > MAX_NAMES) {
            return Err(format!("a list has more than {MAX_NAMES} names"));
        }
        if !(1..=MAX_SOURCE).contains(&self.limits.bytes) {
            return Err(format!("limits.bytes must be 1 to {MAX_SOURCE}"));
        }
        if !(1..=MAX_DEPTH).contains(&self.limits.depth) {
            return Err(format!("limits.depth must be 1 to {MAX_DEPTH}"));
        }
        for module in &self.modules.allowed {
            if let Some((package, _)) = module.0.rsplit_once('.')
                && !self.modules.allowed.iter().any(|name| name.0 == package)
            {
                return Err(format!("modules.allowed has {module} and not its package {package}"));
            }
        }
        Ok(())
    }

    /// The same for the same rules, however they are written.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(toml::to_string(self).unwrap_or_default().as_bytes())
    }
}
