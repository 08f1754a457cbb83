//! One run of one method body.

use std::cell::OnceCell;

use rustpython_vm::builtins::{PyCode, PyList, PyStr};
use rustpython_vm::compiler::CodeObject;
use rustpython_vm::function::FuncArgs;
use rustpython_vm::{PyObjectRef, PyResult, VirtualMachine};

use crate::exports::aura::python::runner::{Call, Failure, Returned};
use crate::receiver::{self, Receiver};
use crate::{compile, failure, json, namespace};

thread_local! {
    /// Seeds the generator behind the functions of `random`.
    static SEED: OnceCell<PyObjectRef> = const { OnceCell::new() };
}

/// What bodies commonly do.
const REHEARSAL: &str = include_str!("rehearsal.py");

/// A run that does what most runs do.
pub fn rehearse(vm: &VirtualMachine) {
    let call = Call {
        receiver: "UvmObjects/nil".to_owned(),
        method: "rehearse".to_owned(),
        source: REHEARSAL.to_owned(),
        attributes: "{\"count\":1}".to_owned(),
        inherited: "{}".to_owned(),
        args: "[1,2.5,\"x\"]".to_owned(),
        kwargs: "{}".to_owned(),
        seed: 0,
    };
    assert!(run(call, vm).is_ok(), "the rehearsal failed");
}

pub fn run(call: Call, vm: &VirtualMachine) -> Result<Returned, Failure> {
    let Call { method, source, .. } = &call;
    let raised = |error| failure::raised(&error, method, source, vm);
    let malformed = |reason: String| raised(vm.new_value_error(reason));

    let body = compile::parse(method, source).map_err(|error| failure::syntax(&error))?;
    let code = compile::compile(method, body).map_err(|error| failure::syntax(&error))?;
    let attributes = json::read_dict(&call.attributes, vm).map_err(malformed)?;
    let inherited = json::read_dict(&call.inherited, vm).map_err(malformed)?;
    let mut arguments = arguments(&call, vm).map_err(malformed)?;
    seed(call.seed, vm).map_err(raised)?;

    let this = Receiver::create(&call.receiver, attributes, inherited, call.attributes.clone(), vm);
    let function = define(code, method, vm).map_err(raised)?;
    arguments.args.insert(0, this.clone().into());
    // What came in and what goes out is no garbage: the collector only watches what the method makes.
    vm.state.gc.freeze();
    vm.state.gc.enable();
    let value = function.call(arguments, vm);
    vm.state.gc.disable();
    let value = value.map_err(raised)?;

    let value = json::write(&value, json::Keys::Coerced, vm)
        .map_err(|reason| Failure::Covenant(format!("the result cannot be answered: {reason}")))?;
    let attributes = this.settle(vm).map_err(Failure::Covenant)?;
    Ok(Returned { value, attributes })
}

fn arguments(call: &Call, vm: &VirtualMachine) -> Result<FuncArgs, String> {
    let positional = json::read(&call.args, vm)?;
    let positional = positional
        .downcast_ref::<PyList>()
        .ok_or("the arguments are not a JSON array")?
        .borrow_vec()
        .to_vec();
    let mut arguments = FuncArgs::from(positional);
    for (name, value) in json::read_dict(&call.kwargs, vm)? {
        let name = name.downcast_ref::<PyStr>().map(ToString::to_string);
        arguments.kwargs.insert(name.unwrap_or_default().into(), value);
    }
    Ok(arguments)
}

/// Finds the generator behind the functions of `random`, for [`seed`].
pub fn find_generator(vm: &VirtualMachine) -> PyResult<()> {
    let generator = vm.import("random", 0)?.get_attr("_inst", vm)?;
    // The seeding of `random.Random`, with an int, is that of the class it is made from.
    let class = vm.import("_random", 0)?.get_attr("Random", vm)?;
    let seed = class.get_attr("seed", vm)?;
    let seed = vm.call_method(&seed, "__get__", (generator,))?;
    SEED.with(|cell| cell.set(seed).map_err(|_| vm.new_runtime_error("found before")))
}

/// Makes everything random follow from the seed.
fn seed(seed: u64, vm: &VirtualMachine) -> PyResult<()> {
    receiver::seed(seed);
    let native =
        SEED.with(|cell| cell.get().cloned()).ok_or_else(|| vm.new_runtime_error("init comes first"))?;
    native.call((seed,), vm).map(drop)
}

/// Runs the module that defines the function and gives the function.
fn define(code: CodeObject, method: &str, vm: &VirtualMachine) -> PyResult<PyObjectRef> {
    let scope = namespace::scope(vm)?;
    let code = PyCode::new_ref_from_bytecode(vm, code);
    vm.run_code_obj(code, scope.clone())?;
    // In its own body the name means what it means elsewhere: a method `sum` can call the builtin.
    let function = scope.globals.get_item(method, vm)?;
    scope.globals.del_item(method, vm)?;
    Ok(function)
}
