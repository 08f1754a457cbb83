//! The guest: RustPython as a WebAssembly component that audits and runs method bodies.
//!
//! `init` builds the interpreter before the snapshot is taken; `audit` or `run` is called once in a fresh instance
//! of it. Nothing in here is trusted by the host.

mod audit;
mod compile;
mod failure;
mod guard;
mod interpreter;
mod json;
mod memory;
mod namespace;
mod policy;
mod receiver;
mod run;

wit_bindgen::generate!({ path: "../wit", world: "python" });

use exports::aura::python::auditor::{self, Finding};
use exports::aura::python::runner::{self, Call, Failure, Returned};

struct Component;

impl Guest for Component {
    fn init() {
        policy::init();
        interpreter::init();
    }
}

impl auditor::Guest for Component {
    fn audit(source: String) -> Vec<Finding> {
        interpreter::enter(|vm| audit::audit(&source, vm))
    }
}

impl runner::Guest for Component {
    fn rehearse() {
        interpreter::enter(run::rehearse);
    }

    fn touch(start: u32, length: u32, nothing: u32) {
        memory::touch(start, length, nothing);
    }

    fn run(call: Call) -> Result<Returned, Failure> {
        interpreter::enter(|vm| run::run(call, vm))
    }
}

export!(Component);
