//! A question as the mind reads it. The worked examples look just like the real one.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

use super::{clip, improvement};
use crate::mind::Mandate;

/// Characters of the mandate's arguments, in JSON, that are told.
const ARGUMENTS: usize = 500;
/// Characters of the names of arguments, of attributes, and of methods, that are told.
const NAMES: usize = 400;

pub struct Question<'a> {
    pub object: &'a str,
    pub method: &'a str,
    /// A JSON array.
    pub args: &'a str,
    /// A JSON object.
    pub kwargs: &'a str,
    /// Names with types.
    pub attributes: &'a str,
    pub methods: &'a str,
}

impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, args, kwargs, .. } = self;
        writeln!(f, "Mandate: {}.", sentence(method, args, kwargs))?;
        self.facts(f)?;
        write!(f, "Write the body of def {method}(self, *args, **kwargs).")
    }
}

impl Question<'_> {
    /// What there is to work with, line by line.
    pub fn facts(&self, f: &mut impl fmt::Write) -> fmt::Result {
        let list = |names: &str| if names.is_empty() { "none".to_owned() } else { clip(names, NAMES) };
        writeln!(f, "Object: {}", self.object)?;
        writeln!(f, "Arguments: {}", list(&arguments(self.args, self.kwargs)))?;
        writeln!(f, "Attributes: {}", list(self.attributes))?;
        writeln!(f, "Methods: {}", list(self.methods))
    }
}

impl fmt::Display for Mandate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.improvement {
            Some(improvement) => f.write_str(&improvement::sentence(&self.method, improvement.wish.as_ref())),
            None => f.write_str(&sentence(self.method.as_str(), &self.args, &self.kwargs)),
        }
    }
}

fn sentence(method: &str, args: &str, kwargs: &str) -> String {
    let (args, kwargs) = (clip(args, ARGUMENTS), clip(kwargs, ARGUMENTS));
    format!("implement method '{method}' with args {args} and kwargs {kwargs}")
}

/// Each argument with its type, such as `args[0] (str), kwargs['n'] (int)`.
fn arguments(args: &str, kwargs: &str) -> String {
    let positional: Result<Vec<&RawValue>, _> = serde_json::from_str(args);
    let named: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(kwargs);
    let (Ok(positional), Ok(named)) = (positional, named) else {
        return "too long to list, see the mandate".to_owned();
    };
    let positional =
        positional.iter().enumerate().map(|(at, value)| format!("args[{at}] ({})", class(value)));
    let named = named.iter().map(|(name, value)| format!("kwargs['{name}'] ({})", class(value)));
    positional.chain(named).collect::<Vec<_>>().join(", ")
}

/// The Python type a JSON value becomes.
fn class(value: &RawValue) -> &'static str {
    let text = value.get();
    match text.bytes().next() {
        Some(b'"') => "str",
        Some(b'[') => "list",
        Some(b'{') => "dict",
        Some(b't' | b'f') => "bool",
        Some(b'n') => "None",
        _ if text.contains(['.', 'e', 'E']) => "float",
        _ => "int",
    }
}

/// The Python type that a JSON type becomes.
pub fn python_type(json: &str) -> &str {
    match json {
        "string" => "str",
        "array" => "list",
        "object" => "dict",
        "boolean" => "bool",
        "null" => "None",
        other => other,
    }
}
