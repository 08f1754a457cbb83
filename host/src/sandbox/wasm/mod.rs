//! The sandbox on wasmtime: the guest's image, ready isolates, and the two calls into them.

#[cfg(feature = "full")]
mod compile;
mod engine;
mod image;
mod isolate;
mod limits;
mod packed;
mod pages;
mod ready;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::Linker;

#[cfg(feature = "full")]
pub use compile::{find, pack, remove_stale_drafts, stale_drafts};
pub use engine::{sees_written_pages, thread_stack_bytes};
pub use image::LoadError;

use self::bindings::exports::aura::python::{auditor, runner};
use self::image::Image;
use self::isolate::State;
use self::limits::Stop;
use self::ready::{Isolate, Ready};
use super::{
    AUDIT, Audit, Call, MAX_FINDINGS, MAX_TEXT, Nobody, Outcome, Run, SYNTAX_RULE, Sandbox, Sends, Verdict,
};
use crate::object::{Digest, ExceptionDetail, Fault, Finding, Kind, Quota, Source, Timestamp};

pub mod bindings {
    //! What `wit/aura.wit` says, as Rust.
    wasmtime::component::bindgen!({ path: "../wit", world: "python", imports: { default: trappable } });
}

/// Told about the long steps of a first start.
pub trait Progress {
    /// What is done now, in words.
    fn step(&self, text: &str);
    fn done(&self);
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: &str) {}
    fn done(&self) {}
}

/// Isolates kept ready for messages to come.
const READY: usize = 8;

pub struct WasmSandbox {
    ready: Arc<Ready>,
    guest_digest: Digest,
    config_digest: Digest,
}

impl WasmSandbox {
    /// Loads what [`pack`] has written. `before_threads` is done when all is there but the threads.
    pub fn load_packed(folder: &Path, before_threads: impl FnOnce()) -> Result<Self, LoadError> {
        let engine = engine::engine(most_isolates())?;
        let (image, config_digest) = packed::load(&engine, folder)?;
        Self::start(&engine, image, config_digest, before_threads)
    }

    fn start(
        engine: &Engine,
        image: Image,
        config_digest: Digest,
        before_threads: impl FnOnce(),
    ) -> Result<Self, LoadError> {
        let mut linker = Linker::new(engine);
        isolate::link(&mut linker)?;
        let pre = bindings::PythonPre::new(linker.instantiate_pre(&image.component)?)?;
        let ready = Ready::new(pre, &image.path, READY)?;
        before_threads();
        let ready = ready.start()?;
        let weak = engine.weak();
        thread::Builder::new().name("epoch".to_owned()).spawn(move || {
            while let Some(engine) = weak.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(Duration::from_millis(engine::EPOCH_MS));
            }
        })?;
        Ok(Self { ready, guest_digest: image.guest_digest, config_digest })
    }

    /// Calls into a fresh isolate under a quota. The outer error is what ended it.
    fn enter<T>(
        &self,
        quota: Quota,
        begin: impl FnOnce(&mut State),
        call: impl FnOnce(&bindings::Python, &mut wasmtime::Store<State>) -> wasmtime::Result<T>,
    ) -> (wasmtime::Result<T>, Spent) {
        let isolate = match self.ready.take() {
            Ok(isolate) => isolate,
            Err(error) => return (Err(Stop::NoIsolate(format!("{error:#}")).into()), Spent::default()),
        };
        let Isolate { mut store, python } = isolate;
        begin(store.data_mut());
        let started = store.data().memory.check().map_err(Into::into);
        let started = started.and_then(|()| store.set_fuel(isolate::tank(quota.fuel)));
        store.set_epoch_deadline(isolate::epochs(quota.wall_ms));
        let result = started.and_then(|()| call(&python, &mut store));
        let (result, left) = match isolate::fuel_left(&store) {
            Ok(left) => (result, left),
            Err(exhausted) => (Err(exhausted), 0),
        };
        let state = store.data_mut();
        state.finish();
        let spent = Spent {
            fuel: quota.fuel.saturating_sub(left),
            peak: state.memory.peak as u64,
            output: std::mem::take(&mut state.output),
            refused: state.refused.take(),
        };
        self.ready.discard(Isolate { store, python });
        (result, spent)
    }
}

/// Every run may nest to the full depth.
fn most_isolates() -> u32 {
    let nested = super::parallel_runs().saturating_mul(super::MAX_DEPTH as usize + 1);
    u32::try_from(nested + 2 * READY + 8).unwrap_or(u32::MAX)
}

/// What a run left behind, however it ended.
#[derive(Default)]
struct Spent {
    fuel: u64,
    peak: u64,
    output: String,
    refused: Option<Fault>,
}

impl Sandbox for WasmSandbox {
    fn run(&self, call: &Call, sends: &mut dyn Sends) -> Run {
        let given = runner::Call {
            receiver: call.receiver.to_string(),
            method: call.method.to_string(),
            source: call.source.as_str().to_owned(),
            attributes: call.attributes.get().to_owned(),
            inherited: call.inherited.get().to_owned(),
            args: call.args.get().to_owned(),
            kwargs: call.kwargs.get().to_owned(),
            seed: call.seed,
        };
        // SAFETY: `enter` calls `finish` before it returns, and `sends` outlives `enter`.
        let begin = |state: &mut State| unsafe { state.begin(call.time, call.quota, sends) };
        let (result, spent) = self
            .enter(call.quota, begin, |python, store| python.aura_python_runner().call_run(store, &given));
        let outcome = match result {
            Ok(Ok(returned)) => finished(returned),
            Ok(Err(failure)) => Outcome::Failed(failed(failure, spent.refused, call.quota)),
            Err(error) => isolate::fault(&error, call.quota).map_or(Outcome::Aborted, Outcome::Failed),
        };
        Run { outcome, output: spent.output, fuel_used: spent.fuel, peak_memory_bytes: spent.peak }
    }

    fn audit(&self, source: &Source) -> Result<Audit, Fault> {
        let mut nobody = Nobody;
        // SAFETY: `enter` calls `finish` before it returns, and `nobody` outlives `enter`.
        let begin = |state: &mut State| unsafe { state.begin(Timestamp(0), AUDIT, &mut nobody) };
        let (result, spent) = self.enter(AUDIT, begin, |python, store| {
            python.aura_python_auditor().call_audit(store, source.as_str())
        });
        let verdict = match result {
            Ok(findings) if findings.is_empty() => Verdict::Accepted,
            Ok(findings) => Verdict::Rejected(findings.into_iter().take(MAX_FINDINGS).map(finding).collect()),
            Err(error) => match isolate::fault(&error, AUDIT) {
                // Whatever brings the parser down is no method.
                Some(fault) if !matches!(fault.kind, Kind::Internal | Kind::SandboxUnavailable) => {
                    Verdict::Rejected(vec![Finding {
                        rule: SYNTAX_RULE.to_owned(),
                        message: format!(
                            "The audit could not read the body: {}.",
                            fault.message.replace("the method", "it")
                        ),
                        line: 1,
                        column: 1,
                    }])
                }
                fault => {
                    return Err(fault.unwrap_or_else(|| Fault::new(Kind::Internal, "the audit was aborted")));
                }
            },
        };
        Ok(Audit { verdict, fuel_used: spent.fuel })
    }

    fn stack_bytes(&self) -> usize {
        engine::STACK_BYTES + (2 << 20)
    }

    fn guest_digest(&self) -> &Digest {
        &self.guest_digest
    }

    fn config_digest(&self) -> &Digest {
        &self.config_digest
    }
}

/// What a guest returned, checked: no byte of it is believed.
pub fn finished(returned: runner::Returned) -> Outcome {
    let read = || {
        let result = isolate::json(returned.value)?;
        let attributes = returned.attributes.map(isolate::object).transpose()?;
        Ok::<_, Stop>(Outcome::Returned { result, attributes })
    };
    read().unwrap_or_else(|stop| Outcome::Failed(Fault::new(Kind::Internal, stop.to_string())))
}

/// How a method failed, by what its guest says and the last send that was refused.
pub fn failed(failure: runner::Failure, refused: Option<Fault>, quota: Quota) -> Fault {
    let raised = match failure {
        runner::Failure::Covenant(text) => return Fault::new(Kind::CovenantViolation, cut(text)),
        runner::Failure::Raised(raised) => raised,
    };
    let exception =
        ExceptionDetail { class: cut(raised.class), line: raised.line, traceback: cut(raised.traceback) };
    let exception = Box::new(exception);
    let text = cut(raised.text).trim_end().to_owned();
    if exception.class == "MemoryError" {
        return Fault { exception: Some(exception), ..isolate::memory(quota) };
    }
    // A send that was not answered keeps the kind of its own failure.
    if let (Some(kind), Some(fault)) = (raised.refusal, refused)
        && format!("{:?}", fault.kind) == kind
    {
        return Fault { message: text, exception: Some(exception), ..Fault::new(fault.kind, "") };
    }
    let message =
        if text.is_empty() { exception.class.clone() } else { format!("{}: {text}", exception.class) };
    Fault { exception: Some(exception), ..Fault::new(Kind::PythonException, message) }
}

fn finding(finding: auditor::Finding) -> Finding {
    let auditor::Finding { rule, message, line, column } = finding;
    Finding { rule: cut(rule), message: cut(message), line, column }
}

/// At most [`MAX_TEXT`] bytes of a text from the guest.
fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let mut end = MAX_TEXT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}
