//! What the policy calls the statements and expressions of Python.

use ruff_python_ast::{Expr, Stmt};

/// A statement is one construct, or two: `async for`.
pub fn of_statement(statement: &Stmt) -> impl Iterator<Item = &'static str> {
    let (name, is_async) = match statement {
        Stmt::FunctionDef(function) => ("function", function.is_async),
        Stmt::ClassDef(_) => ("class", false),
        Stmt::Return(_) => ("return", false),
        Stmt::Delete(_) => ("del", false),
        Stmt::TypeAlias(_) => ("type-alias", false),
        Stmt::Assign(_) => ("assignment", false),
        Stmt::AugAssign(_) => ("augmented-assignment", false),
        Stmt::AnnAssign(_) => ("annotated-assignment", false),
        Stmt::For(statement) => ("for", statement.is_async),
        Stmt::While(_) => ("while", false),
        Stmt::If(_) => ("if", false),
        Stmt::With(statement) => ("with", statement.is_async),
        Stmt::Match(_) => ("match", false),
        Stmt::Raise(_) => ("raise", false),
        Stmt::Try(statement) if statement.is_star => ("except-star", false),
        Stmt::Try(_) => ("try", false),
        Stmt::Assert(_) => ("assert", false),
        Stmt::Import(_) | Stmt::ImportFrom(_) => ("import", false),
        Stmt::Global(_) => ("global", false),
        Stmt::Nonlocal(_) => ("nonlocal", false),
        Stmt::Expr(_) => ("expression", false),
        Stmt::Pass(_) => ("pass", false),
        Stmt::Break(_) => ("break", false),
        Stmt::Continue(_) => ("continue", false),
        Stmt::IpyEscapeCommand(_) => ("ipython", false),
    };
    let parameters = match statement {
        Stmt::FunctionDef(function) => function.type_params.is_some(),
        Stmt::ClassDef(class) => class.type_params.is_some(),
        _ => false,
    };
    [Some(name), is_async.then_some("async"), parameters.then_some("type-parameters")].into_iter().flatten()
}

/// A name is no construct: names have rules of their own.
pub fn of_expression(expression: &Expr) -> Option<&'static str> {
    Some(match expression {
        Expr::BoolOp(_) => "bool-op",
        Expr::Named(_) => "walrus",
        Expr::BinOp(_) => "binary-op",
        Expr::UnaryOp(_) => "unary-op",
        Expr::Lambda(_) => "lambda",
        Expr::If(_) => "conditional",
        Expr::Dict(_) => "dict",
        Expr::Set(_) => "set",
        Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) => "comprehension",
        Expr::Generator(_) => "generator",
        Expr::Await(_) => "await",
        Expr::Yield(_) | Expr::YieldFrom(_) => "yield",
        Expr::Compare(_) => "comparison",
        Expr::Call(_) => "call",
        Expr::FString(_) => "f-string",
        Expr::TString(_) => "t-string",
        Expr::StringLiteral(_) => "string",
        Expr::BytesLiteral(_) => "bytes",
        Expr::NumberLiteral(_)
        | Expr::BooleanLiteral(_)
        | Expr::NoneLiteral(_)
        | Expr::EllipsisLiteral(_)
        | Expr::Constant(_) => "constant",
        Expr::Attribute(_) => "attribute",
        Expr::Subscript(_) => "subscript",
        Expr::Starred(_) => "starred",
        Expr::List(_) => "list",
        Expr::Tuple(_) => "tuple",
        Expr::Slice(_) => "slice",
        Expr::IpyEscapeCommand(_) => "ipython",
        Expr::Name(_) => return None,
    })
}
