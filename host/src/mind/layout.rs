//! The lines of a Python text, and which of them begin a statement.
//!
//! This follows strings and brackets and nothing else. Where it is wrong (the text may be anything) the cut is bad and
//! the audit, which parses, refuses it.

/// One line without its end.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    pub text: &'a str,
    /// Not the inside of a string or of brackets that an earlier line opened.
    pub begins: bool,
}

impl<'a> Line<'a> {
    pub fn is_blank(&self) -> bool {
        self.begins && matches!(self.text.trim_start().bytes().next(), None | Some(b'#'))
    }

    /// Whether a statement begins here, outside every block.
    pub fn is_outermost(&self) -> bool {
        self.begins && !self.is_blank() && !self.text.starts_with([' ', '\t'])
    }

    pub fn indentation(&self) -> &'a str {
        &self.text[..self.text.len() - self.text.trim_start_matches([' ', '\t']).len()]
    }
}

pub fn lines(text: &str) -> Vec<Line<'_>> {
    let mut scan = Scan::default();
    let line = |text| {
        let begins = scan.is_outside();
        scan.line(text);
        Line { text, begins }
    };
    text.split('\n').map(line).collect()
}

/// The lines in one text, with the first one's indentation taken from all that begin a statement.
pub fn dedented(lines: &[Line<'_>]) -> String {
    let first = lines.iter().find(|line| line.begins && !line.is_blank());
    let margin = first.map_or("", Line::indentation);
    let cut = lines.iter().map(|line| {
        let rest = line.text.strip_prefix(margin);
        if line.begins {
            rest.unwrap_or_else(|| line.text.trim_start_matches([' ', '\t']))
        } else {
            line.text
        }
    });
    cut.collect::<Vec<_>>().join("\n")
}

/// The length of the text up to the `:` that ends a statement's head, such as a `def`'s.
pub fn head_end(text: &str) -> Option<usize> {
    let mut scan = Scan::default();
    let mut start = 0;
    for line in text.split('\n') {
        if let Some(colon) = scan.line(line) {
            return Some(start + colon);
        }
        if scan.is_outside() {
            return None;
        }
        start += line.len() + 1;
    }
    None
}

/// `text` without a closing bracket at its very end that nothing opened: a leftover of the JSON around it.
pub fn without_leftover(text: &str) -> &str {
    let text = text.trim_end();
    match text.strip_suffix(['}', ')', ']']) {
        Some(rest) if is_complete(rest) => rest.trim_end(),
        _ => text,
    }
}

/// Whether the text ends in code, outside of brackets that all have their other half.
fn is_complete(text: &str) -> bool {
    let mut scan = Scan::default();
    for line in text.split('\n') {
        scan.line(line);
    }
    scan.is_outside() && !scan.underflow && !scan.comment
}

#[derive(Default)]
struct Scan {
    depth: usize,
    /// The quote that ends the triple-quoted string we are in.
    string: Option<u8>,
    /// The line ended in a backslash.
    continued: bool,
    /// The line ended in a comment.
    comment: bool,
    /// A bracket was closed that was never opened.
    underflow: bool,
}

impl Scan {
    fn is_outside(&self) -> bool {
        self.depth == 0 && self.string.is_none() && !self.continued
    }

    /// Reads one line; where its first colon outside of everything is.
    fn line(&mut self, line: &str) -> Option<usize> {
        let bytes = line.as_bytes();
        (self.continued, self.comment) = (false, false);
        let mut colon = None;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Some(quote) = self.string {
                at += self.inside_string(&bytes[at..], quote);
                continue;
            }
            match byte {
                b'#' => {
                    self.comment = true;
                    return colon;
                }
                b'\\' => self.continued = at + 1 == bytes.len(),
                b'(' | b'[' | b'{' => self.depth += 1,
                b')' | b']' | b'}' => {
                    self.underflow |= self.depth == 0;
                    self.depth = self.depth.saturating_sub(1);
                }
                b':' if self.depth == 0 => colon = colon.or(Some(at)),
                b'"' | b'\'' if bytes[at..].starts_with(&[byte; 3]) => {
                    self.string = Some(byte);
                    at += 2;
                }
                b'"' | b'\'' => at += short_string(&bytes[at..], byte),
                _ => {}
            }
            at += 1;
        }
        colon
    }

    /// Reads on in a triple-quoted string; how many bytes that took.
    fn inside_string(&mut self, rest: &[u8], quote: u8) -> usize {
        if rest[0] == b'\\' {
            return 2;
        }
        if rest.starts_with(&[quote; 3]) {
            self.string = None;
            return 3;
        }
        1
    }
}

/// The bytes of a string on one line before its closing quote, or up to the line's end.
fn short_string(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = rest.get(at) {
        match byte {
            b'\\' => at += 1,
            _ if byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    rest.len()
}
