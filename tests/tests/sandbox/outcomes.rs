//! A run comes out the same wherever it is made.

use std::thread;

use aura::config::Config;
use aura::object::Source;
use aura::sandbox::Sandbox;
use aura::sandbox::wasm::{Silent, WasmSandbox, thread_stack_bytes};
use aura_tests::{Instance, SandboxProcess};

use crate::{client, written};

/// Nested sends run on the thread of their sender.
fn on_deep_stack(work: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(thread_stack_bytes());
        thread.spawn_scoped(scope, work).expect("a thread starts").join().expect("it does not panic");
    });
}

#[test]
fn programs_do_the_same_in_this_process_and_in_another() {
    let config = Config::load(&[]).expect("the settings are valid");
    let here = WasmSandbox::load(&config.guest_path(), &config.cache, &Silent).expect("the guest is built");
    let instance = Instance::new(&[]);
    let by_file = SandboxProcess::start(&instance, "sandbox.sock");
    let by_tcp = SandboxProcess::start_at(&instance, "http://127.0.0.1:0/execute");
    for process in [&by_file, &by_tcp] {
        let there = client(process.url()).expect("the sandbox answers");
        assert_eq!(there.guest_digest(), here.guest_digest());
        assert_eq!(there.config_digest(), here.config_digest());
        let programs = written::programs();
        assert!(programs.len() > 50, "{}", programs.len());
        on_deep_stack(|| {
            for program in &programs {
                assert_eq!(program.run(&there), program.run(&here), "{}", program.name);
            }
        });
    }
}

#[test]
fn audits_say_the_same() {
    let config = Config::load(&[]).expect("the settings are valid");
    let here = WasmSandbox::load(&config.guest_path(), &config.cache, &Silent).expect("the guest is built");
    let instance = Instance::new(&[]);
    let process = SandboxProcess::start(&instance, "sandbox.sock");
    let there = client(process.url()).expect("the sandbox answers");
    let endless = "import os\n".repeat(200);
    for body in ["return 1", "import os\neval('1')", "return (", &endless, &"(".repeat(10_000)] {
        let source = Source::parse(body).expect("a body");
        let seen = format!("{:?}", there.audit(&source));
        on_deep_stack(|| assert_eq!(seen, format!("{:?}", here.audit(&source))));
    }
}
