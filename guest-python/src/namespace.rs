//! What a method body finds: the builtins that the policy allows, and of the library's modules their public faces.
//!
//! A face is a module of its own with the public names of the real one, and never another module but an allowed
//! submodule. So the modules that a module itself imported are out of reach by construction.

use std::cell::OnceCell;
use std::collections::HashMap;

use rustpython_vm::builtins::{PyDictRef, PyModule, PyStr, PyStrRef, PyType};
use rustpython_vm::function::FuncArgs;
use rustpython_vm::scope::Scope;
use rustpython_vm::{PyObjectRef, PyRef, PyResult, VirtualMachine};

use crate::guard::{self, META, OWN_MODULE};
use crate::policy::{self, Policy};

/// Private names that native code takes from a module while a method runs.
const NATIVE: [(&str, &[&str]); 2] = [
    ("re", &["_compile_template"]),
    (
        "typing",
        &[
            "_GenericAlias",
            "_generic_class_getitem",
            "_generic_init_subclass",
            "_paramspec_prepare_subst",
            "_paramspec_subst",
            "_type_check",
            "_typevar_subst",
            "_typevartuple_prepare_subst",
        ],
    ),
];
/// Modules that native code imports while a method runs.
const NATIVE_IMPORTS: [&str; 6] =
    ["_pycodecs", "_strptime", "annotationlib", "copyreg", "importlib._bootstrap_external", "locale"];
/// What the syntax tree says in place of `x.__dict__` and of `type(x)`, and around a name that is given to
/// `__setattr__`: no body can write the names.
pub const DICT: &str = "__vars__";
pub const TYPE: &str = "__type__";
pub const NAME: &str = "__settable__";
/// What the prelude has a version of for methods, under the same name.
const GUARDED: [(&str, &str); 5] = [
    ("contextlib", "redirect_stdout"),
    ("functools", "cached_property"),
    ("functools", "update_wrapper"),
    ("operator", "attrgetter"),
    ("operator", "methodcaller"),
];

struct Namespace {
    builtins: PyDictRef,
    faces: HashMap<String, PyRef<PyModule>>,
}

thread_local! {
    static NAMESPACE: OnceCell<Namespace> = const { OnceCell::new() };
}

/// Makes it; `guarded` is what stands in for functions of the library and of the builtins.
pub fn init(guarded: &PyDictRef, vm: &VirtualMachine) -> PyResult<()> {
    let faces = policy::with(|policy| faces(policy, guarded, vm))?;
    let builtins = policy::with(|policy| builtins(policy, vm))?;
    let made = NAMESPACE.with(|cell| cell.set(Namespace { builtins, faces }).is_ok());
    if made { Ok(()) } else { Err(vm.new_runtime_error("made before")) }
}

/// Where a method body's module runs.
pub fn scope(vm: &VirtualMachine) -> PyResult<Scope> {
    let builtins = NAMESPACE.with(|cell| cell.get().map(|made| made.builtins.clone()));
    let builtins = builtins.ok_or_else(|| vm.new_runtime_error("init comes first"))?;
    let globals = vm.ctx.new_dict();
    globals.set_item("__builtins__", builtins.into(), vm)?;
    globals.set_item("__name__", vm.new_pyobj(OWN_MODULE), vm)?;
    Ok(Scope::with_builtins(None, globals, vm))
}

/// What a method body that names this attribute of a module gets.
pub enum Member {
    Module(String),
    Value,
    /// There in the real module only.
    Hidden,
    Missing,
}

/// Looks a name up in the face of a module.
pub fn member(module: &str, name: &str, vm: &VirtualMachine) -> Member {
    let path = format!("{module}.{name}");
    let (face, is_module) = NAMESPACE.with(|cell| {
        let faces = cell.get().map(|made| &made.faces);
        let face = faces.and_then(|faces| faces.get(module)).cloned();
        (face, faces.is_some_and(|faces| faces.contains_key(&path)))
    });
    if is_module {
        return Member::Module(path);
    }
    let Some(face) = face else { return Member::Missing };
    let has = |module: &PyRef<PyModule>| module.dict().contains_key(name, vm);
    if has(&face) && !name.starts_with('_') {
        return Member::Value;
    }
    if real(module, vm).is_ok_and(|real| has(&real)) { Member::Hidden } else { Member::Missing }
}

fn real(name: &str, vm: &VirtualMachine) -> PyResult<PyRef<PyModule>> {
    vm.import(&*vm.ctx.new_str(name), 0)?;
    let modules = vm.sys_module.get_attr("modules", vm)?;
    let module = modules.get_item(name, vm)?;
    module.downcast().map_err(|_| vm.new_type_error(format!("{name} is not a module")))
}

fn faces(
    policy: &Policy,
    guarded: &PyDictRef,
    vm: &VirtualMachine,
) -> PyResult<HashMap<String, PyRef<PyModule>>> {
    let mut faces = HashMap::new();
    let mut names: Vec<&String> = policy.modules.iter().collect();
    // A package comes before its submodules.
    names.sort();
    for name in names {
        let face = face(name, policy, guarded, vm)?;
        if let Some((package, own)) = name.rsplit_once('.') {
            let package: Option<&PyRef<PyModule>> = faces.get(package);
            let package =
                package.ok_or_else(|| vm.new_value_error(format!("the package of {name} is not allowed")))?;
            package.dict().set_item(own, face.clone().into(), vm)?;
        }
        faces.insert(name.clone(), face);
    }
    Ok(faces)
}

fn face(name: &str, policy: &Policy, guarded: &PyDictRef, vm: &VirtualMachine) -> PyResult<PyRef<PyModule>> {
    let real = real(name, vm)?.dict();
    let listed = match real.get_item_opt("__all__", vm)? {
        Some(listed) => Some(listed.try_to_value::<Vec<PyStrRef>>(vm)?),
        None => None,
    };
    let native = NATIVE.iter().find(|(module, _)| *module == name).map_or(&[][..], |(_, names)| names);
    let dict = vm.ctx.new_dict();
    for (key, value) in &real {
        let Some(key) = key.downcast_ref::<PyStr>().and_then(|key| key.to_str()) else { continue };
        let is_public = match &listed {
            _ if native.contains(&key) => true,
            _ if key.starts_with('_') => false,
            Some(listed) => {
                listed.iter().any(|listed| listed.to_str() == Some(key)) || is_of(&value, name, vm)
            }
            None => true,
        };
        let is_shown = native.contains(&key) || policy.shows(name, key);
        if is_public && !is_of_the_interpreter(&value, vm) && is_shown {
            let value = if GUARDED.contains(&(name, key)) { guarded.get_item(key, vm)? } else { value };
            dict.set_item(key, value, vm)?;
        }
    }
    let public = dict.keys_vec().into_iter().filter(|key| {
        key.downcast_ref::<PyStr>().and_then(|key| key.to_str()).is_some_and(|key| !key.starts_with('_'))
    });
    let public = vm.ctx.new_list(public.collect());
    dict.set_item("__all__", public.into(), vm)?;
    let doc = real.get_item_opt("__doc__", vm)?.and_then(|doc| doc.downcast().ok());
    Ok(vm.new_module(name, dict, doc))
}

/// Whether a value is a module as it is, or makes classes. The metaclass that bodies may name is no value for them.
fn is_of_the_interpreter(value: &PyObjectRef, vm: &VirtualMachine) -> bool {
    let is_named = value.downcast_ref::<PyType>().is_some_and(|class| *class.name() == *META);
    value.downcast_ref::<PyModule>().is_some() || (guard::makes_classes(value, vm) && !is_named)
}

/// Whether a value says that it was defined in this module.
fn is_of(value: &PyObjectRef, module: &str, vm: &VirtualMachine) -> bool {
    let of = value.get_attr("__module__", vm).ok().and_then(|of| of.downcast::<PyStr>().ok());
    of.is_some_and(|of| of.to_str() == Some(module))
}

/// The builtins that methods have, those that reach attributes by name guarded.
fn builtins(policy: &Policy, vm: &VirtualMachine) -> PyResult<PyDictRef> {
    let dict = vm.ctx.new_dict();
    for (name, value) in &vm.builtins.dict() {
        if name.downcast_ref::<PyStr>().is_some_and(|name| policy.builtins.contains(&*name.to_string_lossy()))
        {
            dict.set_item(&*name, value, vm)?;
        }
    }
    let guard = vm.import("_guard", 0)?;
    for name in ["getattr", "hasattr", "setattr", "delattr", "vars"] {
        if policy.builtins.contains(name) {
            dict.set_item(name, guard.get_attr(name, vm)?, vm)?;
        }
    }
    if policy.builtins.contains("type")
        && let Some(class) = guard::class_of_classes()
    {
        dict.set_item("type", class, vm)?;
    }
    for (name, function) in
        [(DICT, "dict_of"), (TYPE, "class_of"), (NAME, "settable"), ("__build_class__", "build_class")]
    {
        dict.set_item(name, guard.get_attr(function, vm)?, vm)?;
    }
    dict.set_item("__debug__", vm.builtins.get_attr("__debug__", vm)?, vm)?;
    dict.set_item("__import__", vm.new_function("__import__", import).into(), vm)?;
    Ok(dict)
}

/// The statement `import`, as methods have it. Native code that imports something while a method runs comes this way
/// too, and is given its own modules as they are: no body can ask for them, the audit reads the names it asks for.
fn import(args: FuncArgs, vm: &VirtualMachine) -> PyResult {
    let name = args.args.first().and_then(|name| name.downcast_ref::<PyStr>()).and_then(|name| name.to_str());
    let names_follow = args.args.get(3).is_some_and(|list| list.clone().try_to_bool(vm).unwrap_or(false));
    let face = name.and_then(|name| {
        let asked = if names_follow { name } else { name.split('.').next().unwrap_or(name) };
        NAMESPACE.with(|cell| {
            let faces = &cell.get()?.faces;
            faces.contains_key(name).then(|| faces.get(asked).cloned()).flatten()
        })
    });
    let name = name.unwrap_or_default();
    match face {
        Some(face) => Ok(face.into()),
        None if NATIVE_IMPORTS.contains(&name) => vm.builtins.get_attr("__import__", vm)?.call(args, vm),
        None => Err(vm.new_import_error(format!("methods have no module '{name}'"), vm.ctx.new_str(name))),
    }
}

/// Whether this is a builtin of Python that methods do not have.
pub fn is_withheld(name: &str, vm: &VirtualMachine) -> bool {
    vm.builtins.dict().contains_key(name, vm) || SITE.contains(&name)
}

/// Builtins that Python's interactive mode adds.
const SITE: [&str; 8] = ["copyright", "credits", "exit", "help", "input", "license", "open", "quit"];
