//! JSON kept as the text it came in.
//!
//! Attributes, arguments and results pass through the host; only the guest works on them. Keeping the text
//! means that no number loses a digit on the way and that nothing large is parsed twice.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 100;

#[derive(Debug, Error)]
pub enum JsonError {
    #[error("not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    #[error("JSON is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("must be a JSON {0}")]
    WrongType(&'static str),
}

/// One JSON value as text: syntactically valid, nested at most [`MAX_DEPTH`] deep.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Checks `text` completely: syntax, numbers, string escapes, depth.
    pub fn parse(text: String) -> Result<Self, JsonError> {
        check_depth(&text)?;
        serde_json::from_str::<Checked>(&text)?;
        Ok(Self(RawValue::from_string(text)?))
    }

    /// The JSON of any serialisable value.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        let raw = serde_json::value::to_raw_value(value)?;
        check_depth(raw.get())?;
        Ok(Self(raw))
    }

    #[must_use]
    pub fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    #[must_use]
    pub fn empty_object() -> Self {
        Self(RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    #[must_use]
    pub fn empty_array() -> Self {
        Self(RawValue::from_string("[]".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
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
}

fn check_depth(text: &str) -> Result<(), JsonError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(JsonError::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Reads a whole value and keeps nothing: every number and escape is checked, nothing is allocated.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
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
