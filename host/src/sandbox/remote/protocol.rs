//! What host and sandbox say to each other.
//!
//! ```text
//! host     GET /execute, Upgrade: aura-sandbox/2
//! sandbox  101, then a frame Welcome
//! host     Ask::Ping                    sandbox  Pong
//! host     Ask::Audit                   sandbox  Audited
//! host     Ask::Run                     sandbox  Ran::Sent     host  Answer     (as often as the method sends)
//!                                       sandbox  Ran::Ended
//! ```
//!
//! One call at a time on a connection. A frame is its length, four bytes with the lowest first, and so many bytes of
//! [postcard](https://postcard.jamesmunns.com/wire-format). JSON travels as text. A change of anything here, or of the
//! order of [`Kind`], is another version of the protocol.

use serde::{Deserialize, Serialize};

use crate::object::{Kind, Quota};
use crate::sandbox::{MAX_FINDINGS, MAX_JSON, MAX_TEXT};

/// The protocol and its version, as HTTP names it.
pub const UPGRADE: &str = "aura-sandbox/2";

/// The most bytes of a frame to the sandbox: four values, and the rest.
pub const MAX_FRAME: usize = 4 * MAX_JSON + (1 << 20);
/// The most bytes of the frames that hold no JSON.
pub const MAX_SMALL_FRAME: usize = 4 << 10;
/// The most bytes of a text that was cut.
pub const MAX_CUT: usize = MAX_TEXT + '…'.len_utf8();
/// The most bytes of an audit's frame.
pub const MAX_AUDIT_FRAME: usize = MAX_FINDINGS * (2 * MAX_CUT + 32) + MAX_SMALL_FRAME;

/// The most bytes of a frame during a run: what the method can have in its memory and print, and the texts beside it.
pub fn run_frame(quota: &Quota) -> usize {
    let json = usize::try_from(quota.memory_bytes).unwrap_or(usize::MAX).min(3 * MAX_JSON);
    let output = usize::try_from(quota.output_bytes).unwrap_or(usize::MAX);
    json.saturating_add(output).saturating_add(8 * MAX_CUT).min(MAX_FRAME)
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Welcome {
    pub guest_digest: String,
    pub config_digest: String,
    /// What holds the process, in words.
    pub confinement: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Ask<'a> {
    Ping,
    Audit(&'a str),
    #[serde(borrow)]
    Run(Call<'a>),
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Pong;

#[derive(Debug, Serialize, Deserialize)]
pub struct Call<'a> {
    pub receiver: &'a str,
    pub method: &'a str,
    pub source: &'a str,
    pub attributes: &'a str,
    pub inherited: &'a str,
    pub args: &'a str,
    pub kwargs: &'a str,
    pub seed: u64,
    pub time: i64,
    pub quota: Quota,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Ran {
    Sent(Sent),
    Ended(Ended),
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Sent {
    pub attributes: Option<String>,
    pub target: String,
    pub method: String,
    pub args: String,
    pub kwargs: String,
    pub fuel: u64,
    pub wall_ms: u64,
    pub memory_bytes: u64,
}

/// To a send. `None` ends the cycle.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer<'a>(#[serde(borrow)] pub Option<Reply<'a>>);

#[derive(Debug, Serialize, Deserialize)]
pub struct Reply<'a> {
    #[serde(borrow)]
    pub result: Result<&'a str, Refusal<'a>>,
    pub attributes: Option<&'a str>,
    pub fuel_used: u64,
}

/// What a method is told of a send that was not answered.
#[derive(Debug, Serialize, Deserialize)]
pub struct Refusal<'a> {
    pub kind: Kind,
    pub message: &'a str,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Ended {
    pub outcome: Outcome,
    pub output: String,
    pub fuel_used: u64,
    pub peak_memory_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum Outcome {
    Returned { result: String, attributes: Option<String> },
    Failed(Failure),
    Aborted,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    pub exception: Option<Exception>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Exception {
    pub class: String,
    pub line: Option<u32>,
    pub traceback: String,
}

/// `Err`: the sandbox failed.
pub type Audited = Result<Audit, Failure>;

#[derive(Debug, Serialize, Deserialize)]
pub struct Audit {
    /// None: accepted.
    pub findings: Vec<Finding>,
    pub fuel_used: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Finding {
    pub rule: String,
    pub message: String,
    pub line: u32,
    pub column: u32,
}
