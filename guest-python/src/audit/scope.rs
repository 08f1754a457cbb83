//! Which names a scope binds itself, so that a variable called `input` is not taken for the builtin.
//!
//! Counting a binding too few costs a false finding, one too many would let a builtin through; so only what
//! binds for certain counts. What a class body binds is found by the statements of that body alone, and only after it
//! was bound: before that Python looks further, past the functions around the class.

use std::collections::HashSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Comprehension, ExceptHandler, Expr, ExprContext, Identifier, Parameters, Pattern, Stmt,
};

use crate::compile;

#[derive(Default)]
pub struct Scope<'a> {
    pub bound: HashSet<&'a str>,
    pub is_class: bool,
    /// What a class has at this point whatever happened before.
    pub certain: HashSet<&'a str>,
}

impl<'a> Scope<'a> {
    pub fn function(parameters: Option<&'a Parameters>, body: &'a [Stmt]) -> Self {
        let mut scope = Self::default();
        if let Some(parameters) = parameters {
            scope.bound.extend(parameters.iter().map(|parameter| parameter.name().as_str()));
        }
        scope.visit_body(body);
        scope
    }

    /// The scope that a comprehension or a generator is.
    pub fn comprehension(clauses: &'a [Comprehension]) -> Self {
        let mut scope = Self::default();
        clauses.iter().for_each(|clause| scope.visit_expr(&clause.target));
        scope
    }

    pub fn class(body: &'a [Stmt]) -> Self {
        let mut scope = Self::function(None, body);
        scope.is_class = true;
        scope
    }
}

/// Whether a class body unbinds a name.
pub fn deletes(body: &[Stmt]) -> bool {
    struct Deletes(bool);
    impl Visitor<'_> for Deletes {
        fn visit_stmt(&mut self, statement: &Stmt) {
            self.0 |= statement.is_delete_stmt();
            visitor::walk_stmt(self, statement);
        }
        fn visit_except_handler(&mut self, handler: &ExceptHandler) {
            let ExceptHandler::ExceptHandler(named) = handler;
            self.0 |= named.name.is_some();
            visitor::walk_except_handler(self, handler);
        }
    }
    let mut deletes = Deletes(false);
    deletes.visit_body(body);
    deletes.0
}

/// What a comprehension or a generator makes, and its clauses.
pub fn comprehension(expression: &Expr) -> Option<(Vec<&Expr>, &[Comprehension])> {
    Some(match expression {
        Expr::ListComp(list) => (vec![&*list.elt], &*list.generators),
        Expr::SetComp(set) => (vec![&*set.elt], &*set.generators),
        Expr::DictComp(dict) => {
            (dict.key.iter().chain([&dict.value]).map(|part| &**part).collect(), &*dict.generators)
        }
        Expr::Generator(generator) => (vec![&*generator.elt], &*generator.generators),
        _ => return None,
    })
}

/// The name that a pattern itself binds.
pub fn captured(pattern: &Pattern) -> Option<&Identifier> {
    match pattern {
        Pattern::MatchAs(named) => named.name.as_ref(),
        Pattern::MatchStar(named) => named.name.as_ref(),
        Pattern::MatchMapping(named) => named.rest.as_ref(),
        _ => None,
    }
}

impl<'a> Visitor<'a> for Scope<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.bound.insert(function.name.as_str());
            }
            Stmt::ClassDef(class) => {
                self.bound.insert(class.name.as_str());
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    self.bound.insert(name.split('.').next().unwrap_or(name));
                }
            }
            // What it would bind is dropped.
            Stmt::ImportFrom(import) if compile::is_of_the_future(import) => {}
            Stmt::ImportFrom(import) => {
                for alias in &import.names {
                    self.bound.insert(alias.asname.as_ref().unwrap_or(&alias.name).as_str());
                }
            }
            // `(name): annotation` binds nothing.
            Stmt::AnnAssign(assign) if assign.value.is_none() && !assign.simple => {}
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Name(name) if matches!(name.ctx, ExprContext::Store) => {
                self.bound.insert(name.id.as_str());
            }
            // Scopes of their own.
            Expr::Lambda(_)
            | Expr::ListComp(_)
            | Expr::SetComp(_)
            | Expr::DictComp(_)
            | Expr::Generator(_) => {}
            _ => visitor::walk_expr(self, expression),
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(named) = handler;
        if let Some(name) = &named.name {
            self.bound.insert(name.as_str());
        }
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        self.bound.extend(captured(pattern).map(|name| name.as_str()));
        visitor::walk_pattern(self, pattern);
    }
}
