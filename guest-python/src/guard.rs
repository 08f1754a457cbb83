//! What methods get in place of the builtins that reach an attribute by a name given as a value: the same, but bound by
//! the policy. The audit reads the names that stand in a body; these read the others while it runs.

use std::cell::RefCell;

use rustpython_vm::builtins::{PyBaseExceptionRef, PyDictRef, PyModule, PyStr, PyType};
use rustpython_vm::common::format::{FieldName, FieldNamePart, FormatPart, FormatString, FromTemplate};
use rustpython_vm::common::wtf8::Wtf8;
use rustpython_vm::types::PyTypeFlags;
use rustpython_vm::{AsObject, Py, PyObject, PyObjectRef, PyResult, VirtualMachine, pymodule};

use crate::policy::{self, Attribute};
use crate::receiver::Receiver;

pub(crate) use _guard::module_def;

/// What classes of method bodies call their module.
pub const OWN_MODULE: &str = "__main__";
/// The metaclass of the library that may be named where a class asks for it.
pub const META: &str = "ABCMeta";

/// How deep fields of a format string may be nested in each other; Python allows two.
const MAX_FORMAT_DEPTH: usize = 4;

thread_local! {
    /// What the class of a class seems to be.
    static CLASS_OF_CLASSES: RefCell<Option<PyObjectRef>> = const { RefCell::new(None) };
    /// `str.format` and `str.format_map` as they were.
    static FORMATS: RefCell<Option<[PyObjectRef; 2]>> = const { RefCell::new(None) };
}

/// Refuses a name that may not be reached on this object.
fn check(object: &PyObject, name: &Py<PyStr>, vm: &VirtualMachine) -> PyResult<()> {
    let Some(name) = name.to_str() else { return Ok(()) };
    match policy::with(|policy| policy.attribute(name)) {
        Attribute::Allowed => Ok(()),
        Attribute::Private if is_own(object, vm) => Ok(()),
        _ => Err(refused(name, vm)),
    }
}

/// Refuses a name that may not be given to this object.
fn check_change(object: &PyObject, name: &Py<PyStr>, vm: &VirtualMachine) -> PyResult<()> {
    let text = name.to_string_lossy();
    let is_module = object.downcast_ref::<PyModule>().is_some();
    if is_module || !policy::with(|policy| policy.is_settable(&text)) {
        return Err(refused(&text, vm));
    }
    check(object, name, vm)
}

fn refused(name: &str, vm: &VirtualMachine) -> PyBaseExceptionRef {
    vm.new_attribute_error(format!("methods may not use the attribute '{name}'"))
}

/// Whether the object is `self`, or of a class of the body's own, or such a class.
fn is_own(object: &PyObject, vm: &VirtualMachine) -> bool {
    if object.downcast_ref::<Receiver>().is_some() {
        return true;
    }
    if object.downcast_ref::<PyModule>().is_some() {
        return false;
    }
    let class = object.downcast_ref::<PyType>().unwrap_or_else(|| object.class());
    let module = class.get_attr(vm.ctx.intern_str("__module__"));
    module.is_some_and(|module| {
        module.downcast_ref::<PyStr>().is_some_and(|name| name.to_str() == Some(OWN_MODULE))
    })
}

/// The attributes that a format string reads, but for the class of something whose name is read. Nothing for a string
/// that Python will not read either.
pub fn attributes_in_format(text: &Wtf8) -> Vec<String> {
    let mut found = Vec::new();
    collect(text, 0, &mut found);
    found
}

fn collect(text: &Wtf8, depth: usize, found: &mut Vec<String>) {
    if depth > MAX_FORMAT_DEPTH {
        return;
    }
    let Ok(format) = FormatString::from_str(text) else { return };
    for part in format.format_parts {
        let FormatPart::Field { field_name, format_spec, .. } = part else { continue };
        let parts = FieldName::parse(&field_name).map_or_else(|_| Vec::new(), |name| name.parts);
        let name = |part: &FieldNamePart| match part {
            FieldNamePart::Attribute(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        };
        let names: Vec<Option<String>> = parts.iter().map(name).collect();
        for (index, name) in names.iter().enumerate() {
            let next = names.get(index + 1).and_then(Option::as_deref);
            let is_named = name.as_deref() == Some("__class__") && next == Some("__name__");
            found.extend(name.clone().filter(|_| !is_named));
        }
        collect(&format_spec, depth + 1, found);
    }
}

/// Whether a format string may read this attribute.
pub fn may_format(name: &str) -> bool {
    policy::with(|policy| policy.attribute(name)) == Attribute::Allowed
}

fn check_format(format: &Py<PyStr>, vm: &VirtualMachine) -> PyResult<()> {
    match attributes_in_format(format.as_wtf8()).iter().find(|name| !may_format(name)) {
        Some(name) => Err(refused(name, vm)),
        None => Ok(()),
    }
}

/// What methods have for `type`.
pub fn class_of_classes() -> Option<PyObjectRef> {
    CLASS_OF_CLASSES.with_borrow(Clone::clone)
}

/// Lets nobody change the classes that there are: they are the library's.
pub fn freeze_classes(vm: &VirtualMachine) {
    fn freeze(class: &Py<PyType>) {
        if class.slots.flags.has_feature(PyTypeFlags::IMMUTABLETYPE)
            && class.slots.flags.has_feature(PyTypeFlags::HEAPTYPE)
        {
            return;
        }
        class.slots.flags.insert(PyTypeFlags::IMMUTABLETYPE);
        let subclasses: Vec<_> = class.subclasses.read().iter().filter_map(|weak| weak.upgrade()).collect();
        for subclass in subclasses {
            if let Some(subclass) = subclass.downcast_ref::<PyType>() {
                freeze(subclass);
            }
        }
    }
    freeze(vm.ctx.types.object_type);
}

/// Whether it is a class of classes.
pub fn makes_classes(object: &PyObject, vm: &VirtualMachine) -> bool {
    object.downcast_ref::<PyType>().is_some_and(|class| class.fast_issubclass(vm.ctx.types.type_type))
}

/// Hides what the library was looking at when it found no attribute there.
pub fn guard_errors(vm: &VirtualMachine) {
    let class = vm.ctx.exceptions.attribute_error;
    let read = |_: PyObjectRef, vm: &VirtualMachine| -> PyResult { Err(refused("obj", vm)) };
    let write = |_: PyObjectRef, _: PyObjectRef, _: &VirtualMachine| {};
    class.set_attr(vm.ctx.intern_str("obj"), vm.ctx.new_static_getset("obj", class, read, write).into());
}

/// What an object has as `__dict__`: its own attributes, if they are a method's business.
fn dict(object: &PyObject, vm: &VirtualMachine) -> Option<PyDictRef> {
    if object.downcast_ref::<Receiver>().is_some() {
        return None;
    }
    let is_namespace = *object.class().slot_name() == *"types.SimpleNamespace";
    if !is_namespace && !is_own(object, vm) {
        return None;
    }
    if let Some(class) = object.downcast_ref::<PyType>() {
        let dict = vm.ctx.new_dict();
        for (name, value) in class.attributes.as_dict()? {
            let name = name.downcast_ref::<PyStr>()?;
            if !policy::is_dunder(&name.to_string_lossy()) {
                dict.set_item(name, value, vm).ok()?;
            }
        }
        return Some(dict);
    }
    // What an instance has of a class of the library's may be no business of a method's.
    let is_module = |value: &PyObjectRef| value.downcast_ref::<PyModule>().is_some();
    object.dict().filter(|dict| !dict.values_vec().iter().any(is_module))
}

/// Has the methods of `str` that read attributes check their names first.
pub fn guard_formats(vm: &VirtualMachine) -> PyResult<()> {
    let class = vm.ctx.types.str_type;
    let as_is = |name: &str| class.as_object().get_attr(&vm.ctx.new_str(name), vm);
    FORMATS.set(Some([as_is("format")?, as_is("format_map")?]));
    for method in [_guard::FORMAT, _guard::FORMAT_MAP] {
        class.set_str_attr(method.name, method.build_method(&vm.ctx, class), &vm.ctx);
    }
    Ok(())
}

#[pymodule]
pub mod _guard {
    use rustpython_vm::builtins::{PyDictRef, PyStr, PyStrRef, PyType};
    use rustpython_vm::function::{FuncArgs, ItemDoc, OptionalArg, PyMethodDef, PyMethodFlags};
    use rustpython_vm::{AsObject, Py, PyObjectRef, PyResult, VirtualMachine};

    use super::{CLASS_OF_CLASSES, FORMATS, check, check_change, check_format};
    use crate::policy::{self, Attribute};
    use crate::receiver::_aura;

    #[pyfunction]
    fn register(class_of_classes: PyObjectRef) {
        CLASS_OF_CLASSES.set(Some(class_of_classes));
    }

    fn is_dict(name: &Py<PyStr>) -> bool {
        name.to_str() == Some("__dict__")
    }

    #[pyfunction]
    fn getattr(
        object: PyObjectRef,
        name: PyStrRef,
        default: OptionalArg<PyObjectRef>,
        vm: &VirtualMachine,
    ) -> PyResult {
        if is_dict(&name) {
            return match (super::dict(&object, vm), default) {
                (Some(dict), _) => Ok(dict.into()),
                (None, OptionalArg::Present(default)) => Ok(default),
                (None, OptionalArg::Missing) => Err(super::refused("__dict__", vm)),
            };
        }
        check(&object, &name, vm)?;
        _aura::getattr(object, name, default, vm)
    }

    #[pyfunction]
    fn hasattr(object: PyObjectRef, name: PyStrRef, vm: &VirtualMachine) -> PyResult<bool> {
        if is_dict(&name) {
            return Ok(super::dict(&object, vm).is_some());
        }
        check(&object, &name, vm)?;
        _aura::hasattr(object, name, vm)
    }

    #[pyfunction]
    fn setattr(object: PyObjectRef, name: PyStrRef, value: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
        check_change(&object, &name, vm)?;
        object.set_attr(&*name, value, vm)
    }

    #[pyfunction]
    fn delattr(object: PyObjectRef, name: PyStrRef, vm: &VirtualMachine) -> PyResult<()> {
        check_change(&object, &name, vm)?;
        object.del_attr(&*name, vm)
    }

    /// The attributes of an instance of a class of the body's own, of such a class, or of a namespace.
    #[pyfunction]
    fn vars(object: PyObjectRef, vm: &VirtualMachine) -> PyResult<PyDictRef> {
        let none = || vm.new_type_error("vars() is for your own classes and their instances");
        super::dict(&object, vm).ok_or_else(none)
    }

    /// `x.__dict__`.
    #[pyfunction]
    fn dict_of(object: PyObjectRef, vm: &VirtualMachine) -> PyResult<PyDictRef> {
        let none = || {
            let class = object.class().name().to_string();
            vm.new_attribute_error(format!(
                "'{class}' object has no attribute '__dict__' that methods may use"
            ))
        };
        super::dict(&object, vm).ok_or_else(none)
    }

    /// The name that is given to `__setattr__` or `__delattr__`, as a plain string.
    #[pyfunction]
    fn settable(name: PyStrRef, vm: &VirtualMachine) -> PyResult<PyStrRef> {
        let text = name.to_string_lossy().into_owned();
        let denied = |policy: &policy::Policy| {
            !policy.is_settable(&text) || policy.attribute(&text) == Attribute::Denied
        };
        if policy::with(denied) {
            return Err(super::refused(&text, vm));
        }
        Ok(vm.ctx.new_str(text))
    }

    /// The statement `class`: what it makes makes no classes itself, and only `ABCMeta` may make it on request.
    #[pyfunction]
    fn build_class(args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        let refused = || vm.new_type_error("methods make no classes of classes");
        if let Some(metaclass) = args.kwargs.get("metaclass") {
            let abc = vm.import("abc", 0)?.get_attr("ABCMeta", vm)?;
            if !metaclass.is(&abc) {
                return Err(refused());
            }
        }
        if args.args.iter().skip(2).any(|base| super::makes_classes(base, vm)) {
            return Err(refused());
        }
        vm.builtins.get_attr("__build_class__", vm)?.call(args, vm)
    }

    /// `type(x)`. Of a class it would be what makes classes: that has a stand-in.
    #[pyfunction]
    fn class_of(object: PyObjectRef, vm: &VirtualMachine) -> PyResult {
        if object.downcast_ref::<PyType>().is_none() {
            return Ok(object.class().to_owned().into());
        }
        CLASS_OF_CLASSES
            .with_borrow(Clone::clone)
            .ok_or_else(|| vm.new_runtime_error("the prelude did not run"))
    }

    /// What is to be the name of a field, as a plain string: private ones too, for the class is the body's own.
    #[pyfunction]
    fn field(name: PyStrRef, vm: &VirtualMachine) -> PyResult<PyStrRef> {
        let text = name.to_string_lossy().into_owned();
        let found = policy::with(|policy| policy.attribute(&text));
        if text.starts_with("__") || !matches!(found, Attribute::Allowed | Attribute::Private) {
            return Err(super::refused(&text, vm));
        }
        Ok(vm.ctx.new_str(text))
    }

    /// What is given to `operator.attrgetter` and `operator.methodcaller`, as a plain string.
    #[pyfunction]
    fn path(name: PyStrRef, vm: &VirtualMachine) -> PyResult<PyStrRef> {
        let text = name.to_string_lossy().into_owned();
        let denied = |part: &&str| policy::with(|policy| policy.attribute(part)) != Attribute::Allowed;
        match text.split('.').find(denied) {
            Some(part) => Err(super::refused(part, vm)),
            None => Ok(vm.ctx.new_str(text)),
        }
    }

    pub const FORMAT: &PyMethodDef =
        &PyMethodDef::new_const("format", format, PyMethodFlags::METHOD, ItemDoc::NONE);
    pub const FORMAT_MAP: &PyMethodDef =
        &PyMethodDef::new_const("format_map", format_map, PyMethodFlags::METHOD, ItemDoc::NONE);

    fn format(text: PyStrRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        as_it_was(0, text, args, vm)
    }

    fn format_map(text: PyStrRef, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        as_it_was(1, text, args, vm)
    }

    fn as_it_was(which: usize, text: PyStrRef, mut args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        check_format(&text, vm)?;
        let original = FORMATS.with_borrow(|formats| formats.as_ref().map(|formats| formats[which].clone()));
        let original = original.ok_or_else(|| vm.new_runtime_error("init comes first"))?;
        args.prepend_arg(text.into());
        original.call(args, vm)
    }
}
