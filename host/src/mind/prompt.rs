//! What the mind is told: the rules of a method body, worked examples, the mandate, and how earlier attempts
//! failed.
//!
//! Every part that comes from outside is clipped, so that the whole fits the smallest context of a persona.

mod complaint;
mod examples;
mod improvement;
mod question;

use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::persona::Persona;
use super::{Answer, Mandate};
use crate::object::{Digest, FailedAttempt, MethodName};
use examples::EXAMPLES;
use question::{Question, python_type};

/// Characters of why it failed that are told.
const COMPLAINT: usize = 500;
/// Earlier attempts that are told, the last ones.
const ATTEMPTS: usize = 2;
/// Worked examples that are told where the method's own body is shown, which needs the room.
const FEW: usize = 3;
/// Characters that fill a token, at the least.
const TOKEN: usize = 3;

const RULES: &str = "\
You write the body of one Python method of a live object.
Answer with one JSON object {\"code\": \"...\"}. The code is only the body's statements: no def line, no markdown, no explanation. Write every Python string with single quotes.

The statements run inside `def NAME(self, *args, **kwargs):`.
- Arguments: positional ones are args[0], args[1], ...; named ones are kwargs['name']. No other parameter names exist.
- State: self.attributes is a dict of JSON values that lasts between messages. Attributes are no variables: read one with value = self.attributes.get('name', default), write it with self.attributes['name'] = value. Read before you use one in an f-string.
- Covenant: after every change of self.attributes put the line self._p_changed = True. A body that only computes changes no attribute.
- return the result. It must be JSON: None, bool, number, str, list or dict with str keys. No set, tuple, date or object: make a str or a list of it.
- print(...) is what the person sees.
- self.other(...) calls another method of this object; self.send('key', 'method', ...) one of another object. Call only methods that are listed. The method itself is no function: for recursion define one in the body.
- First import what you use. You may import: math, random, statistics, datetime, time, re, json, string, textwrap, itertools, functools, collections, decimal, fractions, uuid. There is no os, sys, input, open, eval, exec, file or network.
- The method's name says what it does. Do exactly that with the given arguments, and make it work for other arguments of the same types.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

/// One message of the conversation with the mind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turn {
    pub role: Role,
    #[serde(rename = "content")]
    pub text: String,
}

/// A question, whatever protocol it is sent in.
pub struct Prompt {
    pub conversation: Vec<Turn>,
    pub temperature: f32,
    /// Another one for each attempt, and the same whenever the same is asked.
    pub seed: u64,
}

impl Prompt {
    #[must_use]
    pub fn of(persona: &Persona, mandate: &Mandate) -> Self {
        Self {
            conversation: conversation(persona, mandate),
            temperature: temperature(persona, mandate),
            seed: u64::try_from(mandate.failed.len()).unwrap_or(u64::MAX),
        }
    }

    /// SHA-256 of the conversation as JSON, `[{"role":…,"content":…},…]` without spaces.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Names and texts are always JSON.
        Digest::of(&serde_json::to_vec(&self.conversation).unwrap_or_default())
    }

    pub(super) fn answered(&self, persona: &Persona, text: String, took: Duration) -> Answer {
        Answer {
            text,
            persona: persona.name.clone(),
            model: persona.model.clone(),
            model_digest: None,
            temperature: self.temperature,
            seed: self.seed,
            prompt_digest: self.digest(),
            took,
        }
    }
}

/// The JSON schema every answer has to follow.
#[must_use]
pub fn answer_schema() -> Value {
    json!({
        "type": "object",
        "properties": { "code": { "type": "string" } },
        "required": ["code"],
        "additionalProperties": false,
    })
}

/// How freely the mind speaks: more so with every failure, so that it does not say the same again.
fn temperature(persona: &Persona, mandate: &Mandate) -> f32 {
    let failures = u8::try_from(mandate.failed.len()).unwrap_or(u8::MAX);
    (persona.temperature + 0.25 * f32::from(failures)).min(persona.temperature.max(1.0))
}

/// The whole conversation that asks for `mandate`.
fn conversation(persona: &Persona, mandate: &Mandate) -> Vec<Turn> {
    let mut turns = vec![Turn { role: Role::System, text: format!("{}\n\n{RULES}", persona.system.trim()) }];
    let examples = if mandate.improvement.is_some() { &EXAMPLES[..FEW] } else { &EXAMPLES[..] };
    for example in examples {
        turns.push(Turn { role: Role::User, text: example.question.to_string() });
        turns.push(Turn { role: Role::Assistant, text: answer(example.code) });
    }
    let told = &mandate.failed[mandate.failed.len().saturating_sub(ATTEMPTS)..];
    let left = characters_left(persona, &turns);
    turns.push(Turn { role: Role::User, text: question(mandate, left / (1 + told.len())) });
    let room = characters_left(persona, &turns) / ATTEMPTS;
    for attempt in told {
        tell_failure(&mut turns, attempt, room.saturating_sub(COMPLAINT));
    }
    turns
}

/// What still fits the persona's context beside the answer.
fn characters_left(persona: &Persona, turns: &[Turn]) -> usize {
    let tokens = usize::try_from(persona.context_tokens - persona.answer_tokens).unwrap_or(usize::MAX);
    let said: usize = turns.iter().map(|turn| turn.text.len()).sum();
    tokens.saturating_mul(TOKEN).saturating_sub(said)
}

/// The question itself; one that shows a body has at most `room` characters.
fn question(mandate: &Mandate, room: usize) -> String {
    let attributes: Vec<String> = mandate
        .attributes
        .iter()
        .map(|(name, class)| format!("self.attributes['{name}'] ({})", python_type(class)))
        .collect();
    let methods: Vec<&str> = mandate.methods.iter().map(MethodName::as_str).collect();
    let question = Question {
        object: mandate.receiver.as_str(),
        method: mandate.method.as_str(),
        args: &mandate.args,
        kwargs: &mandate.kwargs,
        attributes: &attributes.join(", "),
        methods: &methods.join(", "),
    };
    match &mandate.improvement {
        Some(improvement) => improvement::question(&question, mandate, improvement, room),
        None => question.to_string(),
    }
}

fn answer(code: &str) -> String {
    json!({ "code": code }).to_string()
}

/// The attempt, its first `room` characters, and what was wrong with it.
fn tell_failure(turns: &mut Vec<Turn>, attempt: &FailedAttempt, room: usize) {
    let complaint = clip(&complaint::of(attempt), COMPLAINT);
    let text = format!("{complaint}\nWrite the whole body again, corrected.");
    match turns.last_mut() {
        // Roles have to alternate: without a body of its own the failure belongs to the question.
        Some(last) if attempt.source.is_empty() && last.role == Role::User => {
            last.text = format!("{}\n\n{text}", last.text);
        }
        _ => {
            turns.push(Turn { role: Role::Assistant, text: answer(&clip(&attempt.source, room)) });
            turns.push(Turn { role: Role::User, text });
        }
    }
}

fn clip(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{} … (cut)", &text[..end]),
        None => text.to_owned(),
    }
}
