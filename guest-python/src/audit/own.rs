//! What a body says of itself anywhere: the private names it gives to things of its own, the modules it imports.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{Expr, ExprContext, Parameter, Stmt};
use rustpython_vm::VirtualMachine;

use crate::compile;
use crate::guard::META;
use crate::namespace::{self, Member};

#[derive(Default)]
pub struct Own<'a> {
    /// Names that the body sets or defines.
    pub private: HashSet<&'a str>,
    /// Names that come from modules.
    pub imported: HashSet<&'a str>,
    /// Whether `self` may be something else than the object or an instance of the body's class.
    pub rebinds_self: bool,
    /// Whether a string has two underscores in a row: part of a dunder name.
    pub writes_dunders: bool,
    /// Names that [`META`] is imported under.
    pub makes_classes: HashSet<&'a str>,
    modules: HashMap<&'a str, String>,
    from: Vec<(&'a str, String, &'a str)>,
}

impl<'a> Own<'a> {
    pub fn of(body: &'a [Stmt], vm: &VirtualMachine) -> Self {
        let mut own = Self::default();
        own.visit_body(body);
        for (bound, module, name) in std::mem::take(&mut own.from) {
            if let Member::Module(path) = namespace::member(&module, name, vm) {
                own.modules.insert(bound, path);
            }
        }
        own
    }

    /// Whether an expression begins at something imported: `module.Class.name`.
    pub fn is_of_import(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Name(name) => {
                self.modules.contains_key(name.id.as_str()) || self.imported.contains(name.id.as_str())
            }
            Expr::Attribute(attribute) => self.is_of_import(&attribute.value),
            _ => false,
        }
    }

    /// The module that an expression stands for.
    pub fn module(&self, expression: &Expr, vm: &VirtualMachine) -> Option<String> {
        match expression {
            Expr::Name(name) => self.modules.get(name.id.as_str()).cloned(),
            Expr::Attribute(attribute) => {
                let of = self.module(&attribute.value, vm)?;
                match namespace::member(&of, attribute.attr.as_str(), vm) {
                    Member::Module(path) => Some(path),
                    _ => None,
                }
            }
            _ => None,
        }
    }
}

impl<'a> Visitor<'a> for Own<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.private.insert(function.name.as_str());
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let (path, top) = (alias.name.as_str(), alias.name.as_str().split('.').next());
                    match (&alias.asname, top) {
                        (Some(name), _) => self.modules.insert(name.as_str(), path.to_owned()),
                        (None, Some(top)) => self.modules.insert(top, top.to_owned()),
                        (None, None) => None,
                    };
                }
            }
            Stmt::ImportFrom(import) if !compile::is_of_the_future(import) => {
                let module = import.module.as_ref().map_or("", |name| name.as_str());
                for alias in &import.names {
                    let bound = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    self.imported.insert(bound);
                    if alias.name.as_str() == META {
                        self.makes_classes.insert(bound);
                    }
                    self.from.push((bound, module.to_owned(), alias.name.as_str()));
                }
            }
            _ => {}
        }
        visitor::walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Attribute(attribute) if matches!(attribute.ctx, ExprContext::Store) => {
                self.private.insert(attribute.attr.as_str());
            }
            Expr::Name(name) if matches!(name.ctx, ExprContext::Store) => {
                self.private.insert(name.id.as_str());
                self.rebinds_self |= name.id == "self";
            }
            Expr::StringLiteral(literal) => {
                let text = literal.value.to_str();
                self.writes_dunders |= text.contains("__") && text.contains(|c| c != '_');
            }
            _ => {}
        }
        visitor::walk_expr(self, expression);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.private.insert(parameter.name.as_str());
        visitor::walk_parameter(self, parameter);
    }
}
