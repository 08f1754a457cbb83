//! The static audit: reads a body's syntax tree against the policy that the host gives.
//!
//! It uses the parser and the compiler that runs use, so that there is no second reading of a body to differ
//! from the first. What the policy does not list as allowed is refused.

mod rules;
mod scope;

use ruff_python_ast::visitor::Visitor as _;

use crate::compile::{self, SyntaxError};
use crate::exports::aura::python::auditor::{Finding, Policy};

/// The rule of text that is not Python.
const SYNTAX: &str = "syntax";
/// Findings beyond this many are not listed.
const MAX_FINDINGS: usize = 100;

pub fn audit(source: &str, policy: &Policy) -> Vec<Finding> {
    let body = match compile::parse("method", source) {
        Ok(body) => body,
        Err(error) => return vec![syntax(error)],
    };
    let mut auditor = rules::Auditor::new(policy, &body);
    auditor.visit_body(&body.statements);
    let mut findings = auditor.findings;
    if findings.is_empty()
        && let Err(error) = compile::compile("method", body)
    {
        findings.push(syntax(error));
    }
    findings.sort_by_key(|finding| (finding.line, finding.column));
    findings.truncate(MAX_FINDINGS);
    findings
}

fn syntax(error: SyntaxError) -> Finding {
    Finding {
        rule: SYNTAX.to_owned(),
        message: format!("Syntax error at line {}: {}", error.line, error.message),
        line: error.line,
        column: error.column,
    }
}
