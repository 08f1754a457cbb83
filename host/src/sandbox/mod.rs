//! Where method bodies run: one fresh isolate a run.
//!
//! [`Sandbox`] is what the orchestrator knows; both calls block and belong on the threads of [`Workers`]. The
//! implementation is the WebAssembly guest on wasmtime, in this process or in one of its own.

pub mod confine;
pub mod remote;
pub mod wasm;
mod workers;

pub use workers::{Workers, parallel_runs};

use crate::object::{Digest, Fault, Finding, Json, MethodName, ObjectId, Quota, Source, Timestamp};

/// How deep sends may be nested below the message itself.
pub const MAX_DEPTH: u32 = 32;

/// One run to be made.
#[derive(Clone, Debug)]
pub struct Call {
    pub receiver: ObjectId,
    pub method: MethodName,
    pub source: Source,
    /// The receiver's own attributes: a JSON object.
    pub attributes: Json,
    /// The attributes of its prototypes: a JSON object.
    pub inherited: Json,
    pub args: Json,
    pub kwargs: Json,
    pub seed: u64,
    /// What every clock reads.
    pub time: Timestamp,
    pub quota: Quota,
}

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Run {
    pub outcome: Outcome,
    pub output: String,
    /// Includes what nested sends used.
    pub fuel_used: u64,
    pub peak_memory_bytes: u64,
}

#[derive(Clone, Debug)]
pub enum Outcome {
    Returned {
        result: Json,
        /// The receiver's attributes after the run, when they changed and the covenant was kept.
        attributes: Option<Json>,
    },
    Failed(Fault),
    /// A nested send asked for the whole cycle to stop.
    Aborted,
}

/// A nested send, as the guest makes it.
#[derive(Clone, Debug)]
pub struct Send {
    /// The sender's attributes at this moment, when they changed since the last exchange.
    pub attributes: Option<Json>,
    pub target: ObjectId,
    pub method: MethodName,
    pub args: Json,
    pub kwargs: Json,
    /// Fuel left in the sender's tank.
    pub fuel: u64,
    /// Wall-clock milliseconds left to the sender.
    pub wall_ms: u64,
    /// The memory that the one who answers may have: what any isolate has, and what is left to the sender beside it.
    pub memory_bytes: u64,
}

/// The answer to a nested send.
#[derive(Clone, Debug)]
pub struct Reply {
    pub result: Result<Json, Fault>,
    /// The sender's attributes, when the send changed them.
    pub attributes: Option<Json>,
    pub fuel_used: u64,
}

/// Answers the nested sends of a run, on the run's own thread.
pub trait Sends {
    /// `None` stops the whole cycle: the run ends as [`Outcome::Aborted`].
    fn send(&mut self, send: Send) -> Option<Reply>;
}

/// Stands by where nothing is sent: a send ends the run.
pub struct Nobody;

impl Sends for Nobody {
    fn send(&mut self, _: Send) -> Option<Reply> {
        None
    }
}

/// An audit that came to its end.
#[derive(Clone, Debug)]
pub struct Audit {
    pub verdict: Verdict,
    pub fuel_used: u64,
}

/// The audit's verdict on a body.
#[derive(Clone, Debug)]
pub enum Verdict {
    Accepted,
    Rejected(Vec<Finding>),
}

/// What an audit may use.
pub const AUDIT: Quota =
    Quota { fuel: 2_000_000_000, wall_ms: 5_000, memory_bytes: 256 << 20, output_bytes: 0 };

/// The most that is taken over of what an audit says.
pub const MAX_FINDINGS: usize = 100;
/// The most bytes of a finding's text, or of part of an exception; what is cut there ends with `…`.
pub const MAX_TEXT: usize = 16 << 10;
/// The most bytes of JSON in one value.
pub const MAX_JSON: usize = 32 << 20;

/// The audit rule whose findings mean that the text is not Python at all.
pub const SYNTAX_RULE: &str = "syntax";

pub trait Sandbox: std::marker::Send + Sync + 'static {
    /// Runs a body in a fresh isolate. Blocks.
    fn run(&self, call: &Call, sends: &mut dyn Sends) -> Run;

    /// Reads a body's syntax tree in a fresh isolate. Blocks. A body too large to be read within the audit's limits is
    /// rejected. `Err`: the sandbox failed.
    fn audit(&self, source: &Source) -> Result<Audit, Fault>;

    /// Whether runs can be made now, and what there is to say of it. Does not block.
    fn check(&self) -> Result<String, String> {
        Ok("a fresh isolate works".to_owned())
    }

    /// The stack a thread needs to call into the sandbox, without nested sends.
    fn stack_bytes(&self) -> usize {
        8 << 20
    }

    fn guest_digest(&self) -> &Digest;
    fn config_digest(&self) -> &Digest;
}
