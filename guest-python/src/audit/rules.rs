//! The rules, applied to each node of the tree.

use std::collections::HashSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    ExceptHandler, Expr, ExprAttribute, ExprCall, ExprContext, ExprName, Keyword, Parameter, Pattern,
    PatternKeyword, Stmt, StringLiteral,
};
use ruff_source_file::SourceCode;
use ruff_text_size::{Ranged, TextSize};

use super::scope::Scope;
use crate::compile::Body;
use crate::exports::aura::python::auditor::{Finding, Policy};

/// Builtins that reach an attribute by a name given as a value.
const ATTRIBUTE_FUNCTIONS: [&str; 4] = ["getattr", "hasattr", "setattr", "delattr"];
/// Modules whose import from elsewhere has consequences of its own; the only `__future__` is annotations.
const FUTURE: &str = "__future__";

pub struct Auditor<'a> {
    policy: &'a Policy,
    code: SourceCode<'a, 'a>,
    scopes: Vec<Scope<'a>>,
    /// Attributes with a leading underscore that the body itself sets or defines.
    own_private: HashSet<&'a str>,
    depth: u32,
    pub findings: Vec<Finding>,
}

impl<'a> Auditor<'a> {
    pub fn new(policy: &'a Policy, body: &'a Body) -> Self {
        let mut own = OwnPrivate::default();
        own.visit_body(&body.statements);
        let mut method = Scope::function(None, &body.statements);
        method.bound.extend(["self", "args", "kwargs"]);
        Self {
            policy,
            code: body.file.to_source_code(),
            scopes: vec![method],
            own_private: own.names,
            depth: 0,
            findings: Vec::new(),
        }
    }

    fn find(&mut self, rule: &str, what: &str, at: TextSize) {
        let place = self.code.line_column(at);
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let line = number(place.line.get());
        self.findings.push(Finding {
            rule: rule.to_owned(),
            message: format!("{what} at line {line}."),
            line,
            column: number(place.column.get()),
        });
    }

    fn module(&mut self, name: &str, phrase: &str, at: TextSize) {
        let allowed = self.policy.modules.iter().any(|module| {
            name == module || name.strip_prefix(module.as_str()).is_some_and(|rest| rest.starts_with('.'))
        });
        if !allowed {
            self.find("import", &format!("Disallowed import {phrase} '{name}'"), at);
        }
    }

    /// A name used as an attribute, wherever one can stand.
    fn attribute(&mut self, name: &str, at: TextSize) {
        if is_dunder(name) {
            if !contains(&self.policy.allowed_dunders, name) {
                self.find("dunder", &format!("Disallowed access to dunder attribute '{name}'"), at);
            }
        } else if contains(&self.policy.denied_attributes, name) {
            self.find("attribute", &format!("Disallowed access to attribute '{name}'"), at);
        } else if name.starts_with('_')
            && !contains(&self.policy.allowed_private, name)
            && !self.own_private.contains(name)
        {
            self.find("private", &format!("Disallowed access to private attribute '{name}'"), at);
        }
    }

    /// Whether the name is a variable of the body here, and cannot be the builtin.
    fn is_variable(&self, name: &str) -> bool {
        let in_class = self.scopes.iter().any(|scope| scope.is_class && scope.bound.contains(name));
        !in_class && self.scopes.iter().any(|scope| !scope.is_class && scope.bound.contains(name))
    }

    fn name(&mut self, name: &ExprName, called: bool) {
        let id = name.id.as_str();
        if is_dunder(id) && !contains(&self.policy.allowed_dunders, id) {
            return self.find("dunder", &format!("Disallowed use of dunder name '{id}'"), name.start());
        }
        if !matches!(name.ctx, ExprContext::Load) || self.is_variable(id) {
            return;
        }
        if contains(&self.policy.denied_builtins, id) {
            let what = if called { "Disallowed function call to" } else { "Disallowed use of" };
            self.find("builtin", &format!("{what} '{id}'"), name.start());
        } else if id == "type" && !called {
            self.find("type", "Disallowed use of 'type' other than calling it", name.start());
        } else if ATTRIBUTE_FUNCTIONS.contains(&id) && !called {
            self.find("getattr", &format!("Disallowed use of '{id}' other than calling it"), name.start());
        }
    }

    fn call(&mut self, call: &'a ExprCall) {
        let Expr::Name(function) = &*call.func else { return };
        let id = function.id.as_str();
        if self.is_variable(id) {
            return;
        }
        if ATTRIBUTE_FUNCTIONS.contains(&id) {
            match call.arguments.args.get(1) {
                Some(Expr::StringLiteral(literal)) => self.attribute(literal.value.to_str(), call.start()),
                _ => self.find(
                    "getattr",
                    &format!("Disallowed call to '{id}' with a name that is not a literal"),
                    call.start(),
                ),
            }
        }
        if id == "type" && (call.arguments.args.len() != 1 || !call.arguments.keywords.is_empty()) {
            self.find("type", "Disallowed creation of a class by 'type'", call.start());
        }
    }

    /// A name that a statement binds or defines.
    fn binding(&mut self, name: &str, at: TextSize) {
        if is_dunder(name) && !contains(&self.policy.allowed_dunders, name) {
            self.find("dunder", &format!("Disallowed definition of dunder name '{name}'"), at);
        }
    }

    fn import(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.module(alias.name.as_str(), "of module", import.start());
                    self.alias(alias.asname.as_ref(), alias.start());
                }
            }
            Stmt::ImportFrom(import) if import.level > 0 => {
                self.find("import", "Disallowed relative import", import.start());
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |name| name.as_str());
                self.module(module, "from module", import.start());
                for alias in &import.names {
                    if module != FUTURE && alias.name.as_str() != "*" {
                        self.attribute(alias.name.as_str(), alias.start());
                    }
                    self.alias(alias.asname.as_ref(), alias.start());
                }
            }
            _ => {}
        }
    }

    fn alias(&mut self, name: Option<&ruff_python_ast::Identifier>, at: TextSize) {
        if let Some(name) = name {
            self.binding(name.as_str(), at);
        }
    }

    fn within(&mut self, scope: Scope<'a>, visit: impl FnOnce(&mut Self)) {
        self.scopes.push(scope);
        visit(self);
        self.scopes.pop();
    }

    fn deeper(&mut self, at: TextSize, visit: impl FnOnce(&mut Self)) {
        if self.depth >= self.policy.max_depth {
            return self.find("depth", "Code nested too deeply", at);
        }
        self.depth += 1;
        visit(self);
        self.depth -= 1;
    }

    fn statement(&mut self, statement: &'a Stmt) {
        let at = statement.start();
        match statement {
            Stmt::Import(_) | Stmt::ImportFrom(_) => return self.import(statement),
            Stmt::Global(_) => self.find("global", "Disallowed global statement", at),
            Stmt::FunctionDef(function) => {
                if function.is_async {
                    self.find("async", "Disallowed async function", at);
                }
                self.binding(function.name.as_str(), function.name.start());
                for decorator in &function.decorator_list {
                    self.visit_decorator(decorator);
                }
                if let Some(parameters) = &function.type_params {
                    self.visit_type_params(parameters);
                }
                self.visit_parameters(&function.parameters);
                if let Some(returns) = &function.returns {
                    self.visit_annotation(returns);
                }
                let scope = Scope::function(Some(&function.parameters), &function.body);
                return self.within(scope, |auditor| auditor.visit_body(&function.body));
            }
            Stmt::ClassDef(class) => {
                self.binding(class.name.as_str(), class.name.start());
                for decorator in &class.decorator_list {
                    self.visit_decorator(decorator);
                }
                if let Some(arguments) = &class.arguments {
                    if arguments
                        .keywords
                        .iter()
                        .any(|keyword| keyword.arg.as_ref().is_none_or(|name| name.as_str() == "metaclass"))
                    {
                        self.find("metaclass", "Disallowed metaclass", at);
                    }
                    self.visit_arguments(arguments);
                }
                return self.within(Scope::class(&class.body), |auditor| auditor.visit_body(&class.body));
            }
            Stmt::For(statement) if statement.is_async => self.find("async", "Disallowed async for", at),
            Stmt::With(statement) if statement.is_async => self.find("async", "Disallowed async with", at),
            _ => {}
        }
        visitor::walk_stmt(self, statement);
    }

    fn expression(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) => self.name(name, false),
            Expr::Attribute(ExprAttribute { attr, .. }) => self.attribute(attr.as_str(), attr.start()),
            Expr::Call(call) => {
                self.call(call);
                if let Expr::Name(name) = &*call.func {
                    self.name(name, true);
                    return self.visit_arguments(&call.arguments);
                }
            }
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    self.visit_parameters(parameters);
                }
                let scope = Scope::function(lambda.parameters.as_deref(), &[]);
                return self.within(scope, |auditor| auditor.visit_expr(&lambda.body));
            }
            Expr::Await(_) => self.find("async", "Disallowed await", expression.start()),
            Expr::Yield(_) | Expr::YieldFrom(_) if self.scopes.len() == 1 => {
                self.find("yield", "Disallowed yield in the method itself", expression.start());
            }
            _ => {}
        }
        visitor::walk_expr(self, expression);
    }
}

impl<'a> Visitor<'a> for Auditor<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.deeper(statement.start(), |auditor| auditor.statement(statement));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        self.deeper(expression.start(), |auditor| auditor.expression(expression));
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.deeper(pattern.start(), |auditor| visitor::walk_pattern(auditor, pattern));
    }

    fn visit_pattern_keyword(&mut self, keyword: &'a PatternKeyword) {
        self.attribute(keyword.attr.as_str(), keyword.start());
        visitor::walk_pattern_keyword(self, keyword);
    }

    fn visit_parameter(&mut self, parameter: &'a Parameter) {
        self.binding(parameter.name.as_str(), parameter.start());
        visitor::walk_parameter(self, parameter);
    }

    fn visit_keyword(&mut self, keyword: &'a Keyword) {
        if let Some(name) = &keyword.arg {
            self.binding(name.as_str(), keyword.start());
        }
        visitor::walk_keyword(self, keyword);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(named) = handler;
        self.alias(named.name.as_ref(), handler.start());
        visitor::walk_except_handler(self, handler);
    }

    /// A format string that reaches into an object: `'{0.__class__}'`.
    fn visit_string_literal(&mut self, literal: &'a StringLiteral) {
        let reaches = literal.value.split('{').skip(1).any(|field| {
            let field = field.split('}').next().unwrap_or_default();
            field.contains("__") && field.contains(['.', '['])
        });
        if reaches {
            self.find("format", "Disallowed dunder access in a format string", literal.start());
        }
    }
}

/// Collects the underscore names that a body gives to its own objects.
#[derive(Default)]
struct OwnPrivate<'a> {
    names: HashSet<&'a str>,
}

impl<'a> Visitor<'a> for OwnPrivate<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        if let Stmt::FunctionDef(function) = statement {
            self.names.insert(function.name.as_str());
        }
        visitor::walk_stmt(self, statement);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Attribute(attribute) if matches!(attribute.ctx, ExprContext::Store) => {
                self.names.insert(attribute.attr.as_str());
            }
            Expr::Name(name) if matches!(name.ctx, ExprContext::Store) => {
                self.names.insert(name.id.as_str());
            }
            _ => {}
        }
        visitor::walk_expr(self, expression);
    }
}

fn contains(names: &[String], name: &str) -> bool {
    names.iter().any(|listed| listed == name)
}

fn is_dunder(name: &str) -> bool {
    name.len() > 2 && name.starts_with("__")
}
