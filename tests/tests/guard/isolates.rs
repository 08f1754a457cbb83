//! The sandbox as the corpora meet it: a body is audited, and if it is accepted it runs in a fresh isolate.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use aura::config::Config;
use aura::object::{Fault, Json, Kind, MethodName, ObjectId, Quota, Source, Timestamp};
use aura::sandbox::wasm::{Silent, WasmSandbox, thread_stack_bytes};
use aura::sandbox::{Call, MAX_DEPTH, Outcome, Reply, Run, Sandbox, Send, Sends, Verdict};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Enough for any harmless method, and little enough for bombs to burn in time.
const QUOTA: Quota =
    Quota { fuel: 400_000_000, wall_ms: 20_000, memory_bytes: 128 << 20, output_bytes: 64 << 10 };

pub struct Isolates {
    sandbox: WasmSandbox,
    untouched: String,
}

/// Nobody is there to be sent to but the object itself, which understands the one method.
struct Alone<'a> {
    sandbox: &'a WasmSandbox,
    call: &'a Call,
    depth: u32,
}

impl Sends for Alone<'_> {
    fn send(&mut self, send: Send) -> Option<Reply> {
        let refused = |kind, text: String| {
            Some(Reply { result: Err(Fault::new(kind, text)), attributes: None, fuel_used: 0 })
        };
        if (&send.target, &send.method) != (&self.call.receiver, &self.call.method) {
            return refused(Kind::ObjectNotFound, format!("there is no object '{}'", send.target));
        }
        if self.depth == MAX_DEPTH {
            return refused(Kind::DepthLimit, "sends are nested too deeply".to_owned());
        }
        let quota = Quota { fuel: send.fuel, memory_bytes: send.memory_bytes, ..self.call.quota };
        let attributes = send.attributes.unwrap_or_else(|| self.call.attributes.clone());
        let call = Call { args: send.args, kwargs: send.kwargs, attributes, quota, ..self.call.clone() };
        let mut sends = Alone { sandbox: self.sandbox, call: &call, depth: self.depth + 1 };
        let run = self.sandbox.run(&call, &mut sends);
        let (result, attributes) = match run.outcome {
            Outcome::Returned { result, attributes } => (Ok(result), attributes),
            Outcome::Failed(fault) => (Err(fault), None),
            Outcome::Aborted => return None,
        };
        Some(Reply { result, attributes, fuel_used: run.fuel_used })
    }
}

/// What a body is run with.
#[derive(Default)]
pub struct Given<'a> {
    pub attributes: Option<&'a Map<String, Value>>,
    pub args: &'a [Value],
    pub kwargs: Option<&'a Map<String, Value>>,
    pub seed: u64,
}

impl Isolates {
    pub fn load() -> Self {
        let config = Config::load(&[]).expect("the settings are valid");
        let sandbox =
            WasmSandbox::load(&config.guest_path(), &config.cache, &Silent).expect("the guest is built");
        let mut isolates = Self { sandbox, untouched: String::new() };
        isolates.untouched = isolates.probe();
        isolates
    }

    /// The rule by which the audit refuses a body; `None`: it accepts it.
    pub fn refusal(&self, body: &str) -> Option<String> {
        // A body that is too long, or empty, does not come as far as the audit.
        let Ok(source) = Source::parse(body) else { return Some("source".to_owned()) };
        match self.sandbox.audit(&source).map(|audit| audit.verdict) {
            Ok(Verdict::Accepted) => None,
            Ok(Verdict::Rejected(findings)) => Some(findings[0].rule.clone()),
            Err(fault) => panic!("the audit failed: {fault}"),
        }
    }

    pub fn run(&self, method: &str, body: &str, given: &Given) -> Run {
        let object = |map: Option<&Map<String, Value>>| Json::of(map.unwrap_or(&Map::new())).expect("JSON");
        let call = Call {
            receiver: ObjectId::parse("system").expect("an id"),
            method: MethodName::parse(method).expect("a name"),
            source: Source::parse(body).expect("audited"),
            attributes: object(given.attributes),
            inherited: Json::empty_object(),
            args: Json::of(given.args).expect("JSON"),
            kwargs: object(given.kwargs),
            seed: given.seed,
            time: Timestamp(1_700_000_000_000),
            quota: QUOTA,
        };
        self.sandbox.run(&call, &mut Alone { sandbox: &self.sandbox, call: &call, depth: 0 })
    }

    /// Whether a new isolate is what it was before anything ran.
    pub fn is_untouched(&self) -> bool {
        self.probe() == self.untouched
    }

    fn probe(&self) -> String {
        let run = self.run("probe", include_str!("probe.py"), &Given::default());
        assert!(matches!(run.outcome, Outcome::Returned { .. }), "{:?}", run.outcome);
        format!("{:?} {:?} {} {}", run.outcome, run.output, run.fuel_used, run.peak_memory_bytes)
    }
}

/// Reads each TOML file of a folder, its classes by the files' names.
pub fn read<T: DeserializeOwned>(folder: &Path) -> BTreeMap<String, T> {
    let files = std::fs::read_dir(folder).expect("the corpus");
    files
        .map(|file| {
            let path = file.expect("a file").path();
            let text = std::fs::read_to_string(&path).expect("text");
            let class = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (class, toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect()
}

/// Does `work` for each item, on as many threads as there are cores.
pub fn each<T: Sync, R: std::marker::Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get);
    let next = AtomicUsize::new(0);
    let share = || {
        std::iter::from_fn(|| {
            let index = next.fetch_add(1, Ordering::Relaxed);
            Some((index, work(items.get(index)?)))
        })
        .collect::<Vec<_>>()
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let start = |_| thread::Builder::new().stack_size(thread_stack_bytes()).spawn_scoped(scope, share);
        let started: Vec<_> = (0..threads).map(start).collect();
        started.into_iter().flat_map(|thread| thread.expect("a thread").join().expect("no panic")).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
