//! Findings as SARIF 2.1.0, the format in which tools exchange what they found in code.
//!
//! See <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use serde_json::{Value, json};

use super::rules;
use crate::object::Finding;

/// A log of one run of the audit over one file.
#[must_use]
pub fn log(file: &str, findings: &[Finding]) -> Value {
    let rules: Vec<Value> = rules::all()
        .iter()
        .map(|(id, rule)| {
            json!({
                "id": id,
                "shortDescription": { "text": rule.title },
                "fullDescription": { "text": rule.why },
            })
        })
        .collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "ruleId": finding.rule,
                "level": "error",
                "message": { "text": finding.message },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": file },
                    "region": { "startLine": finding.line, "startColumn": finding.column },
                } }],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "aura audit",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}
