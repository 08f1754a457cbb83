//! One isolate: a store, its state, what is linked into it, and how its end is read.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{AsContext, Store, StoreContextMut, Trap};
use wasmtime_wasi::{
    Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView,
};

use super::bindings::aura::python::{host, rules};
use super::engine::EPOCH_MS;
use super::limits::{Memory, Stop};
use crate::object::{ExceptionDetail, Fault, Json, Kind, MethodName, ObjectId, Quota, Timestamp};
use crate::sandbox::{MAX_JSON, Send as Message, Sends};

/// What belongs to one isolate on the host's side.
pub struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    /// What the guest is made by, while it is made.
    pub policy: Option<rules::Policy>,
    pub memory: Memory,
    clock: Clock,
    pub output: String,
    output_limit: usize,
    sends: Option<SendsPointer>,
    deadline: Instant,
    /// The fault of the last nested send that was not answered.
    pub refused: Option<Fault>,
}

/// The run's answerer of nested sends, for the time of the run.
struct SendsPointer(NonNull<dyn Sends>);

// SAFETY: set and used only by the thread that runs the isolate; `State::finish` removes it before the store
// can go anywhere else.
unsafe impl Send for SendsPointer {}

/// A clock that stands at the message's time.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicI64>);

impl Clock {
    fn millis(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.millis())
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        self.millis().saturating_mul(1_000_000)
    }
}

impl State {
    /// The state of an isolate that has no run yet.
    pub fn bare() -> Self {
        Self::with(&mut WasiCtx::builder())
    }

    pub fn with(wasi: &mut WasiCtxBuilder) -> Self {
        let clock = Clock::default();
        wasi.wall_clock(clock.clone())
            .monotonic_clock(clock.clone())
            .secure_random(Deterministic::new(vec![0x5A]))
            .insecure_random(Deterministic::new(vec![0x5A]))
            .insecure_random_seed(0)
            .allow_tcp(false)
            .allow_udp(false);
        Self {
            wasi: wasi.build(),
            table: ResourceTable::new(),
            policy: None,
            memory: Memory { limit: usize::MAX, peak: 0, fresh: 0 },
            clock,
            output: String::new(),
            output_limit: 0,
            sends: None,
            deadline: Instant::now(),
            refused: None,
        }
    }

    /// Makes the isolate ready for one run.
    ///
    /// # Safety
    /// [`State::finish`] must be called before `sends` ends.
    pub unsafe fn begin(&mut self, time: Timestamp, quota: Quota, sends: &mut dyn Sends) {
        self.clock.0.store(time.0, Ordering::Relaxed);
        self.memory.begin(usize::try_from(quota.memory_bytes).unwrap_or(usize::MAX));
        self.output_limit = usize::try_from(quota.output_bytes).unwrap_or(usize::MAX);
        self.deadline = Instant::now() + Duration::from_millis(quota.wall_ms);
        // SAFETY: only the lifetime is erased; the caller promises to end the use in time.
        let sends = unsafe {
            std::mem::transmute::<NonNull<dyn Sends + '_>, NonNull<dyn Sends>>(NonNull::from(sends))
        };
        self.sends = Some(SendsPointer(sends));
    }

    pub fn finish(&mut self) {
        self.sends = None;
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Links all an isolate can reach: a WASI without files, network and environment, the host's two functions, and the
/// policy, for the one time it is prepared.
pub fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    let mut rules = linker.instance("aura:python/rules@0.1.0")?;
    rules.func_wrap("given", |mut store: StoreContextMut<'_, State>, (): ()| {
        let policy = store.data_mut().policy.take();
        Ok((policy.ok_or(Stop::Misbehaved("a question out of turn"))?,))
    })?;
    let mut host = linker.instance("aura:python/host@0.1.0")?;
    host.func_wrap("send", |store: StoreContextMut<'_, State>, (message,): (host::Message,)| {
        send(store, message).map(|answer| (answer,))
    })?;
    host.func_wrap("print", |mut store: StoreContextMut<'_, State>, (text,): (String,)| {
        print(store.data_mut(), &text)
    })
}

/// Lets the store run without limits: for preparing what is not a method's run.
pub fn unlimited(store: &mut Store<State>) -> wasmtime::Result<()> {
    store.limiter(|state| &mut state.memory);
    store.set_fuel(u64::MAX)?;
    // Half of all epochs: never reached.
    store.set_epoch_deadline(u64::MAX / 2);
    Ok(())
}

/// What a store is given for a run that may burn so much. wasmtime looks at the fuel only where functions and loops
/// begin, and a run can end beyond its quota before that: it kept to it if something of the one unit more is left.
pub fn tank(fuel: u64) -> u64 {
    fuel.saturating_add(1)
}

/// What a run may still burn.
pub fn fuel_left(store: impl AsContext) -> wasmtime::Result<u64> {
    Ok(store.as_context().get_fuel()?.checked_sub(1).ok_or(Trap::OutOfFuel)?)
}

/// The epochs that make up the wall-clock limit, rounded up.
pub fn epochs(wall_ms: u64) -> u64 {
    wall_ms.div_ceil(EPOCH_MS) + 1
}

fn print(state: &mut State, text: &str) -> wasmtime::Result<()> {
    let room = state.output_limit.saturating_sub(state.output.len());
    if text.len() <= room {
        state.output.push_str(text);
        return Ok(());
    }
    let mut end = room;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    state.output.push_str(&text[..end]);
    Err(Stop::Output.into())
}

fn send(mut store: StoreContextMut<'_, State>, message: host::Message) -> wasmtime::Result<host::Answer> {
    let fuel = fuel_left(&store)?;
    let state = store.data_mut();
    let message = match checked(message, state, fuel)? {
        Ok(message) => message,
        Err(fault) => return Ok(host::Answer { value: Err(refusal(state, fault)), attributes: None }),
    };
    let pointer = state.sends.as_ref().ok_or(Stop::Misbehaved("a send outside of a run"))?.0;
    // SAFETY: the pointer is only there while `begin`'s promise holds, and this thread is the only user.
    let reply = unsafe { &mut *pointer.as_ptr() }.send(message).ok_or(Stop::Aborted)?;
    let value = reply.result.map(|json| json.get().to_owned()).map_err(|fault| refusal(state, fault));
    store.set_fuel(tank(fuel.saturating_sub(reply.fuel_used)))?;
    Ok(host::Answer { value, attributes: reply.attributes.map(|json| json.get().to_owned()) })
}

/// What the guest sent as the types of the domain; the inner error is one for the method to see.
fn checked(message: host::Message, state: &State, fuel: u64) -> wasmtime::Result<Result<Message, Fault>> {
    let malformed = |text: String| Ok(Err(Fault::new(Kind::Malformed, text)));
    let target = match ObjectId::parse(&message.target) {
        Ok(target) => target,
        Err(error) => return malformed(error.to_string()),
    };
    let method = match MethodName::parse(&message.method) {
        Ok(method) => method,
        Err(error) => return malformed(error.to_string()),
    };
    let left = state.deadline.saturating_duration_since(Instant::now());
    Ok(Ok(Message {
        attributes: message.attributes.map(object).transpose()?,
        target,
        method,
        args: json(message.args)?
            .into_array()
            .map_err(|_| Stop::Misbehaved("arguments that are no array"))?,
        kwargs: object(message.kwargs)?,
        fuel,
        wall_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        memory_bytes: state.memory.of_nested() as u64,
    }))
}

/// JSON from the guest, checked like any other from outside.
pub fn json(text: String) -> Result<Json, Stop> {
    if text.len() > MAX_JSON {
        return Err(Stop::Misbehaved("too much JSON"));
    }
    Json::parse(text).map_err(|_| Stop::Misbehaved("text that is no JSON"))
}

pub fn object(text: String) -> Result<Json, Stop> {
    json(text)?.into_object().map_err(|_| Stop::Misbehaved("JSON that is no object"))
}

fn refusal(state: &mut State, fault: Fault) -> host::Refusal {
    let refusal = host::Refusal { kind: format!("{:?}", fault.kind), text: fault.message.clone() };
    state.refused = Some(fault);
    refusal
}

/// Reads the error that ended a run. `None`: the cycle was aborted.
pub fn fault(error: &wasmtime::Error, quota: Quota) -> Option<Fault> {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Memory => Some(memory(quota)),
            Stop::Output => {
                let text = format!("the method printed more than its {} bytes", quota.output_bytes);
                Some(Fault::new(Kind::OutputLimit, text))
            }
            Stop::Misbehaved(what) => Some(Fault::new(Kind::Internal, format!("the guest sent {what}"))),
            Stop::NoIsolate(why) => {
                tracing::error!("no isolate could be made: {why}");
                let text = "no isolate could be made; the server's log says why";
                Some(Fault::new(Kind::SandboxUnavailable, text))
            }
            Stop::Aborted => None,
        };
    }
    Some(match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => {
            Fault::new(Kind::FuelExhausted, format!("the method used up its {} fuel", quota.fuel))
        }
        Some(Trap::Interrupt) => {
            Fault::new(Kind::TimeLimit, format!("the method ran longer than its {} ms", quota.wall_ms))
        }
        Some(Trap::StackOverflow) => Fault::new(Kind::DepthLimit, "the code is nested too deeply"),
        // Not ours, so the interpreter's: it gave up in the middle of the method.
        Some(_) => interpreter(),
        None if error.is::<wasmtime_wasi::I32Exit>() => interpreter(),
        None => {
            tracing::error!("a run ended in a way that it should not: {error:?}");
            Fault::new(Kind::Internal, "the sandbox failed; the server's log says why")
        }
    })
}

pub fn memory(quota: Quota) -> Fault {
    Fault::new(
        Kind::MemoryLimit,
        format!("the method needed more than its {} bytes of memory", quota.memory_bytes),
    )
}

fn interpreter() -> Fault {
    let text = "SystemError: the Python interpreter stopped in the middle of the method";
    let exception =
        ExceptionDetail { class: "SystemError".to_owned(), line: None, traceback: format!("{text}\n") };
    Fault { exception: Some(Box::new(exception)), ..Fault::new(Kind::PythonException, text) }
}
