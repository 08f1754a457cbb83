//! The one interpreter of this instance: how it is built, what it has imported, how it is entered.

use std::cell::OnceCell;

use rustpython_vm::builtins::PyBaseExceptionRef;
use rustpython_vm::compiler::Mode;
use rustpython_vm::frozen::FrozenLib;
use rustpython_vm::scope::Scope;
use rustpython_vm::{Context, Interpreter, PyResult, Settings, VirtualMachine};

use crate::{guard, memory, namespace, receiver, run};

thread_local! {
    static INTERPRETER: OnceCell<Interpreter> = const { OnceCell::new() };
}

/// Stand-ins for what has no meaning without an operating system, and the seeding of what is random.
const PRELUDE: &str = include_str!("prelude.py");

/// The part of Python's library that `library.txt` names.
const LIBRARY: &FrozenLib = FrozenLib::from_ref(include_bytes!(concat!(env!("OUT_DIR"), "/library")));

/// Modules in native code whose part in Python `library.txt` leaves out.
const HALVES: [&str; 9] = [
    "_asyncio",
    "_bz2",
    "_elementtree",
    "_lzma",
    "_pickle",
    "_remote_debugging",
    "_socket",
    "_zoneinfo",
    "pyexpat",
];

/// Modules that functions and codecs of the library import.
const LATER: [&str; 5] = ["_ast_unparse", "_pycodecs", "_strptime", "quopri", "stringprep"];

/// How tracebacks call the prelude's file.
pub const PRELUDE_FILE: &str = "<prelude>";

pub fn init() {
    let interpreter = build();
    let failures = interpreter.enter(prepare);
    assert!(failures.is_empty(), "the interpreter cannot be prepared:\n{}", failures.join("\n"));
    interpreter.enter(|vm| {
        // What is made on first use is in the snapshot.
        run::rehearse(vm);
        assert!(settle(vm).is_ok(), "the garbage collector cannot be set up");
    });
    memory::fill_holes();
    INTERPRETER.with(|cell| {
        assert!(cell.set(interpreter).is_ok(), "init was called twice");
    });
}

pub fn enter<R>(work: impl FnOnce(&VirtualMachine) -> R) -> R {
    INTERPRETER.with(|cell| cell.get().expect("init comes first").enter(work))
}

fn build() -> Interpreter {
    let mut settings = Settings::default();
    settings.isolated = true;
    settings.ignore_environment = true;
    settings.import_site = false;
    settings.user_site_directory = false;
    settings.write_bytecode = false;
    settings.install_signal_handlers = false;
    settings.allow_external_library = false;
    // One seed for all: the order of a set of strings is the same in every run.
    settings.hash_seed = Some(0);
    let builder = Interpreter::builder(settings);
    let context = Context::genesis();
    let mut native = rustpython_stdlib::stdlib_module_defs(context);
    native.retain(|module| !HALVES.contains(&module.name.as_str()));
    builder
        .add_native_modules(&native)
        .add_native_module(receiver::module_def(context))
        .add_native_module(guard::module_def(context))
        .add_frozen_modules(LIBRARY)
        .build()
}

/// Runs the prelude, imports the library and makes what methods see of it; the tracebacks of what failed.
fn prepare(vm: &VirtualMachine) -> Vec<String> {
    let guarded = match prelude(vm) {
        Ok(scope) => scope.globals,
        Err(error) => return vec![shown(&error, vm)],
    };
    // All that methods may import is imported now, so that no method pays for it, and what that imports when it is
    // first used.
    let steps: [&dyn Fn() -> PyResult<()>; 5] = [
        &|| namespace::init(&guarded, vm),
        &|| LATER.into_iter().try_for_each(|module| vm.import(module, 0).map(drop)),
        &|| run::find_generator(vm),
        &|| guard::guard_formats(vm),
        &|| {
            guard::guard_errors(vm);
            guard::freeze_classes(vm);
            Ok(())
        },
    ];
    steps.into_iter().map(|step| step()).filter_map(Result::err).map(|error| shown(&error, vm)).collect()
}

fn prelude(vm: &VirtualMachine) -> PyResult<Scope> {
    let scope = vm.new_scope_with_builtins();
    let code = vm
        .compile(PRELUDE, Mode::Exec, PRELUDE_FILE)
        .map_err(|error| error.into_pyexception(vm, Some(PRELUDE)))?;
    vm.run_code_obj(code, scope.clone())?;
    Ok(scope)
}

/// More objects than the interpreter keeps dead ones of, for reuse: tuples, dicts, lists, numbers and frames.
const HOARD: &str = "[[(n,) for n in range(2001)], [{n: n} for n in range(101)], [[n] for n in range(101)],
    [n + 1000 for n in range(101)], [n / 3 for n in range(101)], [n * 1j for n in range(101)],
    [(n for n in ()) for _ in range(201)]]";

/// Takes all that exists now out of the garbage collector's sight, so that no run walks over the library, and
/// stops it until a method runs. Uses up the dead objects kept for reuse: they lie all over the heap, and what a
/// run makes should lie together.
fn settle(vm: &VirtualMachine) -> PyResult<()> {
    let gc = vm.import("gc", 0)?;
    vm.call_method(&gc, "collect", ())?;
    let scope = vm.new_scope_with_builtins();
    let code = vm
        .compile(HOARD, Mode::Eval, PRELUDE_FILE)
        .map_err(|error| error.into_pyexception(vm, Some(HOARD)))?;
    std::mem::forget(vm.run_code_obj(code, scope)?);
    vm.call_method(&gc, "freeze", ())?;
    vm.state.gc.disable();
    Ok(())
}

fn shown(error: &PyBaseExceptionRef, vm: &VirtualMachine) -> String {
    let mut text = String::new();
    // An exception that cannot be written is still one line of the list.
    let _ = vm.write_exception(&mut text, error);
    text
}
