//! Turns a whole `def`, or a class around one, into the body of a method.
//!
//! A `def` whose parameters are those every method has is cut open. Any other stays whole, as a function inside the
//! body that is called with the message's arguments: so they are bound exactly as Python binds them.

use super::layout::{Line, dedented, head_end, lines};
use crate::object::MethodName;

pub fn unwrap(code: &str, method: &MethodName) -> String {
    let code = dedented(&lines(code));
    let code = without_class(&code).unwrap_or(code);
    let all = lines(&code);
    let Some(at) = function(&all, method) else { return code };
    let Some(def) = Def::read(&all, at) else { return code };
    if all.iter().any(|line| line.is_outermost() && is_word(line.text, "return")) {
        // A body that has functions of its own.
        return code;
    }
    let alone = all[..at].iter().chain(&all[def.end..]).all(is_preamble);
    if alone && def.takes_anything() {
        let mut body: Vec<String> = all[..at].iter().map(|line| line.text.to_owned()).collect();
        body.push(def.body);
        body.extend(all[def.end..].iter().map(|line| line.text.to_owned()));
        return body.join("\n").trim_matches('\n').to_owned();
    }
    format!(
        "{}\nreturn {}({}*args, **kwargs)",
        code.trim_end(),
        def.name,
        if def.has_self() { "self, " } else { "" }
    )
}

/// The line of the `def` that is meant: the one with the method's name, or the only one when nothing else is there.
fn function(all: &[Line<'_>], method: &MethodName) -> Option<usize> {
    let defs = || all.iter().enumerate().filter(|(_, line)| line.is_outermost() && is_word(line.text, "def"));
    let named = defs().find(|(_, line)| name_of(line.text) == method.as_str());
    let only = || {
        let statements = all.iter().filter(|line| line.is_outermost() && !is_preamble(line)).count();
        defs().next().filter(|_| statements == 1)
    };
    named.or_else(only).map(|(at, _)| at)
}

/// What may stand beside a `def` without doing anything of its own.
fn is_preamble(line: &Line<'_>) -> bool {
    line.is_blank() || !line.is_outermost() || is_word(line.text, "import") || is_word(line.text, "from")
}

fn is_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn name_of(def: &str) -> &str {
    let rest = def.strip_prefix("def").unwrap_or_default().trim_start();
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    &rest[..end]
}

/// The inside of a class that holds one `def` and nothing else, with the imports before it.
fn without_class(code: &str) -> Option<String> {
    let all = lines(code);
    let at = all.iter().position(|line| line.is_outermost() && is_word(line.text, "class"))?;
    let others = all.iter().enumerate().filter(|(index, line)| *index != at && !is_preamble(line)).count();
    let head = head_end(all[at].text)?;
    let inside = &all[at + 1..];
    if others > 0 || !all[at].text[head + 1..].trim().is_empty() {
        return None;
    }
    let inside = dedented(inside);
    let inner = lines(&inside);
    let mut statements = inner.iter().filter(|line| line.is_outermost());
    let only = statements.next().filter(|line| is_word(line.text, "def"))?;
    if statements.next().is_some() || name_of(only.text) == "__init__" {
        return None;
    }
    let before: String = all[..at].iter().flat_map(|line| [line.text, "\n"]).collect();
    Some(before + &inside)
}

/// A `def` as text.
struct Def<'a> {
    name: &'a str,
    /// Between the parentheses, without white space.
    parameters: String,
    /// What it does, dedented.
    body: String,
    /// The first line after it.
    end: usize,
}

impl<'a> Def<'a> {
    fn read(all: &[Line<'a>], at: usize) -> Option<Self> {
        let statements = |line: &Line<'_>| line.is_outermost();
        let end = all[at + 1..].iter().position(statements).map_or(all.len(), |after| at + 1 + after);
        let text = all[at..end].iter().map(|line| line.text).collect::<Vec<_>>().join("\n");
        let head = head_end(&text)?;
        let (open, close) = (text.find('(')?, text[..head].rfind(')')?);
        let parameters = text.get(open + 1..close)?.split_whitespace().collect();
        let rest = &text[head + 1..];
        let (same_line, below) = rest.split_once('\n').unwrap_or((rest, ""));
        let same_line = same_line.trim();
        let body = if same_line.is_empty() || same_line.starts_with('#') {
            dedented(&lines(below))
        } else {
            format!("{same_line}\n{below}")
        };
        Some(Self { name: name_of(all[at].text), parameters, body, end })
    }

    /// Whether its parameters are those of every method, or none: then its body is the method's.
    fn takes_anything(&self) -> bool {
        ["", "self", "self,*args", "self,**kwargs", "self,*args,**kwargs", "*args,**kwargs"]
            .contains(&self.parameters.trim_end_matches(','))
    }

    fn has_self(&self) -> bool {
        self.parameters.split([',', ':', '=']).next() == Some("self")
    }
}
