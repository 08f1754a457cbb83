//! The monologue as lines for the person who watches the server.

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::term::tell;
use crate::config::LogFormat;
use crate::object::{Event, Step};

/// Lines that are written together.
const AT_ONCE: usize = 100;

/// Shows what is said until nobody can say anything more. Blocks, also when the terminal does: belongs on a
/// thread of its own.
pub fn watch(mut monologue: Receiver<Event>, format: LogFormat) {
    loop {
        match monologue.blocking_recv() {
            Ok(event) if format == LogFormat::Json => log(&event),
            Ok(event) => show(event, &mut monologue),
            Err(RecvError::Lagged(missed)) => tracing::warn!("{missed} steps came too fast to be shown"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn log(event: &Event) {
    let (message_id, step) = (event.message_id, event.step.as_str());
    tracing::info!(target: "aura::monologue", %message_id, step, data = event.data.get(), "{}", event.text);
}

/// Shows an event and those that came right behind it, in one piece.
fn show(event: Event, monologue: &mut Receiver<Event>) {
    if !tracing::enabled!(target: "aura::monologue", tracing::Level::INFO) {
        return;
    }
    let mut lines = Vec::new();
    let mut next = Some(event);
    while let Some(event) = next {
        let label = label(event.step);
        lines.extend(event.text.lines().map(|line| format!("{label:<8} {line}")));
        lines.extend(
            source(&event).iter().flat_map(|source| source.lines()).map(|line| format!("{:<8}   {line}", "")),
        );
        next = if lines.len() < AT_ONCE { monologue.try_recv().ok() } else { None };
    }
    if !lines.is_empty() {
        tell(&lines.join("\n"));
    }
}

fn label(step: Step) -> &'static str {
    match step {
        Step::Accepted => "MESSAGE",
        Step::Resolved | Step::NotUnderstood => "RESOLVE",
        Step::MindAsked | Step::MindSaid | Step::Generated => "MIND",
        Step::AuditPassed | Step::AuditFailed => "AUDIT",
        Step::ValidationPassed | Step::ValidationFailed => "TRIAL",
        Step::Installed => "INSTALL",
        Step::Completed => "DONE",
        Step::Failed => "FAILED",
    }
}

/// The body the mind wrote, where the step has one.
fn source(event: &Event) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Written {
        source: String,
    }
    let written: Option<Written> =
        (event.step == Step::Generated).then(|| serde_json::from_str(event.data.get()).ok()).flatten();
    written.map(|written| written.source)
}
