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

/// The statements and expressions of Python, as `guest-python/src/audit/constructs.rs` calls them.
const CONSTRUCTS: [&str; 57] = [
    "annotated-assignment",
    "assert",
    "assignment",
    "async",
    "attribute",
    "augmented-assignment",
    "await",
    "binary-op",
    "bool-op",
    "break",
    "bytes",
    "call",
    "class",
    "comparison",
    "comprehension",
    "conditional",
    "constant",
    "continue",
    "decorator",
    "del",
    "dict",
    "except-star",
    "expression",
    "f-string",
    "for",
    "function",
    "generator",
    "global",
    "if",
    "import",
    "ipython",
    "lambda",
    "list",
    "match",
    "metaclass",
    "nonlocal",
    "pass",
    "raise",
    "relative-import",
    "return",
    "set",
    "slice",
    "star-import",
    "starred",
    "string",
    "subscript",
    "t-string",
    "try",
    "tuple",
    "type-alias",
    "type-parameters",
    "unary-op",
    "walrus",
    "while",
    "with",
    "yield",
    "yield-in-method",
];

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
        Self::parse(&text).map_err(|error| match error {
            PolicyError::Invalid(why) => PolicyError::Invalid(format!("{}: {why}", path.display())),
            unreadable @ PolicyError::Unreadable(..) => unreadable,
        })
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
        if let Some(unknown) =
            self.constructs.allowed.iter().find(|name| !CONSTRUCTS.contains(&name.0.as_str()))
        {
            return Err(format!("constructs.allowed has {unknown}, which is no construct"));
        }
        for name in self.modules.hidden.iter().chain(&self.modules.shown) {
            let module = name.0.rsplit_once('.').map(|(module, _)| module);
            if !module.is_some_and(|module| self.modules.allowed.iter().any(|name| name.0 == module)) {
                return Err(format!(
                    "modules.hidden or modules.shown has {name}, which is of no allowed module"
                ));
            }
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
        let text = toml::to_string(self).expect("lists of names and two numbers are TOML");
        Digest::of(text.as_bytes())
    }
}
