//! From the text of an answer to the body of a method.
//!
//! The answer should be `{"code": "…"}`. What models make of that is accepted as far as its meaning is plain: JSON
//! amid prose, fenced code, a whole `def`. All of it is cutting text; whether the result is Python is for the audit.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::layout::without_leftover;
use super::unwrap::unwrap;
use crate::object::{MethodName, Source};

/// Places in an answer where its JSON is looked for.
const CANDIDATES: usize = 16;

#[derive(Deserialize)]
struct Answer {
    code: String,
}

/// The body that `answer` holds for `method`, or why there is none, as a sentence fit for the mind.
pub fn body(answer: &str, method: &MethodName) -> Result<Source, String> {
    // A model that writes the pattern `\b` as it is into JSON means no backspace.
    let code = code(answer.trim())?.replace("\r\n", "\n").replace('\u{8}', "\\b");
    let body = unwrap(unfenced(&code), method);
    Source::parse(without_leftover(&body)).map_err(|error| error.to_string())
}

fn code(answer: &str) -> Result<String, String> {
    if let Some(code) = line_starts(answer).filter(|at| at.starts_with('{')).take(CANDIDATES).find_map(object)
    {
        return Ok(code);
    }
    if answer.starts_with('{') && answer.contains("\"code\"") {
        return Err(
            "the answer is not a complete JSON object with a text \"code\"; perhaps it was too long".into()
        );
    }
    let code = line_starts(answer).find(|at| at.starts_with("```")).unwrap_or(answer);
    if is_data(unfenced(code).trim_start()) {
        return Err("the answer is JSON, but no object with a text \"code\"".into());
    }
    Ok(code.to_owned())
}

/// Whether it is JSON, or begins as only JSON does that a model took liberties with: literals are Python as well, but
/// nobody begins a method with one that is no docstring.
fn is_data(code: &str) -> bool {
    let begins = code.starts_with('{') || (code.starts_with('"') && !code.starts_with("\"\"\""));
    begins || serde_json::from_str::<IgnoredAny>(code).is_ok()
}

/// The `code` of the JSON object that begins here, whatever follows it.
fn object(text: &str) -> Option<String> {
    let first = serde_json::Deserializer::from_str(text).into_iter::<Answer>().next()?;
    first.ok().map(|answer| answer.code)
}

/// What `text` looks like from each of its lines on, without the line's indentation.
fn line_starts(text: &str) -> impl Iterator<Item = &str> {
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1));
    starts.map(|start| text[start..].trim_start_matches([' ', '\t']))
}

/// The inside of a fence that `code` begins with; otherwise `code`.
fn unfenced(code: &str) -> &str {
    let Some(rest) = code.trim_start().strip_prefix("```") else { return code };
    // What follows the fence on its line is the name of the language.
    let Some((_, inside)) = rest.split_once('\n') else { return rest.trim_end_matches('`') };
    let end = line_starts(inside).find(|at| at.starts_with("```"));
    match end {
        Some(fence) => &inside[..inside.len() - fence.len()],
        None => inside,
    }
}
