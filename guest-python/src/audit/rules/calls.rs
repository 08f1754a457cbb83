//! Calls that reach an attribute by a name given as a value, and where `type` and `__class__` may stand as values.

use ruff_python_ast::{Arguments, Expr, ExprCall};
use ruff_text_size::{Ranged, TextSize};

use super::{ATTRIBUTE_FUNCTIONS, Auditor};
use crate::audit::strings;
use crate::compile::CHANGES;
use crate::policy::Attribute;

/// Functions of modules that reach an attribute by a name given as a value.
const ATTRIBUTE_GETTERS: [&str; 2] = ["attrgetter", "methodcaller"];

impl<'a> Auditor<'a> {
    pub(super) fn call(&mut self, call: &'a ExprCall) {
        let (arguments, at) = (&call.arguments, call.start());
        arguments.args.iter().for_each(|argument| self.allow_type(argument));
        self.allow_class(&call.func);
        arguments.keywords.iter().for_each(|keyword| self.allow_type(&keyword.value));
        let id = match &*call.func {
            Expr::Name(function) if !self.is_variable(function.id.as_str()) => function.id.as_str(),
            Expr::Name(function) if self.own.imported.contains(function.id.as_str()) => function.id.as_str(),
            Expr::Attribute(function) => {
                match function.attr.as_str() {
                    getter if ATTRIBUTE_GETTERS.contains(&getter) => self.getter(getter, arguments, at),
                    change if CHANGES.contains(&change) => {
                        self.changes.insert(function.attr.start());
                        self.change(change, &function.value, arguments, at);
                    }
                    _ => {}
                }
                return;
            }
            _ => return,
        };
        let is_spread = arguments.args.iter().any(Expr::is_starred_expr)
            || arguments.keywords.iter().any(|keyword| keyword.arg.is_none());
        let reads_arguments = ATTRIBUTE_FUNCTIONS.contains(&id) || matches!(id, "type" | "vars");
        match id {
            _ if is_spread && reads_arguments => {
                self.find("getattr", &format!("Disallowed call to '{id}' with spread arguments"), at);
            }
            _ if ATTRIBUTE_FUNCTIONS.contains(&id) => match arguments.args.get(1) {
                Some(Expr::StringLiteral(literal))
                    if literal.value.to_str() == "__dict__" && matches!(id, "getattr" | "hasattr") => {}
                Some(Expr::StringLiteral(literal)) => {
                    let on_self = self.is_object(&arguments.args[0])
                        && self.policy.attribute(literal.value.to_str()) == Attribute::Private;
                    if !on_self {
                        self.attribute(literal.value.to_str(), at);
                    }
                }
                Some(name) if strings::is_plain_name(name) && !self.own.writes_dunders => {}
                _ => self.find("getattr", &format!("Disallowed call to '{id}' with an assembled name"), at),
            },
            _ if ATTRIBUTE_GETTERS.contains(&id) => self.getter(id, arguments, at),
            "isinstance" | "issubclass" => arguments.args.iter().for_each(|class| self.allow_class(class)),
            "vars" if arguments.args.len() != 1 || self.is_object(&arguments.args[0]) => {
                self.find("builtin", "Disallowed function call to 'vars'", at);
            }
            "type" if arguments.args.len() != 1 || !arguments.keywords.is_empty() => {
                self.find("type", "Disallowed creation of a class by 'type'", at);
            }
            _ => {}
        }
    }

    /// `object.__setattr__(self, 'name', …)`, `super().__setattr__(name, …)`.
    fn change(&mut self, function: &str, on: &'a Expr, arguments: &'a Arguments, at: TextSize) {
        let index = usize::from(!on.is_call_expr());
        let takes = index + if function == "__setattr__" { 2 } else { 1 };
        let is_plain = arguments.args.len() == takes
            && arguments.keywords.is_empty()
            && !arguments.args.iter().any(Expr::is_starred_expr);
        match arguments.args.get(index) {
            Some(Expr::StringLiteral(literal)) if is_plain => {
                let name = literal.value.to_str();
                if !self.policy.is_settable(name) {
                    self.find("dunder", &format!("Disallowed change of dunder attribute '{name}'"), at);
                }
            }
            Some(name) if is_plain && strings::is_plain_name(name) => {}
            _ => self.find("getattr", &format!("Disallowed call to '{function}' with a computed name"), at),
        }
    }

    /// `attrgetter('a.b')`, `methodcaller('name', …)`.
    fn getter(&mut self, function: &str, arguments: &'a Arguments, at: TextSize) {
        let names = if function == "methodcaller" {
            &arguments.args[..arguments.args.len().min(1)]
        } else {
            &*arguments.args
        };
        for name in names {
            match name {
                Expr::StringLiteral(literal) if !arguments.args[0].is_starred_expr() => {
                    literal.value.to_str().split('.').for_each(|part| self.attribute(part, at));
                }
                name if strings::is_plain_name(name) && !self.own.writes_dunders => {}
                _ => {
                    self.find("getattr", &format!("Disallowed call to '{function}' with a computed name"), at)
                }
            }
        }
    }

    /// `x.__class__` where it is compared with, or called.
    pub(super) fn allow_class(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Attribute(access) if access.attr.as_str() == "__class__" => {
                self.types.insert(access.attr.start());
            }
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|element| self.allow_class(element)),
            _ => {}
        }
    }

    /// `type` as a value: it is what methods have for it.
    pub(super) fn allow_type(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if name.id == "type" => {
                self.types.insert(name.start());
            }
            Expr::Tuple(tuple) => tuple.elts.iter().for_each(|element| self.allow_type(element)),
            Expr::Subscript(subscript) => {
                self.allow_type(&subscript.value);
                self.allow_type(&subscript.slice);
            }
            Expr::BinOp(union) => {
                self.allow_type(&union.left);
                self.allow_type(&union.right);
            }
            _ => {}
        }
    }
}
