//! What a replay comes to.

use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};
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

/// As JSON: `{"verdict": "identical" | "diverged" | "not_replayable", …}`.
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

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Identical => map.serialize_entry("verdict", "identical")?,
            Self::Diverged(differences) => {
                map.serialize_entry("verdict", "diverged")?;
                map.serialize_entry("differences", differences)?;
            }
            Self::NotReplayable(reason) => {
                map.serialize_entry("verdict", "not_replayable")?;
                map.serialize_entry("reason", reason.code())?;
                map.serialize_entry("message", &reason.to_string())?;
            }
        }
        map.end()
    }
}
