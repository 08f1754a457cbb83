//! What method bodies may use: given by the host once, before the snapshot, and read by the audit and at run time.

use std::cell::OnceCell;
use std::collections::HashSet;

use crate::aura::python::rules;

type Names = HashSet<String>;

pub struct Policy {
    pub modules: Names,
    hidden: Names,
    shown: Names,
    pub builtins: Names,
    pub constructs: Names,
    pub max_bytes: usize,
    pub max_depth: u32,
    denied_attributes: Names,
    dunders: Names,
    defined_dunders: Names,
    private: Names,
}

/// What an attribute's name is to the policy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    Allowed,
    /// Begins with an underscore: for what is the body's own.
    Private,
    Dunder,
    Denied,
}

/// Dunder attributes that wrappers copy from what they wrap.
const NAMING: [&str; 3] = ["__doc__", "__name__", "__qualname__"];

thread_local! {
    static POLICY: OnceCell<Policy> = const { OnceCell::new() };
}

/// Asks the host.
pub fn init() {
    let given = rules::given();
    let policy = Policy {
        modules: given.modules.into_iter().collect(),
        hidden: given.hidden.into_iter().collect(),
        shown: given.shown.into_iter().collect(),
        builtins: given.builtins.into_iter().collect(),
        constructs: given.constructs.into_iter().collect(),
        max_bytes: given.max_bytes as usize,
        max_depth: given.max_depth,
        denied_attributes: given.denied_attributes.into_iter().collect(),
        dunders: given.dunders.into_iter().collect(),
        defined_dunders: given.defined_dunders.into_iter().collect(),
        private: given.private.into_iter().collect(),
    };
    POLICY.with(|cell| assert!(cell.set(policy).is_ok(), "init was called twice"));
}

pub fn with<R>(read: impl FnOnce(&Policy) -> R) -> R {
    POLICY.with(|cell| read(cell.get().expect("init comes first")))
}

impl Policy {
    /// Whether methods see this public name of a module.
    pub fn shows(&self, module: &str, name: &str) -> bool {
        let path = format!("{module}.{name}");
        let of_module = |path: &String| path.rsplit_once('.').is_some_and(|(of, _)| of == module);
        if self.shown.iter().any(of_module) {
            self.shown.contains(&path)
        } else {
            !self.hidden.contains(&path)
        }
    }

    /// Whether the name may be used as an attribute of anything.
    pub fn attribute(&self, name: &str) -> Attribute {
        if is_dunder(name) {
            return if self.dunders.contains(name) { Attribute::Allowed } else { Attribute::Dunder };
        }
        if self.denied_attributes.contains(name) {
            return Attribute::Denied;
        }
        if name.starts_with('_') && name.contains(|c| c != '_') && !self.private.contains(name) {
            return Attribute::Private;
        }
        Attribute::Allowed
    }

    /// Whether the name may be given to something as an attribute. Of the dunder names those that only say what a
    /// function or a class is called.
    pub fn is_settable(&self, name: &str) -> bool {
        !is_dunder(name) || (NAMING.contains(&name) && self.dunders.contains(name))
    }

    /// Whether the name may be bound: by an assignment, a definition, a parameter.
    pub fn binds(&self, name: &str, in_class: bool) -> bool {
        !is_dunder(name) || self.dunders.contains(name) || (in_class && self.defined_dunders.contains(name))
    }

    /// Whether a class may call what it inherits under this name.
    pub fn inherits(&self, name: &str) -> bool {
        self.defined_dunders.contains(name)
    }
}

/// `__name__`. What only begins like this (`__name`) is a class's private name, which Python mangles.
pub fn is_dunder(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}
