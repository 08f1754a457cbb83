//! What was found of one thing, and what cures it.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use super::fix::Fix;
use super::table::{self, Entry};

#[derive(Debug, PartialEq, Serialize)]
pub struct Diagnosis {
    /// As in `diagnoses.toml`.
    pub name: Cow<'static, str>,
    pub state: State,
    pub what: Cow<'static, str>,
    pub found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
    #[serde(rename = "fixable", serialize_with = "is_some")]
    pub fix: Option<Fix>,
    /// Something was done about it just now.
    pub fixed: bool,
}

#[expect(clippy::ref_option, reason = "serde hands over a reference")]
fn is_some<S: Serializer>(fix: &Option<Fix>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(fix.is_some())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    /// It works, but not as well as it could.
    Warn,
    Fail,
    /// A service that is needed does not answer.
    Unreachable,
    /// It does not apply here.
    Skipped,
}

impl Diagnosis {
    pub fn ok(name: impl Into<Cow<'static, str>>, found: impl Into<String>) -> Self {
        Self::new(State::Ok, name.into(), found.into())
    }

    pub fn skipped(name: impl Into<Cow<'static, str>>, why: impl Into<String>) -> Self {
        Self::new(State::Skipped, name.into(), why.into())
    }

    /// With the cure that the table has.
    pub fn bad(state: State, name: impl Into<Cow<'static, str>>, found: impl Into<String>) -> Self {
        let bad = Self::new(state, name.into(), found.into());
        Self { cure: Some(entry(&bad.name).cure.clone()), ..bad }
    }

    fn new(state: State, name: Cow<'static, str>, found: String) -> Self {
        let what = entry(&name).what.as_str().into();
        Self { name, state, what, found, cure: None, fix: None, fixed: false }
    }

    /// The same, where what was found tells more of the cure than the table.
    #[must_use]
    pub fn cured_by(self, cure: impl Into<String>) -> Self {
        Self { cure: Some(cure.into()), ..self }
    }

    /// The same, with what `--fix` does.
    #[must_use]
    pub fn with(self, fix: Fix) -> Self {
        Self { fix: Some(fix), ..self }
    }
}

fn entry(name: &str) -> &'static Entry {
    table::find(name).expect("a test has every diagnosis made, and compares them with the table").1
}

#[cfg(test)]
impl Diagnosis {
    /// As a test says it: `state: found -> cure [fix]`.
    pub fn told(&self) -> String {
        let state = serde_json::to_value(self.state).unwrap();
        let cure = self.cure.as_ref().map(|cure| format!(" -> {cure}")).unwrap_or_default();
        let fix = if self.fix.is_some() { " [fix]" } else { "" };
        format!("{}: {}{cure}{fix}", state.as_str().unwrap(), self.found)
    }
}
