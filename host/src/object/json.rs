//! JSON kept as the text it came in.
//!
//! Attributes, arguments and results pass through the host; only the guest works on them. Keeping the text
//! means that no number loses a digit on the way and that nothing large is parsed twice.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

use super::Digest;

/// How deep arrays and objects may be nested.
const MAX_JSON_DEPTH: usize = 100;

#[derive(Debug, Error)]
pub enum JsonError {
    #[error("not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("JSON is nested deeper than {MAX_JSON_DEPTH} levels")]
    TooDeep,
    #[error("a string holds half of a surrogate pair")]
    LoneSurrogate,
    #[error("a number is too large for a float")]
    NotFinite,
    #[error("has the name {0:?} twice in one object")]
    Twins(String),
    #[error("must be a JSON {0}")]
    WrongType(&'static str),
}

/// One JSON value as text: syntactically valid, nested at most 100 levels deep. Clones share the text.
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Checks `text` completely: syntax, numbers, string escapes, depth.
    pub fn parse(text: String) -> Result<Self, JsonError> {
        let raw = RawValue::from_string(text)?;
        check(raw.get())?;
        Ok(Self(raw.into()))
    }

    /// The JSON of any serialisable value.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        let raw = serde_json::value::to_raw_value(value)?;
        check(raw.get())?;
        Ok(Self(raw.into()))
    }

    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned().into())
    }

    #[must_use]
    pub fn empty_object() -> Self {
        Self(RawValue::from_string("{}".to_owned()).expect("an empty object is JSON").into())
    }

    #[must_use]
    pub fn empty_array() -> Self {
        Self(RawValue::from_string("[]".to_owned()).expect("an empty array is JSON").into())
    }

    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// Of the text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(self.get().as_bytes())
    }

    #[must_use]
    pub fn is_object(&self) -> bool {
        self.get().starts_with('{')
    }

    #[must_use]
    pub fn is_array(&self) -> bool {
        self.get().starts_with('[')
    }

    pub fn into_object(self) -> Result<Self, JsonError> {
        if self.is_object() { Ok(self) } else { Err(JsonError::WrongType("object")) }
    }

    pub fn into_array(self) -> Result<Self, JsonError> {
        if self.is_array() { Ok(self) } else { Err(JsonError::WrongType("array")) }
    }

    /// Refuses objects that have a name twice: of the two values, one reader takes the first and another the last.
    pub fn without_twins(self) -> Result<Self, JsonError> {
        match twin(self.get())? {
            Some(name) => Err(JsonError::Twins(name)),
            None => Ok(self),
        }
    }
}

/// Checks what the grammar alone does not say, in text that follows it: nesting, surrogate pairs, and that
/// floats are finite. Integers may have any number of digits.
fn check(text: &str) -> Result<(), JsonError> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at + 1)?;
                continue;
            }
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_JSON_DEPTH {
                    return Err(JsonError::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                let number = &text[at..];
                let end = number.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
                let number = &number[..end.unwrap_or(number.len())];
                if number.contains(['.', 'e', 'E']) && !number.parse().is_ok_and(f64::is_finite) {
                    return Err(JsonError::NotFinite);
                }
                at += number.len();
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// A name that an object within has twice, shortened.
fn twin(text: &str) -> Result<Option<String>, JsonError> {
    let bytes = text.as_bytes();
    let mut objects: Vec<Vec<Cow<'_, str>>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let (start, end) = (at, string_end(bytes, at + 1)?);
                at = end;
                let is_name = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if let Some(names) = objects.last_mut().filter(|_| is_name) {
                    names.push(name(&text[start..end])?);
                }
                continue;
            }
            b'{' => objects.push(Vec::new()),
            b'}' => {
                let mut names = objects.pop().unwrap_or_default();
                names.sort_unstable();
                if let Some(twins) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                    return Ok(Some(twins[0].chars().take(60).collect()));
                }
            }
            _ => {}
        }
        at += 1;
    }
    Ok(None)
}

/// What a string says.
fn name(quoted: &str) -> Result<Cow<'_, str>, JsonError> {
    if quoted.contains('\\') {
        return Ok(serde_json::from_str(quoted)?);
    }
    Ok(Cow::Borrowed(&quoted[1..quoted.len() - 1]))
}

/// Where a string ends that begins at `at`, behind its quote.
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, JsonError> {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => break,
            b'\\' if bytes.get(at + 1) == Some(&b'u') => match code_unit(bytes, at) {
                Some(0xD800..=0xDBFF) if matches!(code_unit(bytes, at + 6), Some(0xDC00..=0xDFFF)) => {
                    at += 12;
                }
                Some(0xD800..=0xDFFF) => return Err(JsonError::LoneSurrogate),
                _ => at += 6,
            },
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    Ok(at + 1)
}

/// The UTF-16 code unit that an escape `\uXXXX` at `at` stands for.
fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// Equal when the texts are equal.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Only through `serde_json`'s text readers; checked as by [`Json::parse`].
impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(String::from(Box::<str>::from(raw))).map_err(serde::de::Error::custom)
    }
}
