//! The sandbox as a process of its own, or several: the client, which is a [`Sandbox`], and the server.
//!
//! | file | what it holds |
//! |---|---|
//! | `address` | where a sandbox is |
//! | `protocol` | what is said, and its bounds |
//! | `wire` | how it travels: HTTP upgrade, frames, deadlines |
//! | `checks` | what a sandbox answers, checked |
//! | `exchange` | the host's side of one connection |
//! | `pool` | which sandboxes can be used now |
//! | `server` | the sandbox's side |
//! | `process` | the process that serves, and what it gives up before |

mod address;
pub mod checks;
mod exchange;
mod pool;
mod process;
pub mod protocol;
mod server;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use thiserror::Error;

pub use address::Address;
pub use checks::Greeting;
pub use process::{Process, ProcessError, is_left, own, remove_left, stopped};
pub use server::{Listener, Service, most_connections};
pub use wire::{WireError, decode};

use self::exchange::Connection;
use self::pool::{Chosen, Pool};
use super::{Audit, Call, Outcome, Run, Sandbox, Sends};
use crate::object::{Digest, Fault, Kind, Source};

/// How often a call is tried, if nothing of it has been answered.
const TRIES: usize = 2;
/// Between two looks at the start.
const LOOK: Duration = Duration::from_millis(250);

/// Why no sandbox can be used.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// How each of them is.
    #[error("{0}")]
    Nobody(String),
    #[error("no thread can be started: {0}")]
    Thread(#[from] io::Error),
}

/// Sandboxes in processes of their own.
pub struct RemoteSandbox {
    pool: Arc<Pool>,
    guest_digest: Digest,
    config_digest: Digest,
}

impl RemoteSandbox {
    /// Waits until one of the sandboxes answers. Blocks. `waiting` is told once, if that takes a while, why.
    pub fn connect(
        addresses: Vec<Address>,
        patience: Duration,
        waiting: impl Fn(&str),
    ) -> Result<Self, ConnectError> {
        let pool = Pool::new(addresses);
        let until = Instant::now() + patience;
        let mut told = false;
        loop {
            pool.look();
            if let Some((guest_digest, config_digest)) = pool.first().cloned() {
                pool.watch()?;
                return Ok(Self { pool, guest_digest, config_digest });
            }
            let why = pool.condition().err().unwrap_or_default();
            if Instant::now() >= until {
                return Err(ConnectError::Nobody(why));
            }
            if !std::mem::replace(&mut told, true) {
                waiting(&why);
            }
            thread::sleep(LOOK);
        }
    }

    /// Tries a call, and tries it again elsewhere if the sandbox was lost and `is_over` does not say that it may not
    /// be repeated.
    fn call<T>(&self, mut call: impl FnMut(&Chosen) -> Result<T, Missed>) -> Result<T, Fault> {
        let mut missed = None;
        for _ in 0..TRIES {
            let chosen = match self.pool.choose() {
                Ok(chosen) => chosen,
                Err(fault) => return Err(missed.unwrap_or(fault)),
            };
            match call(&chosen) {
                Ok(done) => return Ok(done),
                Err(Missed { error, is_over }) => {
                    let text = match &error {
                        WireError::Violation(what) => {
                            format!("the sandbox at {} answered with {what}", chosen.address())
                        }
                        error => format!("the sandbox at {} was lost: {error}", chosen.address()),
                    };
                    let fault = Fault::new(Kind::SandboxUnavailable, text);
                    if is_over {
                        return Err(fault);
                    }
                    missed = Some(fault);
                }
            }
        }
        Err(missed.unwrap_or_else(|| Fault::new(Kind::Internal, "a call was never tried")))
    }
}

/// A call that came to nothing.
struct Missed {
    error: WireError,
    /// It may not be repeated.
    is_over: bool,
}

/// What one sandbox says of itself.
pub fn greet(address: &Address) -> Result<Greeting, WireError> {
    Connection::open(address).map(|(_, greeting)| greeting)
}

/// Asks all at the same time; the answers are in their order.
pub fn at_once<T: Sync, A: Send>(all: &[T], ask: impl Fn(&T) -> A + Sync) -> Vec<A> {
    let mut answers: Vec<_> = all.iter().map(|_| None).collect();
    thread::scope(|scope| {
        for (one, answer) in all.iter().zip(&mut answers) {
            let ask = &ask;
            // Those without a thread are asked after the others.
            drop(thread::Builder::new().spawn_scoped(scope, move || *answer = Some(ask(one))));
        }
    });
    let late = |(answer, one): (Option<A>, _)| answer.unwrap_or_else(|| ask(one));
    answers.into_iter().zip(all).map(late).collect()
}

impl Sandbox for RemoteSandbox {
    fn run(&self, call: &Call, sends: &mut dyn Sends) -> Run {
        let run = self.call(|chosen| {
            let mut answered = false;
            let run = chosen.call(|connection| connection.run(call, &mut *sends, &mut answered));
            let run = run.map_err(|error| Missed { error, is_over: answered })?;
            match run.outcome {
                // It could not make an isolate: another may.
                Outcome::Failed(fault) if fault.kind == Kind::SandboxUnavailable => {
                    Err(Missed { error: WireError::Lost(fault.message), is_over: answered })
                }
                _ => Ok(run),
            }
        });
        run.unwrap_or_else(|fault| Run {
            outcome: Outcome::Failed(fault),
            output: String::new(),
            fuel_used: 0,
            peak_memory_bytes: 0,
        })
    }

    fn audit(&self, source: &Source) -> Result<Audit, Fault> {
        self.call(|chosen| {
            let audit = chosen.call(|connection| connection.audit(source));
            match audit.map_err(|error| Missed { error, is_over: false })? {
                Ok(audit) => Ok(Ok(audit)),
                Err(fault) if fault.kind == Kind::SandboxUnavailable => {
                    Err(Missed { error: WireError::Lost(fault.message), is_over: false })
                }
                Err(fault) => Ok(Err(fault)),
            }
        })?
    }

    fn check(&self) -> Result<String, String> {
        self.pool.condition()
    }

    fn guest_digest(&self) -> &Digest {
        &self.guest_digest
    }

    fn config_digest(&self) -> &Digest {
        &self.config_digest
    }
}
