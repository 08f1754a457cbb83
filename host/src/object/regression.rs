//! What becomes of recorded runs when a new body takes the place of the one that made them.

use serde::{Deserialize, Serialize};

use super::InvocationId;

/// What the recorded runs of a method say about a body that is to take its place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    /// Recorded runs that could be repeated with the new body.
    pub compared: u32,
    /// Recorded runs that could not be, such as those that failed.
    pub skipped: u32,
    /// How many of those compared came out differently.
    pub different: u32,
    /// The newest of these.
    pub divergences: Vec<Divergence>,
}

/// A recorded run that comes out differently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    pub invocation_id: InvocationId,
    /// The call's arguments, shortened.
    pub args: String,
    pub kwargs: String,
    pub differences: Vec<Difference>,
}

/// One thing that differs between two runs, each side as text, shortened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    pub what: String,
    pub recorded: String,
    pub replayed: String,
}

/// In one line.
impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let side =
            |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.replace('\n', "\\n") };
        write!(f, "{} was {} and is {}", self.what, side(&self.recorded), side(&self.replayed))
    }
}
