//! From a method body to code: parsed as a module, made the body of a function as a syntax tree, compiled.
//!
//! The wrapper is never text around text, so no body can close it early.

use ruff_python_ast::relocate::relocate_expr;
use ruff_python_ast::token::TokenKind;
use ruff_python_ast::visitor::transformer::{self, Transformer};
use ruff_python_ast::{self as ast, Suite};
use ruff_source_file::{SourceFile, SourceFileBuilder};
use ruff_text_size::{Ranged, TextRange};
use rustpython_vm::compiler::{self, CompileError, CompileOpts, codegen, parser};

use crate::namespace::{DICT, NAME, TYPE};

/// Why a body cannot be compiled, and where.
pub struct SyntaxError {
    pub message: String,
    /// Both counted from 1.
    pub line: u32,
    pub column: u32,
}

impl From<CompileError> for SyntaxError {
    fn from(error: CompileError) -> Self {
        let (line, column) = error.python_location();
        let position = |number: usize| u32::try_from(number.max(1)).unwrap_or(u32::MAX);
        Self { message: error.to_string(), line: position(line), column: position(column) }
    }
}

/// A parsed body and the file it stands for in tracebacks.
pub struct Body {
    pub statements: Suite,
    pub file: SourceFile,
    /// Where names beyond ASCII stand in the text.
    pub names: Vec<TextRange>,
}

/// How tracebacks call the file of a method.
pub fn file_name(method: &str) -> String {
    format!("<{method}>")
}

pub fn parse(method: &str, source: &str) -> Result<Body, SyntaxError> {
    let file = SourceFileBuilder::new(file_name(method), source).finish();
    compiler::pre_parse_source_error(&file)?;
    let parsed = parser::parse_module(source)
        .map_err(|error| CompileError::from_ruff_parse_error(error, &file, compiler::Mode::Exec))?;
    let names = parsed.tokens().iter().filter(|token| token.kind() == TokenKind::Name).map(Ranged::range);
    let names = names.filter(|name| !source[*name].is_ascii()).collect();
    Ok(Body { statements: parsed.into_syntax().body, file, names })
}

/// Compiles `def METHOD(self, *args, **kwargs): BODY`.
pub fn compile(method: &str, mut body: Body) -> Result<compiler::CodeObject, SyntaxError> {
    // Python reads annotations late anyhow, and has such an import at the beginning of a file only.
    if body.statements.len() > 1 {
        let is_kept = |statement: &ast::Stmt| match statement {
            ast::Stmt::ImportFrom(import) => !is_of_the_future(import),
            _ => true,
        };
        body.statements.retain(is_kept);
    }
    Guarded.visit_body(&mut body.statements);
    let module = ast::Mod::Module(wrap(method, body.statements)?);
    let options = CompileOpts::default();
    compiler::too_deeply_nested_error(&module, &body.file, options.recursion_limit)?;
    if let Some(error) = compiler::unsupported_grammar_error(&module, &body.file) {
        return Err(error.into());
    }
    codegen::compile::compile_top(module, body.file, compiler::Mode::Exec, options)
        .map_err(|error| CompileError::from(error).into())
}

pub fn is_of_the_future(import: &ast::StmtImportFrom) -> bool {
    import.level == 0 && import.module.as_ref().is_some_and(|module| module.as_str() == "__future__")
}

/// What changes an attribute by a name that it is given.
pub const CHANGES: [&str; 2] = ["__delattr__", "__setattr__"];

/// Has `x.__dict__` and `x.__class__` give what methods may see, and names that are given to [`CHANGES`] checked.
struct Guarded;

impl Transformer for Guarded {
    fn visit_expr(&self, expression: &mut ast::Expr) {
        transformer::walk_expr(self, expression);
        match expression {
            ast::Expr::Attribute(attribute)
                if matches!(attribute.attr.as_str(), "__class__" | "__dict__")
                    && attribute.ctx == ast::ExprContext::Load =>
            {
                let function = if attribute.attr.as_str() == "__dict__" { DICT } else { TYPE };
                let range = attribute.range;
                if let Some(call) = call_of(function, range, &mut attribute.value) {
                    *expression = call;
                }
            }
            ast::Expr::Call(call) => {
                // `super().__setattr__(name, …)`, `object.__setattr__(self, name, …)`.
                if let ast::Expr::Attribute(function) = &*call.func
                    && CHANGES.contains(&function.attr.as_str())
                    && let index = usize::from(!function.value.is_call_expr())
                    && let Some(name) = call.arguments.args.get_mut(index)
                    && let Some(checked) = call_of(NAME, name.range(), name)
                {
                    *name = checked;
                }
            }
            _ => {}
        }
    }
}

/// `function(argument)`, taking the argument from where it stands.
fn call_of(function: &str, range: TextRange, argument: &mut ast::Expr) -> Option<ast::Expr> {
    let template = parser::parse_expression(&format!("{function}(None)")).ok()?;
    let mut call = *template.into_syntax().body;
    relocate_expr(&mut call, range);
    let ast::Expr::Call(ast::ExprCall { arguments, .. }) = &mut call else { return None };
    std::mem::swap(arguments.args.first_mut()?, argument);
    Some(call)
}

/// A module whose only statement is the function with these statements as its body.
fn wrap(method: &str, statements: Suite) -> Result<ast::ModModule, SyntaxError> {
    let template = format!("def {method}(self, *args, **kwargs): pass");
    let unusable = || SyntaxError { message: format!("'{method}' is not a method name"), line: 1, column: 1 };
    let mut module = parser::parse_module(&template).map_err(|_| unusable())?.into_syntax();
    let [ast::Stmt::FunctionDef(function)] = module.body.as_mut_slice() else { return Err(unusable()) };
    function.body = statements;
    // The template's text is not the body's: its places all become the body's beginning.
    let start = TextRange::default();
    function.range = start;
    function.name.range = start;
    let parameters = &mut *function.parameters;
    parameters.range = start;
    for parameter in &mut parameters.args {
        parameter.range = start;
        parameter.parameter.range = start;
        parameter.parameter.name.range = start;
    }
    for parameter in [&mut parameters.vararg, &mut parameters.kwarg].into_iter().flatten() {
        parameter.range = start;
        parameter.name.range = start;
    }
    module.range = start;
    Ok(module)
}
