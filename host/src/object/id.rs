//! Names and identifiers, valid by construction.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::timestamp::context::ContextV7;
use uuid::{ClockSequence as _, Timestamp, Uuid};

/// The vertex collection all objects live in.
pub const OBJECT_COLLECTION: &str = "UvmObjects";

/// Why a text is not a name.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NameError {
    #[error(
        "'{0}' is not an object id: use UvmObjects/KEY or KEY, where KEY has 1 to 254 of the characters A-Z a-z 0-9 _ - : . @ ( ) + , = ; $ ! * ' %"
    )]
    ObjectId(String),
    #[error("'{0}' is not a method name: use a Python identifier of ASCII characters, at most 128")]
    NotIdentifier(String),
    #[error("'{0}' cannot be a method name: it is a Python keyword")]
    Keyword(String),
    #[error("'{0}' cannot be a method name: names that begin with '__' are reserved for Python")]
    Dunder(String),
    #[error("'{0}' cannot be a method name: every object has it built in")]
    BuiltIn(String),
    #[error("'{0}' is not an id of this kind")]
    Uuid(String),
}

/// The start of a text that is no name, so that an error never repeats a whole hostile input.
fn excerpt(text: &str) -> String {
    super::excerpt(text, 64)
}

/// The id of an object: `UvmObjects/KEY`. `KEY` alone is accepted and means the same.
///
/// A key follows `ArangoDB`'s rules for document keys, so that an image can move between stores.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId(String);

impl ObjectId {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let key =
            text.strip_prefix(OBJECT_COLLECTION).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
        // `.` and `..` are no segments of a path in a URL.
        let valid = (1..=254).contains(&key.len())
            && !matches!(key, "." | "..")
            && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-:.@()+,=;$!*'%".contains(&byte));
        if valid {
            Ok(Self(format!("{OBJECT_COLLECTION}/{key}")))
        } else {
            Err(NameError::ObjectId(excerpt(text)))
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after `UvmObjects/`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0[OBJECT_COLLECTION.len() + 1..]
    }
}

/// A name a method can have: a Python identifier that is no keyword and no dunder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MethodName(String);

/// Reserved words of Python 3.14; soft keywords (`match`, `case`, `type`, `_`) are ordinary names.
const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

/// What `self` is made of in a method body; a method of that name could never be sent from Python.
const BUILT_IN: [&str; 4] = ["attributes", "key", "send", "_p_changed"];

/// The messages that ask an object to learn: `teach_yourself_to_X` makes it learn `X`.
const TEACH: &str = "teach_yourself_to_";

impl MethodName {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut characters = text.bytes();
        let identifier = text.len() <= 128
            && characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && characters.all(|rest| rest.is_ascii_alphanumeric() || rest == b'_');
        if !identifier {
            return Err(NameError::NotIdentifier(excerpt(text)));
        }
        if KEYWORDS.contains(&text) {
            return Err(NameError::Keyword(text.to_owned()));
        }
        if text.starts_with("__") {
            return Err(NameError::Dunder(text.to_owned()));
        }
        if BUILT_IN.contains(&text) {
            return Err(NameError::BuiltIn(text.to_owned()));
        }
        // What cannot be a method's name cannot be learnt.
        if let Some(lesson) = text.strip_prefix(TEACH) {
            Self::parse(lesson)?;
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The method an object learns when it does not understand this name: `X` for `teach_yourself_to_X`,
    /// otherwise the name itself.
    #[must_use]
    pub fn lesson(&self) -> Self {
        self.0.strip_prefix(TEACH).and_then(|lesson| Self::parse(lesson).ok()).unwrap_or_else(|| self.clone())
    }
}

macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}
text_conversions!(ObjectId, MethodName);

/// The revision of an object: changes with every change of the object, equal only to itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rev(pub String);

impl fmt::Display for Rev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What ids are made by: it never goes back, whatever the machine's clock does.
static CLOCK: Mutex<ContextV7> = Mutex::new(ContextV7::new());

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id; later ids sort after earlier ones.
            #[must_use]
            pub fn fresh() -> Self {
                Self(Uuid::new_v7(Timestamp::now(&CLOCK)))
            }

            /// From now on, ids of this process sort after this one, which may come from a clock that was ahead.
            pub fn count_on_from(self) {
                if let Some(time) = self.0.get_timestamp() {
                    let (seconds, nanoseconds) = time.to_unix();
                    // Within a millisecond the count begins anywhere.
                    let next = Duration::new(seconds, nanoseconds) + Duration::from_millis(1);
                    CLOCK.generate_timestamp_sequence(next.as_secs(), next.subsec_nanos());
                }
            }

            pub fn parse(text: &str) -> Result<Self, NameError> {
                Uuid::parse_str(text).map(Self).map_err(|_| NameError::Uuid(excerpt(text)))
            }

            /// The smallest id of that moment.
            #[must_use]
            pub fn first_of(moment: super::Timestamp) -> Self {
                let millis = u128::try_from(moment.0).unwrap_or(0) & ((1 << 48) - 1);
                Self(Uuid::from_u128(millis << 80))
            }

            /// The id as a number: in the order of the ids.
            #[must_use]
            pub fn order(self) -> u128 {
                self.0.as_u128()
            }

            /// Random bits of the id, as a seed for what must differ from one id to the next: 53 of them, so that a client
            /// whose numbers are floats reads and sends it as it is.
            #[must_use]
            pub fn seed(self) -> u64 {
                self.0.as_u64_pair().1 & ((1 << 53) - 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
uuid_id!(
    /// The id of a message (UUID version 7).
    MessageId,
    /// The id of an invocation record (UUID version 7).
    InvocationId
);
