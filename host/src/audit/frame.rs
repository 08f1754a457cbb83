//! A finding with the lines of code around it, for the terminal.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::object::Finding;

/// Shows where in `file` a finding is. The text of the file is made harmless for the terminal.
#[must_use]
pub fn render(finding: &Finding, file: &str, source: &str, colour: bool) -> String {
    let start = offset(source, finding.line, finding.column);
    let length = name_length(&source[start..]);
    let snippet =
        Snippet::source(source).path(file).annotation(AnnotationKind::Primary.span(start..start + length));
    let hint = format!("`aura audit --explain {}` says why, and what to write instead", finding.rule);
    let report = [Level::ERROR
        .primary_title(finding.message.as_str())
        .id(finding.rule.as_str())
        .element(snippet)
        .element(Level::HELP.message(hint))];
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&report)
}

/// The byte at a line and column, both counted from 1; the nearest one for a place that is not there.
fn offset(source: &str, line: u32, column: u32) -> usize {
    let skipped = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let before: usize = source.split_inclusive('\n').take(skipped).map(str::len).sum();
    let text = source[before..].split('\n').next().unwrap_or_default();
    let characters = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    before + text.char_indices().nth(characters).map_or(text.len(), |(at, _)| at)
}

/// The bytes of the name, or of the one character, that stands at the beginning.
fn name_length(text: &str) -> usize {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let name = text.find(|c| !is_name(c)).unwrap_or(text.len());
    if name > 0 { name } else { text.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8) }
}
