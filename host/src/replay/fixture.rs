//! A case as a file of its own, `*.replay.json`: what `docs/replay.md` describes.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use super::{Case, Reason};
use crate::object::Digest;

/// The newest format that is known. What an earlier version wrote can be read.
pub const FORMAT: u32 = 1;

/// More than the largest case has: attributes, inherited ones, and all that one message may leave behind.
pub const MAX_FIXTURE_BYTES: u64 = 256 << 20;

#[derive(Debug, Error)]
pub enum FixtureError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it has more than {MAX_FIXTURE_BYTES} bytes")]
    TooLarge,
    #[error("it is cut short: export it again")]
    CutShort,
    #[error("it is not a replay fixture: {0}")]
    Foreign(String),
    #[error("it has format {format} and this aura knows {FORMAT}: use aura {version} or newer")]
    Newer { format: u32, version: String },
    #[error("it was changed after it was exported ({0}): export it again")]
    Changed(&'static str),
    #[error("{0}")]
    Incomplete(#[from] Reason),
}

/// What all formats have.
#[derive(Deserialize)]
struct Header {
    aura_replay: u32,
    #[serde(default)]
    aura: String,
}

/// Format 1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    aura_replay: u32,
    /// The version of the program that wrote it.
    aura: String,
    /// Of the text of `case`, byte for byte.
    sha256: Digest,
    case: Box<RawValue>,
}

/// Writes a case that is complete.
pub fn write_fixture(case: &Case, mut to: impl Write) -> io::Result<()> {
    let case = serde_json::to_string_pretty(case)?;
    let fixture = Fixture {
        aura_replay: FORMAT,
        aura: env!("CARGO_PKG_VERSION").to_owned(),
        sha256: Digest::of(case.as_bytes()),
        case: RawValue::from_string(case)?,
    };
    serde_json::to_writer_pretty(&mut to, &fixture)?;
    to.write_all(b"\n")
}

/// Reads a case and checks that it is whole and what was written.
pub fn read_fixture(from: impl Read) -> Result<Case, FixtureError> {
    let mut text = Vec::new();
    from.take(MAX_FIXTURE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_FIXTURE_BYTES {
        return Err(FixtureError::TooLarge);
    }
    let header: Header = serde_json::from_slice(&text).map_err(|error| foreign(&error))?;
    if header.aura_replay == 0 {
        return Err(FixtureError::Foreign("there is no format 0".to_owned()));
    }
    if header.aura_replay > FORMAT {
        return Err(FixtureError::Newer { format: header.aura_replay, version: header.aura });
    }
    let Fixture { sha256, case, .. } = serde_json::from_slice(&text).map_err(|error| foreign(&error))?;
    if Digest::of(case.get().as_bytes()) != sha256 {
        return Err(FixtureError::Changed("its SHA-256 is another one"));
    }
    let case: Case = serde_json::from_str(case.get()).map_err(|error| foreign(&error))?;
    if case.source.digest() != case.invocation.source_digest {
        return Err(FixtureError::Changed("its source is another one"));
    }
    if case.contents.iter().any(|(digest, content)| content.digest() != *digest) {
        return Err(FixtureError::Changed("a content is another one"));
    }
    if !case.invocation.quota.is_possible() {
        return Err(FixtureError::Foreign("its quota is larger than any method's".to_owned()));
    }
    case.require_complete()?;
    if !case.is_well_formed() {
        let text = "attributes and kwargs are JSON objects, args a JSON array";
        return Err(FixtureError::Foreign(text.to_owned()));
    }
    Ok(case)
}

fn foreign(error: &serde_json::Error) -> FixtureError {
    if error.is_eof() { FixtureError::CutShort } else { FixtureError::Foreign(error.to_string()) }
}
