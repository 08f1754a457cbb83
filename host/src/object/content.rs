//! JSON that a record refers to.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Digest, Json};

/// Text up to this length stands in the record itself.
const HERE_BYTES: usize = 256;

/// JSON that belongs to a record. As JSON: `{"value": …}`, or the digest of its text as a string.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// In the record.
    Here(Json),
    /// Kept once, under the digest of its text, for all records that refer to it.
    Kept(Digest),
}

/// Long contents of records, each once.
pub type Contents = BTreeMap<Digest, Json>;

impl Content {
    /// Puts long text into `contents`.
    #[must_use]
    pub fn of(json: &Json, contents: &mut Contents) -> Self {
        if json.get().len() <= HERE_BYTES {
            return Self::Here(json.clone());
        }
        let digest = json.digest();
        contents.entry(digest.clone()).or_insert_with(|| json.clone());
        Self::Kept(digest)
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Here(json) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("value", json)?;
                map.end()
            }
            Self::Kept(digest) => digest.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a digest, or an object with the only member `value`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
        Digest::parse(text).map(Content::Kept).ok_or_else(|| E::custom("not a digest"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        if map.next_key::<String>()?.as_deref() != Some("value") {
            return Err(A::Error::custom("expected the member `value`"));
        }
        let value = map.next_value()?;
        match map.next_key::<String>()? {
            None => Ok(Content::Here(value)),
            Some(_) => Err(A::Error::custom("expected the only member `value`")),
        }
    }
}
