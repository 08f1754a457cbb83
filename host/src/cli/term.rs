//! What is written to the terminal, and how.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::failure::Failure;

/// A line on stdout. When nobody reads any more (`aura … | head`), the command ends quietly.
pub fn print(text: &str) -> Result<(), Failure> {
    write(&if io::stdout().is_terminal() { printable(text) } else { Cow::Borrowed(text) })
}

/// The same for text that a terminal may obey.
pub fn write(text: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{text}").map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Told(0),
        _ => Failure::Failed(format!("Cannot write the answer: {error}")),
    })
}

pub fn print_json<T: Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::Failed(format!("not JSON: {error}")))?;
    print(&text)
}

/// A line on stderr: for people, beside the data on stdout.
pub fn tell(text: &str) {
    // Without stderr there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", printable(text));
}

/// Shows on a terminal that something takes its time, once it is told what.
pub fn spinner() -> ProgressBar {
    let bar = ProgressBar::no_length();
    // The template is a constant; without it the bar would still turn.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// Lets a spinner turn beside a text.
pub fn spin(bar: &ProgressBar, text: &str) {
    bar.set_message(printable(text).into_owned());
    bar.enable_steady_tick(Duration::from_millis(100));
}

/// Shows on a terminal how many bytes of so many are done.
pub fn bytes_bar(all: u64) -> ProgressBar {
    let bar = ProgressBar::new(all);
    // As above.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// Shows on a terminal how many of so many are done.
pub fn count_bar(all: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(all).with_message(what.to_owned());
    // As above.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} {msg}, {per_sec}, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// Text from methods and models without what a terminal would obey.
pub fn printable(text: &str) -> Cow<'_, str> {
    let obeyed = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|character| if obeyed(character) { '\u{fffd}' } else { character }).collect())
}

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Milliseconds as a person says them.
pub fn duration(millis: i64) -> String {
    if millis < 1_000 {
        format!("{millis} ms")
    } else {
        format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
    }
}

pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(number), if number == 1 { one } else { many })
}

/// Does `work` unless Ctrl-C comes first; then what it holds is dropped.
pub async fn unless_interrupted<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    or_interrupted("Interrupted; nothing is kept.", work).await
}

/// The same with a line of its own.
pub async fn or_interrupted<T>(
    line: &str,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        Ok(()) = tokio::signal::ctrl_c() => {
            tell(line);
            Err(Failure::Told(130))
        }
    }
}
