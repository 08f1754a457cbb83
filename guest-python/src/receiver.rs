//! `self`: the object a method runs for, and the messages it sends.
//!
//! A native module, `_aura`, that the prelude and the interpreter's set-up use. Methods never see the module,
//! only what it makes: `self`, the printed output, and the exceptions for messages that were not answered.

use std::cell::RefCell;

use rustpython_vm::builtins::PyDictRef;
use rustpython_vm::{AsObject, PyObject, PyObjectRef, PyRef, VirtualMachine, pymodule};

use crate::json;

pub use _aura::Receiver;
pub(crate) use _aura::module_def;

/// What the prelude hands to the native side, and the source of randomness.
#[derive(Default)]
struct Registered {
    /// Makes the callable that `self.other` is.
    message: Option<PyObjectRef>,
    /// The exception for a message that was not answered.
    send_error: Option<PyObjectRef>,
    random: u64,
}

thread_local! {
    static REGISTERED: RefCell<Registered> = RefCell::default();
}

/// Seeds what `os.urandom` gives, and with it `uuid4` and `secrets`.
pub fn seed(seed: u64) {
    REGISTERED.with_borrow_mut(|registered| registered.random = seed);
}

/// The exception class for messages that were not answered.
pub fn send_error() -> Option<PyObjectRef> {
    REGISTERED.with_borrow(|registered| registered.send_error.clone())
}

/// What a value says is missing, if it is a message that was not sent: then it was taken for an attribute.
pub fn missing(value: &PyObject, vm: &VirtualMachine) -> Option<String> {
    let message = REGISTERED.with_borrow(|registered| registered.message.clone())?;
    if !value.class().is(&message) {
        return None;
    }
    let error = value.str(vm).err()?;
    Some(error.as_object().str(vm).ok()?.to_string())
}

/// The next 64 random bits (SplitMix64).
fn random() -> u64 {
    REGISTERED.with_borrow_mut(|registered| {
        registered.random = registered.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (registered.random ^ (registered.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}

/// The state of `self` in which host and guest agree, and whether the method stands by its changes.
#[derive(Debug, Default)]
struct Covenant {
    /// The attributes' JSON as last exchanged with the host.
    agreed: String,
    /// `self._p_changed`.
    declared: bool,
    /// Whether a change went to the host already, with a message.
    sent: bool,
}

impl Receiver {
    pub fn create(
        key: &str,
        attributes: PyDictRef,
        inherited: PyDictRef,
        agreed: String,
        vm: &VirtualMachine,
    ) -> PyRef<Self> {
        let covenant = Covenant { agreed, ..Covenant::default() };
        Self::assemble(vm.ctx.new_str(key), attributes, inherited, covenant, vm)
    }

    /// Makes inherited lists and dicts that the method changed, and declared, attributes of its own; the name of
    /// one that changed undeclared.
    fn adopt(&self, vm: &VirtualMachine) -> Result<Option<String>, String> {
        let declared = self.covenant().declared;
        let mut undeclared = None;
        for (name, before) in self.lent() {
            let Some(value) = self.inherited_value(&name, vm) else { continue };
            if json::write(&value, json::Keys::Strict, vm)? == before {
                continue;
            }
            if declared {
                self.keep(&name, value, vm).map_err(|_| format!("'{name}' cannot be set"))?;
            } else {
                undeclared = Some(name.to_string());
            }
        }
        Ok(undeclared)
    }

    /// The attributes' JSON if it differs from what was last exchanged; from now on that is what is agreed.
    fn exchange(&self, vm: &VirtualMachine) -> Result<Option<String>, String> {
        let now = json::write(self.dict().as_ref(), json::Keys::Strict, vm)?;
        let mut covenant = self.covenant();
        if now == covenant.agreed {
            return Ok(None);
        }
        if covenant.declared {
            covenant.agreed.clone_from(&now);
            return Ok(Some(now));
        }
        // The host's text may be the same JSON in another dress.
        let before = json::read(&covenant.agreed, vm)?;
        if now == json::write(&before, json::Keys::Strict, vm)? {
            covenant.agreed = now;
            return Ok(None);
        }
        covenant.agreed.clone_from(&now);
        Ok(Some(now))
    }

    /// The attributes to be kept when the method has returned. `Err` says how the covenant was broken.
    pub fn settle(&self, vm: &VirtualMachine) -> Result<Option<String>, String> {
        let refused = |reason| format!("self.attributes cannot be kept: {reason}");
        let undeclared = self.adopt(vm).map_err(refused)?;
        let changed = self.exchange(vm).map_err(refused)?;
        if let Some(name) = undeclared {
            return Err(format!("the inherited attribute '{name}' changed without self._p_changed = True"));
        }
        let covenant = self.covenant();
        if (changed.is_some() || covenant.sent) && !covenant.declared {
            return Err("self.attributes changed without self._p_changed = True".to_owned());
        }
        Ok(changed)
    }
}

#[pymodule]
pub mod _aura {
    use rustpython_vm::builtins::{PyBytes, PyDict, PyDictRef, PyList, PyStr, PyStrRef};
    use rustpython_vm::common::lock::{PyMutex, PyMutexGuard, PyRwLock};
    use rustpython_vm::function::{FuncArgs, OptionalArg, PySetterValue};
    use rustpython_vm::types::{GetAttr, Representable, SetAttr};
    use rustpython_vm::{
        AsObject, Py, PyObject, PyObjectRef, PyPayload, PyRef, PyResult, VirtualMachine, pyclass,
    };

    use super::{Covenant, REGISTERED};
    use crate::aura::python::host;
    use crate::json;

    /// `self` in a method body.
    #[pyattr]
    #[pyclass(module = "aura", name = "Object")]
    #[derive(Debug, PyPayload)]
    pub struct Receiver {
        key: PyStrRef,
        attributes: PyRwLock<PyDictRef>,
        inherited: PyDictRef,
        covenant: PyMutex<Covenant>,
        /// Inherited lists and dicts that the method got to see, with their JSON as it was.
        lent: PyMutex<Vec<(PyStrRef, String)>>,
    }

    impl Receiver {
        pub(super) fn assemble(
            key: PyStrRef,
            attributes: PyDictRef,
            inherited: PyDictRef,
            covenant: Covenant,
            vm: &VirtualMachine,
        ) -> PyRef<Self> {
            let (attributes, covenant) = (PyRwLock::new(attributes), PyMutex::new(covenant));
            let lent = PyMutex::default();
            Self { key, attributes, inherited, covenant, lent }.into_ref(&vm.ctx)
        }

        pub(super) fn dict(&self) -> PyDictRef {
            self.attributes.read().clone()
        }

        pub(super) fn covenant(&self) -> PyMutexGuard<'_, Covenant> {
            self.covenant.lock()
        }

        /// The attribute of that name, own or inherited.
        fn attribute(&self, name: &Py<PyStr>, vm: &VirtualMachine) -> PyResult<Option<PyObjectRef>> {
            match self.dict().get_item_opt(name, vm)? {
                Some(own) => Ok(Some(own)),
                None => self.lend(name, vm),
            }
        }

        fn lend(&self, name: &Py<PyStr>, vm: &VirtualMachine) -> PyResult<Option<PyObjectRef>> {
            let value = self.inherited.get_item_opt(name, vm)?;
            let mutable = value.as_ref().is_some_and(|value| {
                value.downcast_ref::<PyList>().is_some() || value.downcast_ref::<PyDict>().is_some()
            });
            if let Some(value) = value.as_ref().filter(|_| mutable)
                && !self.lent.lock().iter().any(|(lent, _)| lent.as_wtf8() == name.as_wtf8())
            {
                let before = json::write(value, json::Keys::Strict, vm)
                    .map_err(|reason| vm.new_value_error(reason))?;
                self.lent.lock().push((name.to_owned(), before));
            }
            Ok(value)
        }

        pub(super) fn lent(&self) -> Vec<(PyStrRef, String)> {
            self.lent.lock().clone()
        }

        pub(super) fn inherited_value(&self, name: &Py<PyStr>, vm: &VirtualMachine) -> Option<PyObjectRef> {
            self.inherited.get_item_opt(name, vm).ok().flatten()
        }

        /// Makes an inherited value an attribute of the object, unless it has one of that name by now.
        pub(super) fn keep(&self, name: &Py<PyStr>, value: PyObjectRef, vm: &VirtualMachine) -> PyResult<()> {
            self.lent.lock().retain(|(lent, _)| lent.as_wtf8() != name.as_wtf8());
            let own = self.dict();
            if own.get_item_opt(name, vm)?.is_none() {
                own.set_item(name, value, vm)?;
            }
            Ok(())
        }
    }

    #[pyclass(with(GetAttr, SetAttr, Representable), flags(IMMUTABLETYPE))]
    impl Receiver {
        /// Sends a message to any object: `self.send(target, name, *args, **kwargs)`.
        #[pymethod]
        fn send(zelf: &Py<Self>, mut args: FuncArgs, vm: &VirtualMachine) -> PyResult {
            let mut text = |what: &str| -> PyResult<String> {
                let given = args
                    .take_positional()
                    .ok_or_else(|| vm.new_type_error(format!("send() needs {what}")))?;
                if let Some(object) = given.downcast_ref::<Self>() {
                    return Ok(object.key.to_string());
                }
                let given = given
                    .downcast::<PyStr>()
                    .map_err(|_| vm.new_type_error(format!("{what} must be a string")))?;
                Ok(given.to_string())
            };
            let (target, method) = (text("the target's id")?, text("the method's name")?);
            zelf.deliver(target, method, args, vm)
        }
    }

    impl Receiver {
        fn deliver(&self, target: String, method: String, args: FuncArgs, vm: &VirtualMachine) -> PyResult {
            let kwargs = vm.ctx.new_dict();
            for (name, value) in args.kwargs {
                kwargs.set_item(&*vm.ctx.new_str(name), value, vm)?;
            }
            let json = |value: &PyObject| {
                json::write(value, json::Keys::Coerced, vm)
                    .map_err(|reason| vm.new_type_error(format!("cannot send '{method}': {reason}")))
            };
            let list = vm.ctx.new_list(args.args);
            let (args, kwargs) = (json(list.as_object())?, json(kwargs.as_object())?);
            let attributes = self
                .adopt(vm)
                .and_then(|_| self.exchange(vm))
                .map_err(|reason| vm.new_value_error(format!("self.attributes cannot be kept: {reason}")))?;
            self.covenant().sent |= attributes.is_some();
            let answer = host::send(&host::Message { target, method, args, kwargs, attributes });
            if let Some(attributes) = answer.attributes {
                self.replace(attributes, vm)?;
            }
            match answer.value {
                Ok(value) => json::read(&value, vm).map_err(|reason| vm.new_value_error(reason)),
                Err(refusal) => Err(unanswered(&refusal, vm)?),
            }
        }

        /// Takes over attributes that another method of the same object changed; the dict stays the same dict.
        fn replace(&self, attributes: String, vm: &VirtualMachine) -> PyResult<()> {
            let new = json::read_dict(&attributes, vm).map_err(|reason| vm.new_value_error(reason))?;
            let dict = self.dict();
            dict.clear();
            for (name, value) in new {
                dict.set_item(name.as_object(), value, vm)?;
            }
            self.covenant().agreed = attributes;
            Ok(())
        }
    }

    fn unanswered(
        refusal: &host::Refusal,
        vm: &VirtualMachine,
    ) -> PyResult<rustpython_vm::builtins::PyBaseExceptionRef> {
        let class = super::send_error().ok_or_else(|| vm.new_runtime_error("the prelude did not run"))?;
        let error = class.call((refusal.text.clone(), refusal.kind.clone()), vm)?;
        error.downcast().map_err(|_| vm.new_type_error("SendError is not an exception"))
    }

    impl GetAttr for Receiver {
        fn getattro(zelf: &Py<Self>, name: &Py<PyStr>, vm: &VirtualMachine) -> PyResult {
            match name.to_str().unwrap_or_default() {
                "attributes" => return Ok(zelf.dict().into()),
                "key" => return Ok(zelf.key.clone().into()),
                "_p_changed" => return Ok(vm.ctx.new_bool(zelf.covenant().declared).into()),
                "send" => return zelf.as_object().generic_getattr(name, vm),
                text if text.starts_with("__") => return zelf.as_object().generic_getattr(name, vm),
                _ => {}
            }
            if let Some(value) = zelf.attribute(name, vm)? {
                return Ok(value);
            }
            let message = REGISTERED.with_borrow(|registered| registered.message.clone());
            let message = message.ok_or_else(|| vm.new_runtime_error("the prelude did not run"))?;
            message.call((zelf.to_owned(), name.to_owned()), vm)
        }
    }

    impl SetAttr for Receiver {
        fn setattro(
            zelf: &Py<Self>,
            name: &Py<PyStr>,
            value: PySetterValue,
            vm: &VirtualMachine,
        ) -> PyResult<()> {
            match (name.to_str().unwrap_or_default(), value) {
                ("_p_changed", PySetterValue::Assign(value)) => {
                    let declared = value.try_to_bool(vm)?;
                    zelf.covenant().declared = declared;
                    Ok(())
                }
                ("attributes", PySetterValue::Assign(value)) => {
                    let dict =
                        value.downcast().map_err(|_| vm.new_type_error("self.attributes must be a dict"))?;
                    // What goes may run a finalizer that reads the attributes: not while they are locked.
                    let _before = std::mem::replace(&mut *zelf.attributes.write(), dict);
                    Ok(())
                }
                (text @ ("key" | "send" | "attributes" | "_p_changed"), _) => {
                    Err(vm.new_attribute_error(format!("self.{text} cannot be changed")))
                }
                (text, _) if text.starts_with("__") => {
                    Err(vm.new_attribute_error(format!("self.{text} cannot be changed")))
                }
                (_, PySetterValue::Assign(value)) => {
                    zelf.covenant().declared = true;
                    zelf.dict().set_item(name, value, vm)
                }
                (_, PySetterValue::Delete) => {
                    zelf.covenant().declared = true;
                    match zelf.dict().get_item_opt(name, vm)? {
                        Some(_) => zelf.dict().del_item(name, vm),
                        None => {
                            Err(vm.new_attribute_error(format!("'{}' has no attribute '{name}'", zelf.key)))
                        }
                    }
                }
            }
        }
    }

    impl Representable for Receiver {
        fn repr_str(zelf: &Py<Self>, _vm: &VirtualMachine) -> PyResult<String> {
            Ok(format!("<{}>", zelf.key))
        }
    }

    /// Where `print` goes: to the host, or nowhere.
    #[pyattr]
    #[pyclass(module = "aura", name = "Output")]
    #[derive(Debug, PyPayload)]
    pub struct Output {
        kept: bool,
    }

    #[pyclass(with(rustpython_vm::types::Constructor), flags(IMMUTABLETYPE))]
    impl Output {
        #[pymethod]
        fn write(zelf: &Py<Self>, text: PyStrRef) -> usize {
            if zelf.kept {
                host::print(&text.to_string_lossy());
            }
            text.char_len()
        }

        #[pymethod]
        fn flush(_zelf: &Py<Self>) {}

        #[pymethod]
        fn isatty(_zelf: &Py<Self>) -> bool {
            false
        }

        #[pygetset]
        fn encoding(_zelf: &Py<Self>) -> String {
            "utf-8".to_owned()
        }

        #[pygetset]
        fn errors(_zelf: &Py<Self>) -> String {
            "replace".to_owned()
        }
    }

    impl rustpython_vm::types::Constructor for Output {
        type Args = (bool,);

        fn py_new(
            _class: &Py<rustpython_vm::builtins::PyType>,
            (kept,): Self::Args,
            _vm: &VirtualMachine,
        ) -> PyResult<Self> {
            Ok(Self { kept })
        }
    }

    #[pyfunction]
    fn register(message: PyObjectRef, send_error: PyObjectRef) {
        REGISTERED.with_borrow_mut(|registered| {
            registered.message = Some(message);
            registered.send_error = Some(send_error);
        });
    }

    /// What `self.other(…)` does.
    #[pyfunction]
    fn deliver(mut args: FuncArgs, vm: &VirtualMachine) -> PyResult {
        let mut next =
            || args.take_positional().ok_or_else(|| vm.new_type_error("deliver() needs a sender and a name"));
        let sender: PyRef<Receiver> = next()?.downcast().map_err(|_| vm.new_type_error("not an object"))?;
        let name: PyStrRef = next()?.downcast().map_err(|_| vm.new_type_error("not a name"))?;
        sender.deliver(sender.key.to_string(), name.to_string(), args, vm)
    }

    /// The builtin, but for `self` a default stands in for an attribute that is missing.
    #[pyfunction]
    pub fn getattr(
        object: PyObjectRef,
        name: PyStrRef,
        default: OptionalArg<PyObjectRef>,
        vm: &VirtualMachine,
    ) -> PyResult {
        let OptionalArg::Present(default) = default else { return object.get_attr(&name, vm) };
        match own_attribute(&object, &name, vm)? {
            Some(found) => Ok(found.unwrap_or(default)),
            None => Ok(vm.get_attribute_opt(&object, &*name)?.unwrap_or(default)),
        }
    }

    /// The builtin, but for `self` only attributes count: whether a message is understood shows when it is sent.
    #[pyfunction]
    pub fn hasattr(object: PyObjectRef, name: PyStrRef, vm: &VirtualMachine) -> PyResult<bool> {
        match own_attribute(&object, &name, vm)? {
            Some(found) => Ok(found.is_some()),
            None => Ok(vm.get_attribute_opt(&object, &*name)?.is_some()),
        }
    }

    /// `None` when this is no attribute of a receiver's; `Some(None)` when it is, and missing.
    fn own_attribute(
        object: &PyObject,
        name: &Py<PyStr>,
        vm: &VirtualMachine,
    ) -> PyResult<Option<Option<PyObjectRef>>> {
        let Some(receiver) = object.downcast_ref::<Receiver>() else { return Ok(None) };
        match name.to_str().unwrap_or_default() {
            "attributes" | "key" | "send" | "_p_changed" => Ok(None),
            text if text.starts_with("__") => Ok(None),
            _ => receiver.attribute(name, vm).map(Some),
        }
    }

    #[pyfunction]
    fn urandom(count: usize, vm: &VirtualMachine) -> PyResult<PyRef<PyBytes>> {
        if count > 1 << 20 {
            return Err(vm.new_value_error("at most 1048576 random bytes at once"));
        }
        let bytes: Vec<u8> =
            std::iter::repeat_with(super::random).flat_map(u64::to_le_bytes).take(count).collect();
        Ok(vm.ctx.new_bytes(bytes))
    }
}
