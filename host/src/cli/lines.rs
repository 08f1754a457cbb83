//! An export as a file: JSON lines. The first says what it is, each of the others is an [`Entry`], and the last of
//! those how much there was.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::object::{ObjectId, Timestamp};
use crate::store::{Entry, Imported};

/// The newest that is known. Those before it lack contents and accounts.
const FORMAT: u32 = 2;

/// Far above what the largest entry has.
const MAX_LINE: usize = 256 << 20;

#[derive(Serialize, Deserialize)]
struct First {
    aura: Header,
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    /// Of the program that wrote it.
    version: String,
    exported_at: Timestamp,
}

/// Why a file is not an export, or not a whole one.
#[derive(Debug, Error)]
pub enum LinesError {
    #[error("line {line}: {what}")]
    Line { line: u64, what: String },
    #[error("the file is cut short after line {0}: its end is missing")]
    CutShort(u64),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Begins a file.
pub fn write_header(to: &mut impl Write) -> io::Result<()> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    write_line(to, &First { aura: Header { format: FORMAT, version, exported_at: Timestamp::now() } })
}

pub fn write_entry(to: &mut impl Write, entry: &Entry) -> io::Result<()> {
    write_line(to, entry)
}

fn write_line(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *to, value)?;
    to.write_all(b"\n")
}

/// Reads a file entry by entry, and knows where it is.
pub struct Lines<R> {
    from: R,
    /// The line that was read last, and its number.
    text: Vec<u8>,
    line: u64,
    objects: HashSet<ObjectId>,
    seen: Imported,
}

impl<R: BufRead> Lines<R> {
    /// Reads the first line.
    pub fn begin(from: R) -> Result<Self, LinesError> {
        let mut lines =
            Self { from, text: Vec::new(), line: 0, objects: HashSet::new(), seen: Imported::default() };
        if !lines.read_line()? {
            return Err(LinesError::CutShort(0));
        }
        let First { aura } = serde_json::from_slice(&lines.text)
            .map_err(|_| lines.wrong("this is not the beginning of an export of aura"))?;
        if aura.format > FORMAT {
            return Err(lines.wrong(format!(
                "the export has format {} and this aura knows {FORMAT}; use aura {} or newer",
                aura.format, aura.version
            )));
        }
        Ok(lines)
    }

    /// The number of the line that was read last.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The next entry. The last one is [`Entry::End`].
    pub fn next_entry(&mut self) -> Result<Entry, LinesError> {
        if !self.read_line()? {
            return Err(LinesError::CutShort(self.line));
        }
        let entry = match serde_json::from_slice(&self.text) {
            Ok(entry) => entry,
            Err(error) if error.is_eof() && !self.text.ends_with(b"\n") => {
                return Err(LinesError::CutShort(self.line));
            }
            Err(error) => return Err(self.wrong(without_line(&error))),
        };
        self.check(&entry).map_err(|what| self.wrong(what))?;
        if matches!(entry, Entry::End(_)) && self.read_line()? {
            return Err(self.wrong("something follows behind the end"));
        }
        Ok(entry)
    }

    /// What the types do not say.
    fn check(&mut self, entry: &Entry) -> Result<(), String> {
        match entry {
            Entry::Object { id, attributes } => {
                self.seen.objects += 1;
                if !attributes.is_object() {
                    return Err(format!("the attributes of '{id}' are not a JSON object"));
                }
                if !self.objects.insert(id.clone()) {
                    return Err(format!("object '{id}' is there twice"));
                }
            }
            Entry::Prototypes { object, prototypes } => {
                self.known(object)?;
                prototypes.iter().try_for_each(|prototype| self.known(prototype))?;
            }
            Entry::Method(method) => {
                self.seen.versions += 1;
                self.known(&method.object)?;
                method.quota.check()?;
            }
            Entry::Message { message, .. } => {
                self.seen.messages += 1;
                self.known(&message.target_object_id)?;
                if !message.args.is_array() || !message.kwargs.is_object() {
                    return Err("a message's args are a JSON array, and its kwargs an object".to_owned());
                }
            }
            Entry::Content(_) => self.seen.contents += 1,
            Entry::Invocation(run) => {
                self.seen.invocations += 1;
                if !run.quota.is_possible() {
                    return Err(format!(
                        "the quota of run {} is larger than any method's",
                        run.invocation_id
                    ));
                }
            }
            Entry::Account { object, account } => {
                self.seen.accounts += 1;
                self.known(object)?;
                account.check()?;
            }
            Entry::End(counted) if *counted != self.seen => {
                return Err(format!(
                    "there should be {} before it, and there are {}",
                    Amount(counted),
                    Amount(&self.seen)
                ));
            }
            Entry::End(_) => {}
        }
        Ok(())
    }

    fn known(&self, id: &ObjectId) -> Result<(), String> {
        if self.objects.contains(id) {
            Ok(())
        } else {
            Err(format!("object '{id}' is not in the lines before"))
        }
    }

    fn read_line(&mut self) -> Result<bool, LinesError> {
        self.text.clear();
        let limit = MAX_LINE as u64 + 1;
        if self.from.by_ref().take(limit).read_until(b'\n', &mut self.text)? == 0 {
            return Ok(false);
        }
        self.line += 1;
        if self.text.len() > MAX_LINE {
            return Err(self.wrong(format!("the line has more than {MAX_LINE} bytes")));
        }
        Ok(true)
    }

    fn wrong(&self, what: impl Into<String>) -> LinesError {
        LinesError::Line { line: self.line, what: what.into() }
    }
}

/// The error in one line of its own: its column, and not that it is in line 1.
fn without_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => format!("{what} (column {})", error.column()),
        None => text,
    }
}

/// How much it is, in words.
pub struct Amount<'a>(pub &'a Imported);

impl fmt::Display for Amount<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::term::count;
        let Imported { objects, versions, messages, invocations, .. } = *self.0;
        write!(
            f,
            "{}, {}, {} and {}",
            count(objects, "object", "objects"),
            count(versions, "version of a method", "versions of methods"),
            count(messages, "message", "messages"),
            count(invocations, "run", "runs")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"aura":{"format":1,"version":"0.1.0","exported_at":0}}"#;
    const NIL: &str = r#"{"object":{"id":"UvmObjects/nil","attributes":{}}}"#;
    const END: &str = r#"{"end":{"objects":1,"versions":0,"messages":0,"invocations":0}}"#;

    /// Reads all lines: how many entries there were, or what was wrong.
    fn read(text: &str) -> Result<u64, String> {
        let mut lines = Lines::begin(text.as_bytes()).map_err(|error| error.to_string())?;
        let mut entries = 0;
        loop {
            match lines.next_entry().map_err(|error| error.to_string())? {
                Entry::End(_) => return Ok(entries),
                _ => entries += 1,
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut text = Vec::new();
        write_header(&mut text).unwrap();
        let nil = serde_json::from_str(NIL).unwrap();
        write_entry(&mut text, &nil).unwrap();
        write_entry(&mut text, &Entry::End(Imported { objects: 1, ..Imported::default() })).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.ends_with(&format!("\n{NIL}\n{END}\n")), "{text}");
        assert_eq!(read(&text), Ok(1));
        assert_eq!(read(text.trim_end()), Ok(1), "the last newline may be lacking");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let of = |lines: &[&str]| read(&[lines, &[""]].concat().join("\n")).unwrap_err();
        for (lines, text) in [
            (&[][..], "the file is cut short after line 0: its end is missing"),
            (&[NIL], "line 1: this is not the beginning of an export of aura"),
            (
                &[r#"{"aura":{"format":3,"version":"9.0.0","exported_at":0,"new":1}}"#],
                "line 1: the export has format 3 and this aura knows 2; use aura 9.0.0 or newer",
            ),
            (&[HEADER, NIL], "the file is cut short after line 2: its end is missing"),
            (&[HEADER, "", END], "line 2: EOF while parsing a value (column 0)"),
            (&[HEADER, "{\"object\":", END], "line 2: EOF while parsing a value (column 0)"),
            (
                &[HEADER, r#"{"subject":{}}"#],
                "line 2: unknown variant `subject`, expected one of `object`, `prototypes`, `method`, `message`, `content`, `invocation`, `account`, `end` (column 10)",
            ),
            (
                &[HEADER, r#"{"object":{"id":"a","attributes":{},"more":1}}"#],
                "line 2: unknown field `more`, expected `id` or `attributes` (column 42)",
            ),
            (
                &[
                    HEADER,
                    NIL,
                    r#"{"method":{"object":"nil","name":"greet","version":1,"source":"return 1","provenance":{"author":"mind","temperature":1e39},"installed_at":0}}"#,
                ],
                "line 3: a number is too large (column 122)",
            ),
            (
                &[HEADER, r#"{"object":{"id":"a","attributes":5}}"#],
                "line 2: the attributes of 'UvmObjects/a' are not a JSON object",
            ),
            (&[HEADER, NIL, NIL], "line 3: object 'UvmObjects/nil' is there twice"),
            (
                &[HEADER, NIL, r#"{"prototypes":{"object":"nil","prototypes":["gone"]}}"#],
                "line 3: object 'UvmObjects/gone' is not in the lines before",
            ),
            (
                &[HEADER, END],
                "line 2: there should be 1 object, 0 versions of methods, 0 messages and 0 runs before it, and there are 0 objects, 0 versions of methods, 0 messages and 0 runs",
            ),
            (&[HEADER, NIL, END, NIL], "line 4: something follows behind the end"),
        ] {
            assert_eq!(of(lines), text);
        }
        assert_eq!(
            read(&format!("{HEADER}\n{NIL}\n{{\"end\":{{\"obj")),
            Err("the file is cut short after line 3: its end is missing".to_owned())
        );
    }

    #[test]
    fn a_line_is_never_read_beyond_its_limit() {
        let endless = io::BufReader::new(HEADER.as_bytes().chain(&b"\n"[..]).chain(io::repeat(b'x')));
        let mut lines = Lines::begin(endless).unwrap();
        assert_eq!(
            lines.next_entry().unwrap_err().to_string(),
            format!("line 2: the line has more than {MAX_LINE} bytes")
        );
    }
}
