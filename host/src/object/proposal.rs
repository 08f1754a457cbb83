//! A better body for a method: what a person wishes of it, and what waits for the person's word.

use serde::{Deserialize, Serialize};

use super::{Digest, Regression, Source};

/// The longest wish, in characters.
const MAX_WISH: usize = 2_000;

/// What a person wishes a new body to be like: 1 to 2,000 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wish(String);

#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("a wish has 1 to {MAX_WISH} characters")]
pub struct WishError;

impl Wish {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Wish {
    type Err = WishError;
    fn from_str(text: &str) -> Result<Self, WishError> {
        let text = text.trim();
        if (1..=MAX_WISH).contains(&text.chars().count()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(WishError)
        }
    }
}

impl TryFrom<String> for Wish {
    type Error = WishError;
    fn try_from(text: String) -> Result<Self, WishError> {
        text.parse()
    }
}

impl From<Wish> for String {
    fn from(wish: Wish) -> Self {
        wish.0
    }
}

/// A body that was not installed because recorded runs come out differently with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// Of the source: what it is accepted by.
    pub digest: Digest,
    pub source: Source,
    pub regression: Regression,
}
