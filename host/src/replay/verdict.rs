//! What a replay comes to.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::object::{Difference, Digest, Kind};

/// What has to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything, fuel and memory included: the same guest on the same engine.
    Exact,
    /// What others see of a run: its result or kind of failure, its output, what it sends and the attributes it
    /// leaves. For another guest, or another body.
    Behaviour,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Identical,
    Diverged(Vec<Difference>),
    NotReplayable(Reason),
}

/// Why a run cannot be replayed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Reason {
    #[error("the wall clock stopped it, and that depends on the machine's load")]
    WallClock,
    #[error("it ended because the system failed ({0:?}), not the method")]
    System(Kind),
    #[error("it ran in another guest ({0})")]
    OtherGuest(Digest),
    #[error("it ran on another engine, or one with other settings ({0})")]
    OtherEngine(Digest),
    #[error("its record is not complete: {0}")]
    Incomplete(String),
    #[error("the audit refuses its method: {0}")]
    Refused(String),
    #[error("it took several times its limit of wall-clock time this time; try again when less is going on")]
    Slow,
    #[error("the sandbox failed this time: {0}")]
    Failed(String),
}

impl Reason {
    /// For programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::WallClock => "wall_clock",
            Self::System(_) => "system_failure",
            Self::OtherGuest(_) => "other_guest",
            Self::OtherEngine(_) => "other_engine",
            Self::Incomplete(_) => "incomplete",
            Self::Refused(_) => "refused",
            Self::Slow => "slow",
            Self::Failed(_) => "sandbox_failure",
        }
    }
}

/// A verdict as the API and the command line tell it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub verdict: Word,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// Why it cannot be replayed, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Identical,
    Diverged,
    NotReplayable,
}

impl Report {
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.verdict == Word::Identical
    }
}

impl From<&Verdict> for Report {
    fn from(verdict: &Verdict) -> Self {
        let bare = |verdict| Self { verdict, differences: Vec::new(), reason: None, message: None };
        match verdict {
            Verdict::Identical => bare(Word::Identical),
            Verdict::Diverged(differences) => {
                Self { differences: differences.clone(), ..bare(Word::Diverged) }
            }
            Verdict::NotReplayable(reason) => Self {
                reason: Some(reason.code().to_owned()),
                message: Some(reason.to_string()),
                ..bare(Word::NotReplayable)
            },
        }
    }
}
