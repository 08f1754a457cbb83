//! The sentences of the monologue, one function a step.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::Monologue;
use super::attempt::{Lesson, Root};
use crate::mind::Answer;
use crate::object::{
    Event, Fault, Finding, Json, Message, MessageId, MessageStatus, MethodName, Source, Step, Timestamp,
    excerpt,
};

/// Characters of a result that a sentence shows.
const SHOWN: usize = 120;
/// A result larger than this is left to the message's record.
const RESULT_BYTES: usize = 16 * 1024;
/// A piece of the mind's answer is said when it has this many bytes or ends a line.
const PIECE_BYTES: usize = 160;
/// What is said of one answer, at most.
const SAID_BYTES: usize = 16 * 1024;

/// Speaks of one message.
pub(super) struct Narrator<'a> {
    pub monologue: &'a Monologue,
    pub message_id: MessageId,
}

impl Narrator<'_> {
    pub fn accepted(&self, message: &Message) {
        let (target, method) = (&message.target_object_id, &message.method_name);
        let data = json!({"target_object_id": target, "method_name": method});
        self.tell(Event {
            message_id: self.message_id,
            step: Step::Accepted,
            text: format!("{target} received '{method}'"),
            data: Json::of(&data).unwrap_or_else(|_| Json::empty_object()),
            // It may be told later.
            at: message.accepted_at,
        });
    }

    pub fn resolved(&self, root: &Root) {
        let Root { source_object_id: holder, method_name: name, method_version: version, .. } = root;
        self.say(
            Step::Resolved,
            format!("'{name}' is version {version} on {holder}"),
            &json!({"source_object_id": holder, "method_name": name, "method_version": version}),
        );
    }

    pub fn not_understood(&self, (object, name): &Lesson) {
        let text = format!("{object} does not understand '{name}'");
        self.say(Step::NotUnderstood, text, &json!({"object_id": object, "method_name": name}));
    }

    pub fn mind_asked(&self, (object, name): &Lesson, (persona, model): &(String, String), attempt: u32) {
        let again = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
        self.say(
            Step::MindAsked,
            format!("asking {persona} ({model}) to write '{name}'{again}"),
            &json!({"object_id": object, "method_name": name, "persona": persona, "model": model, "attempt": attempt}),
        );
    }

    pub fn generated(&self, (object, name): &Lesson, answer: &Answer, source: &Source) {
        let lines = source.as_str().lines().count();
        let (persona, model) = (&answer.persona, &answer.model);
        self.say(
            Step::Generated,
            format!("{persona} wrote '{name}', {lines} {}", if lines == 1 { "line" } else { "lines" }),
            &json!({"object_id": object, "method_name": name, "persona": persona, "model": model, "source": source}),
        );
    }

    pub fn audit_passed(&self, name: &MethodName) {
        self.say(Step::AuditPassed, "audit passed".to_owned(), &json!({"method_name": name}));
    }

    pub fn audit_failed(&self, name: &MethodName, findings: &[Finding]) {
        let first = findings.first().map_or("no reason given", |finding| finding.message.as_str());
        let mut text = format!("audit refused: {first}");
        if findings.len() > 1 {
            // Writing to a String cannot fail.
            let _ = write!(text, " (and {} more)", findings.len() - 1);
        }
        self.say(Step::AuditFailed, text, &json!({"method_name": name, "findings": findings}));
    }

    pub fn validation_passed(&self, (object, name): &Lesson) {
        let text = format!("'{name}' ran without an error");
        self.say(Step::ValidationPassed, text, &json!({"object_id": object, "method_name": name}));
    }

    pub fn validation_failed(&self, (object, name): &Lesson, fault: &Fault) {
        self.say(
            Step::ValidationFailed,
            format!("'{name}' is no good: {}", fault.message),
            &json!({"object_id": object, "method_name": name, "error": fault}),
        );
    }

    pub fn installed(&self, (object, name): &Lesson, version: u32) {
        self.say(
            Step::Installed,
            format!("installed '{name}' version {version} on {object}"),
            &json!({"object_id": object, "method_name": name, "method_version": version}),
        );
    }

    /// The last word on a message.
    pub fn ended(&self, message: &Message) {
        if let Some(event) = last_event(message) {
            self.tell(Event { at: Timestamp::now(), ..event });
        }
    }

    fn say(&self, step: Step, text: String, data: &Value) {
        let data = Json::of(data).unwrap_or_else(|_| Json::empty_object());
        self.tell(Event { message_id: self.message_id, step, text, data, at: Timestamp::now() });
    }

    fn tell(&self, event: Event) {
        tracing::debug!(step = event.step.as_str(), "{}", event.text);
        self.monologue.say(event);
    }
}

/// The last step of a finished message, from its record.
pub fn last_event(message: &Message) -> Option<Event> {
    let (step, text, data) = match (message.status, &message.error) {
        (MessageStatus::Completed, _) => {
            let result = message.result.get();
            let text = format!("answered: {} ({} fuel)", excerpt(result, SHOWN), message.fuel_used);
            // As text: a number of any length keeps its digits.
            let data = (result.len() <= RESULT_BYTES).then(|| format!("{{\"result\":{result}}}"));
            (Step::Completed, text, data.and_then(|data| Json::parse(data).ok()))
        }
        (MessageStatus::Failed, Some(fault)) => {
            // Each attempt was spoken of when it failed.
            let last = Fault { attempts: Vec::new(), ..fault.clone() };
            (Step::Failed, fault.to_string(), Json::of(&last).ok())
        }
        (MessageStatus::Failed, None) => (Step::Failed, "failed".to_owned(), None),
        (MessageStatus::Accepted | MessageStatus::Running, _) => return None,
    };
    Some(Event {
        message_id: message.message_id,
        step,
        text,
        data: data.unwrap_or_else(Json::empty_object),
        at: message.finished_at.unwrap_or_else(Timestamp::now),
    })
}

/// Gathers the mind's answer, which streams in word by word, into events of about a line.
pub(super) struct Dictation<'a> {
    narrator: &'a Narrator<'a>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    pending: String,
    said: usize,
}

impl<'a> Dictation<'a> {
    pub fn new(narrator: &'a Narrator<'a>) -> Self {
        Self { narrator, heard: Mutex::default() }
    }

    pub fn hear(&self, piece: &str) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.said + heard.pending.len() >= SAID_BYTES {
            return;
        }
        let left = SAID_BYTES - heard.said - heard.pending.len();
        heard.pending.push_str(&piece[..piece.floor_char_boundary(left)]);
        if heard.pending.len() >= PIECE_BYTES || piece.ends_with('\n') {
            self.say(&mut heard);
        }
    }

    /// Says what is left.
    pub fn end(self) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        self.say(&mut heard);
    }

    fn say(&self, heard: &mut Heard) {
        let text = std::mem::take(&mut heard.pending);
        if !text.is_empty() {
            heard.said += text.len();
            self.narrator.say(Step::MindSaid, text, &json!({}));
        }
    }
}
