//! Python exceptions as the host is told about them.

use rustpython_vm::builtins::{PyBaseExceptionRef, PyStr};
use rustpython_vm::{AsObject, VirtualMachine};

use crate::compile::{SyntaxError, file_name};
use crate::exports::aura::python::runner::{Failure, Raised};
use crate::interpreter::PRELUDE_FILE;
use crate::receiver;

/// The most characters of an exception's text that are passed on.
const MAX_TEXT: usize = 4_000;
/// The most frames of a traceback, half of them from each end.
const MAX_FRAMES: usize = 20;

/// One line of a traceback: file, line, function.
struct Frame {
    file: String,
    line: usize,
    function: String,
}

pub fn raised(error: &PyBaseExceptionRef, method: &str, source: &str, vm: &VirtualMachine) -> Failure {
    let class = error.class().name().to_string();
    let text = text_of(error, vm);
    let frames = frames(error);
    let own = file_name(method);
    let line = frames.iter().rev().find(|frame| frame.file == own).map(|frame| frame.line);
    Failure::Raised(Raised {
        traceback: traceback(&frames, &class, &text, &own, source),
        line: line.and_then(|line| u32::try_from(line).ok()),
        refusal: refusal(error, vm),
        class,
        text,
    })
}

pub fn syntax(error: &SyntaxError) -> Failure {
    Failure::Raised(Raised {
        class: "SyntaxError".to_owned(),
        text: error.message.clone(),
        line: Some(error.line),
        traceback: format!("SyntaxError: {}\n", error.message),
        refusal: None,
    })
}

/// `str(error)`, unless that raises too.
fn text_of(error: &PyBaseExceptionRef, vm: &VirtualMachine) -> String {
    let text = error.as_object().str(vm);
    let text = text
        .map_or_else(|_| "<exception str() failed>".to_owned(), |text| text.to_string_lossy().into_owned());
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn frames(error: &PyBaseExceptionRef) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut entry = error.__traceback__();
    while let Some(traceback) = entry {
        let code = traceback.frame.f_code();
        let file = code.source_path().to_string();
        if file != PRELUDE_FILE {
            frames.push(Frame { file, line: traceback.lineno.get(), function: code.obj_name.to_string() });
        }
        entry = traceback.next.lock().clone();
    }
    frames
}

/// As Python prints it; a file is the method's name or the library module's, never a path.
fn traceback(frames: &[Frame], class: &str, text: &str, own: &str, source: &str) -> String {
    let mut out = String::from("Traceback (most recent call last):\n");
    let hidden = frames.len().saturating_sub(MAX_FRAMES);
    for (index, frame) in frames.iter().enumerate() {
        if hidden > 0 && (MAX_FRAMES / 2..MAX_FRAMES / 2 + hidden).contains(&index) {
            if index == MAX_FRAMES / 2 {
                out.push_str(&format!("  [{hidden} more calls]\n"));
            }
            continue;
        }
        let file = frame.file.rsplit(['/', '\\']).next().unwrap_or_default();
        out.push_str(&format!("  File \"{file}\", line {}, in {}\n", frame.line, frame.function));
        if frame.file == own
            && let Some(line) = source.lines().nth(frame.line.saturating_sub(1))
        {
            out.push_str(&format!("    {}\n", line.trim()));
        }
    }
    out.push_str(class);
    if !text.is_empty() {
        out.push_str(": ");
        out.push_str(text);
    }
    out.push('\n');
    out
}

/// The kind of error that left a sent message unanswered, if that is what this exception is.
fn refusal(error: &PyBaseExceptionRef, vm: &VirtualMachine) -> Option<String> {
    let class = receiver::send_error()?;
    if !error.as_object().is_instance(&class, vm).ok()? {
        return None;
    }
    let kind = error.as_object().get_attr("kind", vm).ok()?;
    Some(kind.downcast_ref::<PyStr>()?.to_string())
}
