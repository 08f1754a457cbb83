//! What the audit's rules mean, for people.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// One rule, as its finding's `rule` names it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A few words.
    pub title: String,
    /// Why it is there, and what is allowed.
    pub why: String,
    /// A body that it refuses. None for limits, whose bodies would be long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// A body that does what was meant, and is accepted.
    pub instead: String,
}

static RULES: LazyLock<BTreeMap<String, Rule>> =
    LazyLock::new(|| toml::from_str(include_str!("rules.toml")).expect("the file beside this one is tested"));

/// All rules by their ids.
pub fn all() -> &'static BTreeMap<String, Rule> {
    &RULES
}
