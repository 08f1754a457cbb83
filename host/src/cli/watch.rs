//! The monologue as lines for the person who watches the server.

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::term::tell;
use crate::config::LogFormat;
use crate::object::{Event, Step};

/// Shows what is said until nobody can say anything more.
pub async fn watch(mut monologue: Receiver<Event>, format: LogFormat) {
    loop {
        match monologue.recv().await {
            Ok(event) => show(&event, format),
            Err(RecvError::Lagged(missed)) => tracing::warn!("{missed} steps came too fast to be shown"),
            Err(RecvError::Closed) => return,
        }
    }
}

fn show(event: &Event, format: LogFormat) {
    if format == LogFormat::Json {
        let (message_id, step) = (event.message_id, event.step.as_str());
        tracing::info!(target: "aura::monologue", %message_id, step, data = event.data.get(), "{}", event.text);
        return;
    }
    if !tracing::enabled!(target: "aura::monologue", tracing::Level::INFO) {
        return;
    }
    let label = label(event.step);
    for line in event.text.lines() {
        tell(&format!("{label:<8} {line}"));
    }
    for line in source(event).iter().flat_map(|source| source.lines()) {
        tell(&format!("{:<8}   {line}", ""));
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
