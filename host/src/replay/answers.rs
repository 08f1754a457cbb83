//! Answers what a repeated run sends as it was answered the first time.

use super::compare::{excerpt, text};
use super::{Case, Scope};
use crate::object::{Content, Difference, Fault, Json, SentAnswer, SentMessage, SentOutcome};
use crate::sandbox::{Outcome, Reply, Run, Send, Sends};

pub(super) struct Answers<'a> {
    case: &'a Case,
    scope: Scope,
    made: usize,
    differences: Vec<Difference>,
}

impl<'a> Answers<'a> {
    pub fn new(case: &'a Case, scope: Scope) -> Self {
        Self { case, scope, made: 0, differences: Vec::new() }
    }

    /// What the run sent differently, now that it has ended.
    pub fn end(mut self, run: &Run) -> Vec<Difference> {
        let recorded = &self.case.invocation.sends;
        if self.differences.is_empty() && self.made < recorded.len() {
            let missing = &recorded[self.made];
            let (target, method) = (&missing.target, &missing.method);
            self.differs(self.made, "", &format!("{method} to {target}"), "not sent");
        }
        if self.differences.is_empty() && self.case.was_stopped() && !matches!(run.outcome, Outcome::Aborted)
        {
            let last = recorded.len().saturating_sub(1);
            self.differs(last, "", "the cycle was stopped in it", "it went on");
        }
        self.differences
    }

    fn differs(&mut self, index: usize, part: &str, recorded: &str, replayed: &str) {
        let what = format!("send {}{}{part}", index + 1, if part.is_empty() { "" } else { " " });
        self.differences.push(Difference { what, recorded: excerpt(recorded), replayed: excerpt(replayed) });
    }

    /// Notes how a message differs from the one that was sent in its place; whether it is the same message.
    fn compare(&mut self, index: usize, recorded: &SentMessage, send: &Send) -> bool {
        let before = self.differences.len();
        if (&recorded.target, &recorded.method) != (&send.target, &send.method) {
            let named = |target, method| format!("{method} to {target}");
            let (then, now) = (named(&recorded.target, &recorded.method), named(&send.target, &send.method));
            self.differs(index, "", &then, &now);
        }
        self.compare_json(index, "args", Some(&recorded.args), Some(&send.args));
        self.compare_json(index, "kwargs", Some(&recorded.kwargs), Some(&send.kwargs));
        self.compare_json(index, "attributes", recorded.attributes.as_ref(), send.attributes.as_ref());
        let same = self.differences.len() == before;
        if self.scope == Scope::Exact && recorded.fuel != send.fuel {
            self.differs(index, "fuel", &recorded.fuel.to_string(), &send.fuel.to_string());
        }
        same
    }

    fn compare_json(&mut self, index: usize, part: &str, recorded: Option<&Content>, sent: Option<&Json>) {
        let recorded = recorded.and_then(|content| self.case.json(content));
        if recorded.as_ref() != sent {
            self.differs(index, part, &text(recorded.as_ref()), &text(sent));
        }
    }

    fn reply(&self, answer: &SentAnswer) -> Option<Reply> {
        let result = match &answer.outcome {
            SentOutcome::Result(result) => Ok(self.case.json(result)?),
            SentOutcome::Refused { kind, message } => Err(Fault::new(*kind, message.clone())),
        };
        let attributes = match &answer.attributes {
            Some(attributes) => Some(self.case.json(attributes)?),
            None => None,
        };
        Some(Reply { result, attributes, fuel_used: answer.fuel_used })
    }
}

impl Sends for Answers<'_> {
    /// A message that was not sent then has no answer, and ends the run.
    fn send(&mut self, send: Send) -> Option<Reply> {
        let index = self.made;
        self.made += 1;
        let case = self.case;
        let Some(recorded) = case.invocation.sends.get(index) else {
            self.differs(index, "", "not sent", &format!("{} to {}", send.method, send.target));
            return None;
        };
        if !self.compare(index, recorded, &send) {
            return None;
        }
        self.reply(recorded.answer.as_ref()?)
    }
}
