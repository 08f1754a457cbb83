//! The guest as it is after `init`: what Python needs to start is done once, and not in each isolate.

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wizer::Wizer;

use super::isolate::{self, State};
use crate::audit::Policy;

/// Runs `init` by the policy and takes the guest's memory as it then is into the guest itself.
pub fn snapshot(engine: &Engine, wasm: &[u8], policy: &Policy) -> wasmtime::Result<Vec<u8>> {
    let mut wizer = Wizer::new();
    wizer.init_func("init").keep_init_func(true);
    let complaints = MemoryOutputPipe::new(64 << 10);
    let mut store = Store::new(engine, State::preparing(policy, complaints.clone()));
    isolate::unlimited(&mut store)?;
    let instantiate = async |store: &mut Store<State>, component: &Component| {
        let mut linker = Linker::new(store.engine());
        isolate::link(&mut linker)?;
        linker.instantiate(store, component)
    };
    let run = wizer.run_component(&mut store, wasm, instantiate);
    let (snapshot, _) = futures::executor::block_on(run).map_err(|error| {
        let complaints = complaints.contents();
        let complaint = String::from_utf8_lossy(&complaints);
        match exception(&complaint) {
            Some(exception) => wasmtime::Error::msg(format!("the policy cannot be applied: {exception}")),
            None => error.context(complaint.into_owned()),
        }
    })?;
    Ok(snapshot)
}

/// The exception in what the guest says when Python cannot be prepared.
fn exception(complaint: &str) -> Option<&str> {
    let (_, traceback) = complaint.split_once("the interpreter cannot be prepared:\n")?;
    traceback.split("\n\n").next()?.lines().next_back()
}
