//! The static audit: reads a body's syntax tree against the policy.
//!
//! It uses the parser and the compiler that runs use, so that there is no second reading of a body to differ
//! from the first. What the policy does not allow is refused.

mod compiled;
mod constructs;
mod own;
mod rules;
mod scope;
mod strings;

use ruff_python_ast::visitor::Visitor as _;
use rustpython_vm::VirtualMachine;
use unicode_normalization::is_nfkc;

use crate::compile::{self, Body, SyntaxError};
use crate::exports::aura::python::auditor::Finding;
use crate::policy::{self, Policy};

/// The rule of text that is not Python.
const SYNTAX: &str = "syntax";
/// What a body is called while it is audited.
const METHOD: &str = "method";
/// Findings beyond this many are not listed.
const MAX_FINDINGS: usize = 100;

pub fn audit(source: &str, vm: &VirtualMachine) -> Vec<Finding> {
    policy::with(|policy| {
        let mut findings = read(source, policy, vm);
        findings.sort_by_key(|finding| (finding.line, finding.column));
        findings.truncate(MAX_FINDINGS);
        findings
    })
}

fn read(source: &str, policy: &Policy, vm: &VirtualMachine) -> Vec<Finding> {
    if let Some(finding) = unreadable(source, policy) {
        return vec![finding];
    }
    let body = match compile::parse(METHOD, source) {
        Ok(body) => body,
        Err(error) => return vec![syntax(error)],
    };
    if let Some(finding) = disguised(&body, source) {
        return vec![finding];
    }
    let mut auditor = rules::Auditor::new(policy, &body, vm);
    auditor.visit_body(&body.statements);
    let (mut findings, judged) = auditor.done();
    if findings.is_empty() {
        match compile::compile(METHOD, body) {
            Ok(code) => findings.extend(compiled::unjudged(&code, METHOD, &judged).map(unjudged)),
            Err(error) => findings.push(syntax(error)),
        }
    }
    findings
}

fn unjudged(name: &str) -> Finding {
    finding("compiled", format!("The compiled code has a name that the audit did not see: '{name}'."), 1, 1)
}

fn syntax(error: SyntaxError) -> Finding {
    let message = format!("Syntax error at line {}: {}", error.line, error.message);
    finding(SYNTAX, message, error.line as usize, error.column as usize)
}

fn finding(rule: &str, message: String, line: usize, column: usize) -> Finding {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Finding { rule: rule.to_owned(), message, line: number(line), column: number(column) }
}

/// What keeps the text from being parsed at all.
fn unreadable(source: &str, policy: &Policy) -> Option<Finding> {
    if source.len() > policy.max_bytes {
        let message = format!("The body has more than {} bytes.", policy.max_bytes);
        return Some(finding("size", message, 1, 1));
    }
    let (c, line, column) = strings::deceiving_character(source)?;
    let message = format!("Disallowed character U+{:04X} at line {line}.", u32::from(c));
    Some(finding("character", message, line, column))
}

/// A name written with characters that Python reads as others.
fn disguised(body: &Body, source: &str) -> Option<Finding> {
    let is_disguised = |name: &str| !is_nfkc(name) || name.contains(strings::is_invisible);
    let name = body.names.iter().find(|name| is_disguised(&source[**name]))?;
    let place = body.file.to_source_code().line_column(name.start());
    let (line, column) = (place.line.get(), place.column.get());
    let text = &source[*name];
    let message = format!("Disallowed name '{text}' at line {line}: Python reads it as another.");
    Some(finding("name", message, line, column))
}
