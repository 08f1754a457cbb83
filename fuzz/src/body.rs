//! A method's body in the answer of a mind.

use aura::mind::extract;
use aura::object::{MethodName, Source};

pub fn read(bytes: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(bytes);
    let method = MethodName::parse("greet").expect("a name");
    let body = |answer: &str| extract::body(answer, &method);
    let found = body(&answer);
    if let Ok(source) = &found {
        assert_eq!(Source::parse(source.as_str()).as_ref(), Ok(source), "a body that is none");
    }
    // The answer that was asked for means the same with prose around it.
    let asked_for = serde_json::json!({ "code": answer }).to_string();
    let amid_prose = format!("Here you are:\n\n```json\n  {asked_for}\n```\nIt greets.");
    assert_eq!(body(&amid_prose), body(&asked_for), "prose changes the body");
    found.is_ok()
}
