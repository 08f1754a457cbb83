//! Attributes are JSON text: members are moved as text, never read into numbers and back.

use indexmap::IndexMap;
use serde_json::value::RawValue;

use crate::object::Json;
use crate::store::{Result, StoreError};

type Members = IndexMap<String, Box<RawValue>>;

/// The members of `patch` over those of `attributes`, which keep their order and text.
pub(super) fn patched(attributes: &Json, patch: &Json) -> Result<Json> {
    let mut all = members(attributes)?;
    all.extend(members(patch)?);
    together(&all)
}

/// What is inherited from prototypes with these attributes, nearest first.
pub(super) fn inherited(mut prototypes: Vec<Json>) -> Result<Json> {
    prototypes.retain(|attributes| attributes.get() != "{}");
    if prototypes.len() < 2 {
        return Ok(prototypes.pop().unwrap_or_else(Json::empty_object));
    }
    let mut all = Members::new();
    for attributes in &prototypes {
        for (name, value) in members(attributes)? {
            all.entry(name).or_insert(value);
        }
    }
    together(&all)
}

fn members(attributes: &Json) -> Result<Members> {
    serde_json::from_str(attributes.get())
        .map_err(|error| StoreError::Unavailable(format!("attributes are not a JSON object ({error})")))
}

fn together(all: &Members) -> Result<Json> {
    Json::of(all).map_err(|error| StoreError::Unavailable(format!("attributes cannot be joined ({error})")))
}
