//! As much of Windows' cmd as `genesis/puter.bat` uses, so that it can be run anywhere. What it knows, and what of each:
//!
//! - A line is expanded once, from left to right, before it is read; what came in is not expanded again. `%%` is a
//!   percent sign, `%~dp0` the folder of the file with a backslash at its end, `%~1` the first argument without quotes,
//!   `%*` all arguments, `%NAME%` a variable, `%NAME:~2,3%` a part of it, `%NAME:x=y%` it with each x replaced.
//! - Between quotes `&`, `|`, `<`, `>`, `(`, `)` and `^` are plain; outside of them they would be more than text, and are
//!   refused here. `!` is plain, since delayed expansion is off.
//! - `rem`, `@echo off`, `setlocal`, labels, `goto`, `shift`, `echo`, `pause`, `exit /b`; `set "NAME=VALUE"` takes all up to the
//!   last quote; `if [not] [/i] "A"=="B" COMMAND`; `for /f "tokens=N delims=D" %%a in ("TEXT") do COMMAND`, with runs of
//!   delimiters counted as one and those at the beginning skipped; `start "TITLE" PROGRAM ARGUMENTS`.
//! - Anything else is a program. What stands after its name is handed to it as it is, without `<nul >nul 2>&1`.
//!
//! Anything that is not in this list is an error, so that the file cannot grow beyond what is tested.

use std::collections::BTreeMap;

/// A program that was called.
#[derive(Debug, PartialEq, Eq)]
pub struct Call {
    pub program: String,
    /// As the program's own start-up code makes arguments of its command line.
    pub arguments: Vec<String>,
    /// Title of the window of its own, if it got one.
    pub window: Option<String>,
}

/// What a run did.
#[derive(Default)]
pub struct Run {
    pub calls: Vec<Call>,
    pub said: String,
    pub paused: bool,
    pub status: i32,
}

pub struct Batch<'a> {
    pub text: &'a str,
    /// `C:\folder\`
    pub folder: &'a str,
    pub arguments: &'a str,
    /// What cmd was started with.
    pub command_line: &'a str,
}

impl Batch<'_> {
    /// Runs it, where `exit` tells how a program ends.
    pub fn run(&self, exit: impl Fn(&Call) -> i32) -> Run {
        let lines: Vec<&str> = self.text.split("\r\n").collect();
        let mut variables = BTreeMap::from([("cmdcmdline".to_owned(), self.command_line.to_owned())]);
        let mut run = Run::default();
        let (mut next, mut shifted) = (0, 0);
        for _ in 0..1000 {
            let Some(line) = lines.get(next) else { return run };
            next += 1;
            if line.is_empty() || line.starts_with(':') || line.starts_with("rem ") {
                continue;
            }
            let line = self.expand(line, shifted, &variables);
            match execute(&line, &mut variables, &mut run, &exit) {
                Then::Next => {}
                Then::Shift => shifted += 1,
                Then::Goto(label) => {
                    let found = lines.iter().position(|line| line.strip_prefix(':') == Some(&label));
                    next = found.unwrap_or_else(|| panic!("no label {label}"));
                }
                Then::Exit(status) => {
                    run.status = status;
                    return run;
                }
            }
        }
        panic!("it runs in circles");
    }

    fn expand(&self, line: &str, shifted: usize, variables: &BTreeMap<String, String>) -> String {
        let first = self.arguments.split(' ').nth(shifted).unwrap_or_default();
        let mut out = String::new();
        let mut rest = line;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            let plain = [("%", "%"), ("~dp0", self.folder), ("~1", first), ("*", self.arguments)];
            if let Some((name, value)) = plain.iter().find(|(name, _)| rest.starts_with(name)) {
                out.push_str(value);
                rest = &rest[name.len()..];
                continue;
            }
            let (name, after) = rest.split_once('%').unwrap_or_else(|| panic!("a single % in {line}"));
            out.push_str(&variable(name, variables));
            rest = after;
        }
        out + rest
    }
}

fn execute(
    line: &str,
    variables: &mut BTreeMap<String, String>,
    run: &mut Run,
    exit: &impl Fn(&Call) -> i32,
) -> Then {
    let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
    match name {
        "@echo" => assert_eq!(rest, "off"),
        "setlocal" => assert_eq!(rest, "EnableExtensions DisableDelayedExpansion"),
        "echo" => {
            plain(rest);
            run.said.extend([rest, "\n"]);
        }
        "pause" => run.paused = true,
        "goto" => return Then::Goto(rest.to_owned()),
        "shift" => return Then::Shift,
        "exit" => {
            let status = rest.strip_prefix("/b ").and_then(|status| status.parse().ok());
            return Then::Exit(status.unwrap_or_else(|| panic!("exit {rest}")));
        }
        "set" => {
            let inside = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let (name, value) =
                inside.and_then(|text| text.split_once('=')).unwrap_or_else(|| panic!("{line}"));
            variables.insert(name.to_owned(), value.to_owned());
        }
        "if" => {
            let (not, rest) = flag(rest, "not ");
            let (whatever_case, rest) = flag(rest, "/i ");
            let (left, rest) = quoted(rest);
            let (right, rest) = quoted(rest.strip_prefix("==").unwrap_or_else(|| panic!("{line}")));
            let same = if whatever_case { left.eq_ignore_ascii_case(right) } else { left == right };
            if same != not {
                return execute(rest.trim_start(), variables, run, exit);
            }
        }
        "for" => {
            let rest = rest.strip_prefix("/f \"tokens=").unwrap_or_else(|| panic!("{line}"));
            let (token, rest) = rest.split_once(" delims=").expect("delimiters");
            let (delimiters, rest) = rest.split_once("\" %a in (").expect("the variable is %%a");
            let (text, rest) = quoted(rest);
            let body = rest.strip_prefix(") do ").unwrap_or_else(|| panic!("{line}"));
            let words = text.split(|letter| delimiters.contains(letter)).filter(|word| !word.is_empty());
            let token: usize = token.parse().expect("one token");
            if let Some(word) = words.clone().nth(token - 1) {
                return execute(&body.replace("%a", word), variables, run, exit);
            }
        }
        "start" => {
            let (title, rest) = quoted(rest);
            let (program, arguments) = rest.trim_start().split_once(' ').expect("a program");
            run.calls.push(call(program, arguments, Some(title)));
        }
        program if program.contains(".exe") => {
            let rest = rest.strip_suffix(" <nul >nul 2>&1").unwrap_or(rest);
            let call = call(program, rest, None);
            variables.insert("errorlevel".to_owned(), exit(&call).to_string());
            run.calls.push(call);
        }
        _ => panic!("not known here: {line}"),
    }
    Then::Next
}

enum Then {
    Next,
    Shift,
    Goto(String),
    Exit(i32),
}

fn flag<'a>(text: &'a str, flag: &str) -> (bool, &'a str) {
    text.strip_prefix(flag).map_or((false, text), |rest| (true, rest))
}

/// What stands between the quotes at the beginning, and what comes after. No text of a folder can hold a quote.
fn quoted(text: &str) -> (&str, &str) {
    text.strip_prefix('"')
        .and_then(|text| text.split_once('"'))
        .unwrap_or_else(|| panic!("no quotes: {text}"))
}

fn variable(name: &str, variables: &BTreeMap<String, String>) -> String {
    let (name, change) = name.split_once(':').unwrap_or((name, ""));
    let value = variables.get(name).unwrap_or_else(|| panic!("{name} is not set"));
    if let Some(part) = change.strip_prefix('~') {
        let letters: Vec<char> = value.chars().collect();
        let (from, length) = part.split_once(',').unwrap_or((part, "1000"));
        let (from, length): (isize, usize) =
            (from.parse().expect("a number"), length.parse().expect("a number"));
        let from =
            if from < 0 { letters.len().saturating_sub(from.unsigned_abs()) } else { from.unsigned_abs() };
        return letters.into_iter().skip(from).take(length).collect();
    }
    match change.split_once('=') {
        Some((from, to)) => value.replace(from, to),
        None => value.clone(),
    }
}

/// Outside of quotes there is nothing but plain text.
fn plain(text: &str) {
    let outside: String = text.split('"').step_by(2).collect();
    assert!(!outside.contains(['&', '|', '<', '>', '(', ')', '^']), "more than text: {text}");
}

fn call(program: &str, arguments: &str, window: Option<&str>) -> Call {
    plain(arguments);
    Call { program: program.to_owned(), arguments: split(arguments), window: window.map(ToOwned::to_owned) }
}

/// Arguments are separated by blanks outside of quotes. Backslashes are plain, but before a quote, which they make plain.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut inside, mut backslashes) = (Vec::new(), None::<String>, false, 0);
    for letter in line.chars() {
        let escaped = backslashes % 2 == 1;
        match letter {
            '"' if !escaped => {
                inside = !inside;
                word.get_or_insert_default();
            }
            ' ' if !inside => words.extend(word.take()),
            '"' => {
                word.get_or_insert_default().pop();
                word.get_or_insert_default().push('"');
            }
            _ => word.get_or_insert_default().push(letter),
        }
        backslashes = if letter == '\\' { backslashes + 1 } else { 0 };
    }
    words.extend(word);
    words
}
