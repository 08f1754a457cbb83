//! The sandbox's side: a thread for each connection, and one call at a time on it.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{io, thread};

use super::protocol::{
    self, Answer, Ask, Audited, Call as CallFrame, Ended, Exception, Failure, MAX_AUDIT_FRAME, MAX_FRAME,
    MAX_SMALL_FRAME, Pong, Ran, Sent, Welcome,
};
use super::wire::{Result, Socket, Wire, WireError, decode};
use crate::object::{Fault, Json, MethodName, ObjectId, Source, Timestamp};
use crate::sandbox::{Audit, Call, MAX_DEPTH, Outcome, Reply, Run, Sandbox, Send, Sends, Verdict};

/// To ask for the upgrade.
const GREETING: Duration = Duration::from_secs(5);
/// What a connection may wait for its next call.
const IDLE: Duration = Duration::from_mins(10);
/// What the host may take for a send, beyond the time that the run has.
const GRACE: Duration = Duration::from_secs(30);
/// To take an answer.
const TAKING: Duration = Duration::from_secs(30);
/// Connections beside those of runs: for looks and audits.
const SPARE: usize = 8;
/// Before the next connection is accepted when one could not be.
const PAUSE: Duration = Duration::from_millis(50);

pub enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Unix(listener) => Ok(Socket::Unix(listener.accept()?.0)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
        }
    }
}

pub struct Service {
    sandbox: Arc<dyn Sandbox>,
    path: String,
    welcome: Welcome,
    /// The most connections: enough for every run to nest to the full depth.
    most: usize,
    connections: AtomicUsize,
    calls: AtomicUsize,
    stopping: AtomicBool,
}

/// The most connections of a sandbox with so many processors.
pub const fn most_connections(parallel: usize) -> usize {
    parallel.saturating_mul(MAX_DEPTH as usize + 1).saturating_add(SPARE)
}

/// A connection, counted as long as it is there.
struct Place(Arc<Service>);

impl Place {
    fn new(service: &Arc<Service>) -> Self {
        service.connections.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(service))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A call, counted as long as it is answered.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Service {
    pub fn new(sandbox: Arc<dyn Sandbox>, path: &str, parallel: usize, confinement: String) -> Arc<Self> {
        let welcome = Welcome {
            guest_digest: sandbox.guest_digest().as_str().to_owned(),
            config_digest: sandbox.config_digest().as_str().to_owned(),
            confinement,
        };
        Arc::new(Self {
            sandbox,
            path: path.to_owned(),
            welcome,
            most: most_connections(parallel),
            connections: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        })
    }

    /// Accepts connections on a thread of its own.
    pub fn start(self: &Arc<Self>, listener: Listener) -> io::Result<()> {
        let service = Arc::clone(self);
        thread::Builder::new().name("accept".to_owned()).spawn(move || {
            loop {
                match listener.accept() {
                    Ok(socket) => service.take(Wire::new(socket, GREETING)),
                    Err(error) => {
                        tracing::warn!("a connection cannot be accepted: {error}");
                        thread::sleep(PAUSE);
                    }
                }
            }
        })?;
        Ok(())
    }

    /// Begins no call any more, and lets those that run end; how many are left then.
    pub fn stop(&self, patience: Duration) -> usize {
        self.stopping.store(true, Ordering::SeqCst);
        let until = Instant::now() + patience;
        loop {
            let calls = self.calls.load(Ordering::SeqCst);
            if calls == 0 || Instant::now() >= until {
                return calls;
            }
            thread::sleep(PAUSE);
        }
    }

    fn take(self: &Arc<Self>, mut wire: Wire) {
        let place = Place::new(self);
        if self.connections.load(Ordering::SeqCst) > self.most {
            wire.within(PAUSE);
            // Whoever does not read it finds the connection closed.
            let _ = wire.refuse("503 Service Unavailable");
            return;
        }
        let attend = move || {
            if let Err(error) = place.0.attend(&mut wire) {
                tracing::debug!("a connection ended: {error}");
            }
        };
        let thread = thread::Builder::new().name("call".to_owned()).stack_size(self.sandbox.stack_bytes());
        if let Err(error) = thread.spawn(attend) {
            tracing::warn!("no thread can be started for a connection: {error}");
        }
    }

    fn attend(&self, wire: &mut Wire) -> Result<()> {
        wire.grant(&self.path)?;
        wire.send(&self.welcome, MAX_SMALL_FRAME)?;
        loop {
            wire.within(IDLE);
            let frame = match wire.receive(MAX_FRAME) {
                Err(WireError::Closed) => return Ok(()),
                frame => frame?,
            };
            let _call = Counted::new(&self.calls);
            if self.stopping.load(Ordering::SeqCst) {
                return Ok(());
            }
            match decode::<Ask>(&frame)? {
                Ask::Ping => {
                    wire.within(TAKING);
                    wire.send(&Pong, MAX_SMALL_FRAME)?;
                }
                Ask::Audit(source) => {
                    let source = Source::parse(source)
                        .map_err(|error| WireError::Violation(format!("no body: {error}")))?;
                    let audited = audited(self.sandbox.audit(&source));
                    wire.within(TAKING);
                    wire.send(&audited, MAX_AUDIT_FRAME)?;
                }
                Ask::Run(call) => {
                    let call = read(&call)?;
                    drop(frame);
                    let mut asking = Asking { wire, call: &call, begun: Instant::now(), broken: None };
                    let run = self.sandbox.run(&call, &mut asking);
                    if let Some(error) = asking.broken {
                        return Err(error);
                    }
                    wire.within(TAKING);
                    wire.send(&Ran::Ended(ended(run)), MAX_FRAME)?;
                }
            }
        }
    }
}

/// Has the host answer the sends of a run.
struct Asking<'a> {
    wire: &'a mut Wire,
    call: &'a Call,
    begun: Instant,
    broken: Option<WireError>,
}

impl Asking<'_> {
    fn ask(&mut self, send: Send) -> Result<Option<Reply>> {
        let question = Sent {
            attributes: send.attributes.map(|json| json.get().to_owned()),
            target: send.target.to_string(),
            method: send.method.to_string(),
            args: send.args.get().to_owned(),
            kwargs: send.kwargs.get().to_owned(),
            fuel: send.fuel,
            wall_ms: send.wall_ms,
            memory_bytes: send.memory_bytes,
        };
        let left = Duration::from_millis(self.call.quota.wall_ms).saturating_sub(self.begun.elapsed());
        self.wire.within(left + GRACE);
        self.wire.send(&Ran::Sent(question), MAX_FRAME)?;
        let frame = self.wire.receive(MAX_FRAME)?;
        let Answer(reply) = decode(&frame)?;
        reply.map(reply_of).transpose()
    }
}

impl Sends for Asking<'_> {
    fn send(&mut self, send: Send) -> Option<Reply> {
        self.ask(send).unwrap_or_else(|error| {
            self.broken = Some(error);
            None
        })
    }
}

fn reply_of(reply: protocol::Reply) -> Result<Reply> {
    Ok(Reply {
        result: match reply.result {
            Ok(text) => Ok(json(text)?),
            Err(refusal) => Err(Fault::new(refusal.kind, refusal.message)),
        },
        attributes: reply.attributes.map(object).transpose()?,
        fuel_used: reply.fuel_used,
    })
}

/// The call, checked: the host is trusted, and may be of another version all the same.
fn read(call: &CallFrame) -> Result<Call> {
    let wrong = |what: &str| WireError::Violation(format!("no {what}"));
    Ok(Call {
        receiver: ObjectId::parse(call.receiver).map_err(|_| wrong("object"))?,
        method: MethodName::parse(call.method).map_err(|_| wrong("method"))?,
        source: Source::parse(call.source).map_err(|_| wrong("body"))?,
        attributes: object(call.attributes)?,
        inherited: object(call.inherited)?,
        args: json(call.args)?.into_array().map_err(|_| wrong("array"))?,
        kwargs: object(call.kwargs)?,
        seed: call.seed,
        time: Timestamp(call.time),
        quota: if call.quota.is_possible() { call.quota } else { return Err(wrong("quota")) },
    })
}

fn json(text: &str) -> Result<Json> {
    Json::parse(text.to_owned()).map_err(|error| WireError::Violation(error.to_string()))
}

fn object(text: &str) -> Result<Json> {
    json(text)?.into_object().map_err(|error| WireError::Violation(error.to_string()))
}

fn audited(audit: std::result::Result<Audit, Fault>) -> Audited {
    let Audit { verdict, fuel_used } = audit.map_err(failure)?;
    let findings = match verdict {
        Verdict::Accepted => Vec::new(),
        Verdict::Rejected(findings) => findings
            .into_iter()
            .map(|finding| protocol::Finding {
                rule: finding.rule,
                message: finding.message,
                line: finding.line,
                column: finding.column,
            })
            .collect(),
    };
    Ok(protocol::Audit { findings, fuel_used })
}

fn ended(run: Run) -> Ended {
    let text = |json: Json| json.get().to_owned();
    Ended {
        outcome: match run.outcome {
            Outcome::Returned { result, attributes } => {
                protocol::Outcome::Returned { result: text(result), attributes: attributes.map(text) }
            }
            Outcome::Failed(fault) => protocol::Outcome::Failed(failure(fault)),
            Outcome::Aborted => protocol::Outcome::Aborted,
        },
        output: run.output,
        fuel_used: run.fuel_used,
        peak_memory_bytes: run.peak_memory_bytes,
    }
}

fn failure(fault: Fault) -> Failure {
    Failure {
        kind: fault.kind,
        message: fault.message,
        exception: fault.exception.map(|exception| Exception {
            class: exception.class,
            line: exception.line,
            traceback: exception.traceback,
        }),
    }
}
