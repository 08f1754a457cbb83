//! The rules, applied to each node of the tree.

mod calls;

use std::collections::HashSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, Arguments, Comprehension, ExceptHandler, Expr, ExprAttribute, ExprContext, ExprName, Keyword,
    Parameter, Pattern, PatternKeyword, Stmt, StmtClassDef, StmtFunctionDef, TypeParam,
};
use ruff_source_file::SourceCode;
use ruff_text_size::{Ranged, TextSize};
use rustpython_vm::VirtualMachine;

use super::own::Own;
use super::scope::{self, Scope};
use super::{constructs, strings};
use crate::compile::{self, Body, CHANGES};
use crate::exports::aura::python::auditor::Finding;
use crate::guard::{self, META};
use crate::namespace::{self, Member};
use crate::policy::{Attribute, Policy, is_dunder};

/// Builtins that reach an attribute by a name given as a value.
const ATTRIBUTE_FUNCTIONS: [&str; 4] = ["getattr", "hasattr", "setattr", "delattr"];
/// What a class may be given as plain names only, and the module that it would be said to be of, not at all.
const LISTS: [&str; 3] = ["__match_args__", "__module__", "__slots__"];
/// Slots that Python itself gives to classes without any.
const USUAL_SLOTS: [&str; 2] = ["__dict__", "__weakref__"];

pub struct Auditor<'a> {
    policy: &'a Policy,
    vm: &'a VirtualMachine,
    code: SourceCode<'a, 'a>,
    own: Own<'a>,
    scopes: Vec<Scope<'a>>,
    /// Where `type` or `__class__` may stand as a value.
    types: HashSet<TextSize>,
    /// Where one of [`CHANGES`] is called.
    changes: HashSet<TextSize>,
    /// Where a class is given a list of names that stand there as they are.
    lists: HashSet<TextSize>,
    depth: u32,
    findings: Vec<Finding>,
    /// Names that were held against the policy.
    judged: HashSet<String>,
}

impl<'a> Auditor<'a> {
    pub fn new(policy: &'a Policy, body: &'a Body, vm: &'a VirtualMachine) -> Self {
        let mut method = Scope::function(None, &body.statements);
        method.bound.extend(["self", "args", "kwargs"]);
        Self {
            policy,
            vm,
            code: body.file.to_source_code(),
            own: Own::of(&body.statements, vm),
            scopes: vec![method],
            types: HashSet::new(),
            changes: HashSet::new(),
            lists: HashSet::new(),
            depth: 0,
            findings: Vec::new(),
            judged: HashSet::new(),
        }
    }

    /// What was found, and the names that were judged.
    pub fn done(self) -> (Vec<Finding>, HashSet<String>) {
        (self.findings, self.judged)
    }

    fn judge(&mut self, name: &str) {
        if !self.judged.contains(name) {
            self.judged.insert(name.to_owned());
        }
    }

    fn find(&mut self, rule: &str, what: &str, at: TextSize) {
        let place = self.code.line_column(at);
        let (line, column) = (place.line.get(), place.column.get());
        self.findings.push(super::finding(rule, format!("{what} at line {line}."), line, column));
    }

    fn construct(&mut self, name: &str, at: TextSize) {
        if !self.policy.constructs.contains(name) {
            self.find("construct", &format!("Disallowed construct '{name}'"), at);
        }
    }

    fn module(&mut self, name: &str, phrase: &str, at: TextSize) {
        self.judge(name);
        if !self.policy.modules.contains(name) {
            self.find("import", &format!("Disallowed import {phrase} '{name}'"), at);
        }
    }

    /// A name used as an attribute, wherever one can stand.
    fn attribute(&mut self, name: &str, at: TextSize) {
        self.judge(name);
        match self.policy.attribute(name) {
            Attribute::Allowed => {}
            Attribute::Dunder => {
                self.find("dunder", &format!("Disallowed access to dunder attribute '{name}'"), at);
            }
            Attribute::Denied => self.denied(name, at),
            Attribute::Private if self.own.private.contains(name) => {}
            Attribute::Private => {
                self.find("private", &format!("Disallowed access to private attribute '{name}'"), at);
            }
        }
    }

    fn denied(&mut self, name: &str, at: TextSize) {
        self.find("attribute", &format!("Disallowed access to attribute '{name}'"), at);
    }

    /// `value.attr`, with what is known of the value.
    fn access(&mut self, access: &'a ExprAttribute) {
        let (name, at) = (access.attr.as_str(), access.attr.start());
        self.judge(name);
        let is_changed = !matches!(access.ctx, ExprContext::Load);
        if is_changed && !self.policy.is_settable(name) {
            return self.find("dunder", &format!("Disallowed change of dunder attribute '{name}'"), at);
        }
        if is_changed && self.own.is_of_import(&access.value) {
            return self.find(
                "attribute",
                &format!("Disallowed change of '{name}' of what was imported"),
                at,
            );
        }
        if CHANGES.contains(&name) && !self.changes.contains(&at) {
            return self.find("getattr", &format!("Disallowed use of '{name}' other than calling it"), at);
        }
        if let Some(module) = self.own.module(&access.value, self.vm) {
            let is_known = self.policy.modules.contains(&module);
            if is_known && matches!(namespace::member(&module, name, self.vm), Member::Hidden) {
                return self.denied(name, at);
            }
        } else if self.is_harmless_here(access) {
            return;
        }
        self.attribute(name, at);
    }

    /// Whether an attribute that is refused elsewhere may be used on this value.
    fn is_harmless_here(&self, access: &ExprAttribute) -> bool {
        let (name, read) = (access.attr.as_str(), matches!(access.ctx, ExprContext::Load));
        let in_class = self.in_class();
        match &*access.value {
            // `self` is what the method runs for, or an instance of the body's own class.
            Expr::Name(value) if self.is_the_object(value) && !name.starts_with("__") => {
                self.policy.attribute(name) == Attribute::Private
            }
            Expr::Name(_) if name == "__new__" => in_class && read,
            Expr::Name(value) if name == "__setattr__" => {
                value.id == "object" && in_class && !self.is_variable("object")
            }
            value if name == "__dict__" => read && !self.is_object(value),
            _ if name == "__class__" && self.types.contains(&access.attr.start()) => read,
            Expr::Name(_) if name == "__class__" => in_class && read,
            Expr::Call(call) => {
                let on_super = matches!(&*call.func, Expr::Name(function) if function.id == "super");
                on_super && in_class && !self.is_variable("super") && self.policy.inherits(name)
            }
            _ => false,
        }
    }

    /// Whether this is the method's own `self`, and not that of a function in the method.
    fn is_the_object(&self, name: &ExprName) -> bool {
        let is_bound_again = self.scopes.iter().skip(1).any(|scope| scope.bound.contains("self"));
        name.id == "self" && !self.own.rebinds_self && !is_bound_again
    }

    fn is_object(&self, expression: &Expr) -> bool {
        matches!(expression, Expr::Name(name) if self.is_the_object(name))
    }

    /// Whether a class is around this place.
    fn in_class(&self) -> bool {
        self.scopes.iter().any(|scope| scope.is_class)
    }

    /// Whether the name is a variable of the body here, and cannot be the builtin.
    fn is_variable(&self, name: &str) -> bool {
        match self.scopes.last() {
            Some(class) if class.is_class && class.bound.contains(name) => class.certain.contains(name),
            _ => self.scopes.iter().any(|scope| !scope.is_class && scope.bound.contains(name)),
        }
    }

    fn name(&mut self, name: &ExprName, called: bool) {
        let (id, at) = (name.id.as_str(), name.start());
        self.judge(id);
        let is_read = matches!(name.ctx, ExprContext::Load);
        let in_class = self.scopes.last().is_some_and(|scope| scope.is_class);
        let is_listed = !in_class || is_read || !LISTS.contains(&id) || self.lists.contains(&at);
        if !is_listed || !self.policy.binds(id, in_class && !is_read) {
            return self.find("dunder", &format!("Disallowed use of dunder name '{id}'"), at);
        }
        if is_read {
            self.read(name, called);
        }
    }

    /// What a name stands for, when the body has no variable by it.
    fn read(&mut self, name: &ExprName, called: bool) {
        let (id, at) = (name.id.as_str(), name.start());
        if self.own.makes_classes.contains(id) {
            return self.find("type", &format!("Disallowed use of '{id}' other than as a metaclass"), at);
        }
        if is_dunder(id) || self.is_variable(id) {
            return;
        }
        let other_than_called = |what: &str| format!("Disallowed use of '{what}' other than calling it");
        if !self.policy.builtins.contains(id) && namespace::is_withheld(id, self.vm) {
            let what = if called { "Disallowed function call to" } else { "Disallowed use of" };
            self.find("builtin", &format!("{what} '{id}'"), at);
        } else if called {
        } else if id == "type" && !self.types.contains(&at) {
            self.find("type", &other_than_called(id), at);
        } else if ATTRIBUTE_FUNCTIONS.contains(&id) {
            self.find("getattr", &other_than_called(id), at);
        }
    }

    /// A name that a statement binds or defines.
    fn binding(&mut self, name: &str, at: TextSize) {
        self.judge(name);
        let in_class = self.scopes.last().is_some_and(|scope| scope.is_class);
        if (in_class && LISTS.contains(&name)) || !self.policy.binds(name, in_class) {
            self.find("dunder", &format!("Disallowed definition of dunder name '{name}'"), at);
        }
    }

    /// `__slots__ = 'a', 'b'` in a class.
    fn list(&mut self, target: &'a Expr, value: &'a Expr) {
        let Expr::Name(target) = target else { return };
        if let "__slots__" | "__match_args__" = target.id.as_str()
            && let Some(names) = strings::names(value)
        {
            let is_slot = |name: &&str| target.id == "__slots__" && USUAL_SLOTS.contains(name);
            names.into_iter().filter(|name| !is_slot(name)).for_each(|name| self.slot(name, value.start()));
            self.lists.insert(target.start());
        }
    }

    fn slot(&mut self, name: &str, at: TextSize) {
        if is_dunder(name) {
            self.find("dunder", &format!("Disallowed definition of dunder name '{name}'"), at);
        } else if self.policy.attribute(name) == Attribute::Denied {
            self.denied(name, at);
        }
    }

    fn import(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.module(alias.name.as_str(), "of module", import.start());
                    self.alias(alias);
                }
            }
            Stmt::ImportFrom(import) if import.level > 0 => self.construct("relative-import", import.start()),
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |name| name.as_str());
                self.module(module, "from module", import.start());
                for alias in &import.names {
                    let name = alias.name.as_str();
                    if name == "*" {
                        self.construct("star-import", alias.start());
                    } else if !compile::is_of_the_future(import) {
                        self.from(module, name, alias.start());
                    }
                    self.alias(alias);
                }
            }
            _ => {}
        }
    }

    fn from(&mut self, module: &str, name: &str, at: TextSize) {
        self.judge(name);
        let is_known = self.policy.modules.contains(module);
        match namespace::member(module, name, self.vm) {
            Member::Hidden if is_known => self.denied(name, at),
            _ if module == "abc" && name == META => {}
            _ => self.attribute(name, at),
        }
    }

    fn alias(&mut self, alias: &'a Alias) {
        // `import a.b` binds `a`, and `import a.b as c` goes from `a` to `b`.
        alias.name.as_str().split('.').for_each(|part| self.judge(part));
        if let Some(name) = &alias.asname {
            self.binding(name.as_str(), alias.start());
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

    fn function(&mut self, function: &'a StmtFunctionDef) {
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
        self.within(scope, |auditor| auditor.visit_body(&function.body));
    }

    fn class(&mut self, class: &'a StmtClassDef) {
        self.binding(class.name.as_str(), class.name.start());
        for decorator in &class.decorator_list {
            self.visit_decorator(decorator);
        }
        if let Some(parameters) = &class.type_params {
            self.visit_type_params(parameters);
        }
        if let Some(arguments) = &class.arguments {
            let is_metaclass =
                |keyword: &Keyword| keyword.arg.as_ref().is_none_or(|name| name.as_str() == "metaclass");
            if self.is_abc(arguments) {
                self.judge(META);
                for keyword in &arguments.keywords {
                    match &keyword.value {
                        Expr::Name(name) => self.judge(name.id.as_str()),
                        Expr::Attribute(attribute) => {
                            if let Expr::Name(module) = &*attribute.value {
                                self.judge(module.id.as_str());
                            }
                        }
                        _ => {}
                    }
                }
                arguments.args.iter().for_each(|base| self.visit_expr(base));
            } else {
                if arguments.keywords.iter().any(is_metaclass)
                    || arguments.args.iter().any(Expr::is_starred_expr)
                {
                    self.construct("metaclass", class.start());
                }
                self.visit_arguments(arguments);
            }
        }
        let deletes = scope::deletes(&class.body);
        self.within(Scope::class(&class.body), |auditor| {
            for statement in &class.body {
                auditor.visit_stmt(statement);
                if let (Stmt::FunctionDef(function), false) = (statement, deletes)
                    && let Some(scope) = auditor.scopes.last_mut()
                {
                    scope.certain.insert(function.name.as_str());
                }
            }
        });
    }

    /// `metaclass=ABCMeta` of the module `abc`, alone.
    fn is_abc(&self, arguments: &Arguments) -> bool {
        let [keyword] = &*arguments.keywords else { return false };
        match &keyword.value {
            Expr::Name(name) => self.own.makes_classes.contains(name.id.as_str()),
            Expr::Attribute(attribute) => {
                attribute.attr.as_str() == META
                    && self.own.module(&attribute.value, self.vm).is_some_and(|module| module == "abc")
            }
            _ => false,
        }
    }

    fn statement(&mut self, statement: &'a Stmt) {
        for construct in constructs::of_statement(statement) {
            self.construct(construct, statement.start());
        }
        match statement {
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.import(statement),
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => self.class(class),
            Stmt::Nonlocal(nonlocal) => {
                nonlocal.names.iter().for_each(|name| self.binding(name.as_str(), name.start()));
            }
            Stmt::Global(global) => {
                global.names.iter().for_each(|name| self.binding(name.as_str(), name.start()));
            }
            Stmt::Assign(assign) => {
                assign.targets.iter().for_each(|target| self.list(target, &assign.value));
                visitor::walk_stmt(self, statement);
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    self.list(&assign.target, value);
                }
                visitor::walk_stmt(self, statement);
            }
            Stmt::AugAssign(assign) => {
                // In a class, what it adds to may stand further out.
                if let Expr::Name(name) = &*assign.target {
                    self.read(name, false);
                }
                visitor::walk_stmt(self, statement);
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn expression(&mut self, expression: &'a Expr) {
        if let Some(construct) = constructs::of_expression(expression) {
            self.construct(construct, expression.start());
        }
        match expression {
            Expr::Name(name) => self.name(name, false),
            Expr::Attribute(access) => {
                if let Some(named) = class_of_named(access) {
                    self.judge(access.attr.as_str());
                    return self.visit_expr(named);
                }
                self.access(access);
            }
            Expr::Call(call) => {
                self.call(call);
                if let Expr::Name(name) = &*call.func {
                    self.name(name, true);
                    return self.visit_arguments(&call.arguments);
                }
            }
            Expr::Compare(compare) => {
                for side in compare.comparators.iter().chain([&*compare.left]) {
                    self.allow_type(side);
                    self.allow_class(side);
                }
            }
            Expr::Lambda(lambda) => {
                if let Some(parameters) = &lambda.parameters {
                    self.visit_parameters(parameters);
                }
                let scope = Scope::function(lambda.parameters.as_deref(), &[]);
                return self.within(scope, |auditor| auditor.visit_expr(&lambda.body));
            }
            Expr::Yield(_) | Expr::YieldFrom(_) if self.scopes.len() == 1 => {
                self.construct("yield-in-method", expression.start());
            }
            _ => {}
        }
        if let Some(text) = strings::constant(expression)
            && guard::attributes_in_format(text.as_str().into()).iter().any(|name| !guard::may_format(name))
        {
            return self.find("format", "Disallowed attribute in a format string", expression.start());
        }
        match scope::comprehension(expression) {
            Some((elements, clauses)) => self.comprehension(&elements, clauses),
            None => visitor::walk_expr(self, expression),
        }
    }

    /// Its first iterable is read outside, where the names of the comprehension are not yet.
    fn comprehension(&mut self, elements: &[&'a Expr], clauses: &'a [Comprehension]) {
        let Some((first, others)) = clauses.split_first() else { return };
        self.visit_expr(&first.iter);
        self.within(Scope::comprehension(clauses), |auditor| {
            auditor.visit_expr(&first.target);
            first.ifs.iter().for_each(|condition| auditor.visit_expr(condition));
            others.iter().for_each(|clause| auditor.visit_comprehension(clause));
            elements.iter().for_each(|element| auditor.visit_expr(element));
        });
    }
}

/// `x` of `x.__class__.__name__`.
fn class_of_named(access: &ExprAttribute) -> Option<&Expr> {
    let is_name = matches!(access.attr.as_str(), "__name__" | "__qualname__");
    match &*access.value {
        Expr::Attribute(class) if is_name && class.attr.as_str() == "__class__" => Some(&class.value),
        _ => None,
    }
}

impl<'a> Visitor<'a> for Auditor<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        self.deeper(statement.start(), |auditor| auditor.statement(statement));
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        self.deeper(expression.start(), |auditor| auditor.expression(expression));
    }

    fn visit_annotation(&mut self, annotation: &'a Expr) {
        self.allow_type(annotation);
        self.visit_expr(annotation);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        if let Some(name) = scope::captured(pattern) {
            self.binding(name.as_str(), name.start());
        }
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

    fn visit_type_param(&mut self, parameter: &'a TypeParam) {
        self.binding(parameter.name().as_str(), parameter.start());
        visitor::walk_type_param(self, parameter);
    }

    fn visit_keyword(&mut self, keyword: &'a Keyword) {
        if let Some(name) = &keyword.arg {
            self.binding(name.as_str(), keyword.start());
        }
        visitor::walk_keyword(self, keyword);
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(named) = handler;
        if let Some(name) = &named.name {
            self.binding(name.as_str(), handler.start());
        }
        visitor::walk_except_handler(self, handler);
    }
}
