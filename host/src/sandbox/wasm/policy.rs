//! The audit's policy: data, in a file beside this one.

use serde::Deserialize;

use super::bindings::exports::aura::python::auditor;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    modules: Vec<String>,
    denied_attributes: Vec<String>,
    denied_builtins: Vec<String>,
    allowed_dunders: Vec<String>,
    allowed_private: Vec<String>,
    max_depth: u32,
}

/// What a method body may use.
pub fn built_in() -> Result<auditor::Policy, toml::de::Error> {
    let file: File = toml::from_str(include_str!("policy.toml"))?;
    Ok(auditor::Policy {
        modules: file.modules,
        denied_attributes: file.denied_attributes,
        denied_builtins: file.denied_builtins,
        allowed_dunders: file.allowed_dunders,
        allowed_private: file.allowed_private,
        max_depth: file.max_depth,
    })
}
