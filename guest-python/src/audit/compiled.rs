//! The second reading: the names in the code that the compiler made must be names that the rules judged. Where parser,
//! compiler and rules should ever differ on what a body says, the body is refused.

use std::collections::HashSet;

use rustpython_vm::bytecode::ConstantData;
use rustpython_vm::compiler::CodeObject;

use crate::namespace::{DICT, NAME, TYPE};

/// Names that the compiler makes itself.
const MADE: [&str; 21] = [
    "__annotate__",
    "__annotate_func__",
    "__annotations__",
    "__build_class__",
    "__class__",
    "__classcell__",
    "__classdict__",
    "__classdictcell__",
    "__conditional_annotations__",
    "__doc__",
    "__firstlineno__",
    "__module__",
    "__name__",
    "__orig_bases__",
    "__qualname__",
    "__static_attributes__",
    "__type_params__",
    "AssertionError",
    TYPE,
    DICT,
    NAME,
];

/// A name of the code that nobody judged.
pub fn unjudged<'c>(code: &'c CodeObject, method: &str, judged: &HashSet<String>) -> Option<&'c str> {
    let is_judged = |name: &str| {
        // The private names of a class are `_Class__name`.
        let private = name.strip_prefix('_').and_then(|name| name.find("__").map(|at| &name[at..]));
        let known = |name: &str| judged.contains(name) || MADE.contains(&name);
        name == method || name.starts_with('.') || known(name) || private.is_some_and(known)
    };
    if let Some(name) = code.names.iter().find(|name| !is_judged(name.as_str())) {
        return Some(name);
    }
    code.constants.iter().find_map(|constant| match constant {
        ConstantData::Code { code } => unjudged(code, method, judged),
        _ => None,
    })
}
