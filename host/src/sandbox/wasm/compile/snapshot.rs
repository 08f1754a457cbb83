//! The guest as it is after `init`: what Python needs to start is done once, and not in each isolate.

use std::collections::BTreeSet;

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wizer::Wizer;

use crate::audit::{Name, Policy};
use crate::sandbox::wasm::bindings::aura::python::rules;
use crate::sandbox::wasm::isolate::{self, State};

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

impl State {
    /// The state in which the guest is prepared by a policy, with what the interpreter says when it fails going to
    /// `complaints`.
    pub fn preparing(policy: &Policy, complaints: MemoryOutputPipe) -> Self {
        let mut state = Self::with(WasiCtx::builder().stderr(complaints));
        state.policy = Some(given(policy));
        state
    }
}

/// The policy as the guest takes it.
fn given(policy: &Policy) -> rules::Policy {
    let names = |list: &BTreeSet<Name>| list.iter().map(ToString::to_string).collect();
    rules::Policy {
        modules: names(&policy.modules.allowed),
        hidden: names(&policy.modules.hidden),
        shown: names(&policy.modules.shown),
        builtins: names(&policy.builtins.allowed),
        denied_attributes: names(&policy.attributes.denied),
        dunders: names(&policy.attributes.dunders),
        defined_dunders: names(&policy.attributes.defined_dunders),
        private: names(&policy.attributes.private),
        constructs: names(&policy.constructs.allowed),
        max_bytes: policy.limits.bytes,
        max_depth: policy.limits.depth,
    }
}

/// The exception in what the guest says when Python cannot be prepared.
fn exception(complaint: &str) -> Option<&str> {
    let (_, traceback) = complaint.split_once("the interpreter cannot be prepared:\n")?;
    traceback.split("\n\n").next()?.lines().next_back()
}
