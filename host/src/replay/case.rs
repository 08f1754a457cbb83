//! A recorded run with everything it depended on.

use serde::{Deserialize, Serialize};

use super::Reason;
use crate::object::{
    Content, Contents, Digest, Invocation, InvocationOutcome, Json, SentAnswer, SentMessage, SentOutcome,
    Source,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub invocation: Invocation,
    /// The body that ran.
    pub source: Source,
    /// What the record refers to by digest.
    pub contents: Contents,
}

impl Case {
    /// The JSON that the record refers to, if the case holds it.
    #[must_use]
    pub fn json(&self, content: &Content) -> Option<Json> {
        match content {
            Content::Here(json) => Some(json.clone()),
            Content::Kept(digest) => self.contents.get(digest).cloned(),
        }
    }

    /// Whether the cycle was stopped in the last message that it sent.
    pub(super) fn was_stopped(&self) -> bool {
        self.invocation.sends.last().is_some_and(|sent| sent.answer.is_none())
    }

    /// Whether what the run was given is of the kind that runs are given.
    pub(super) fn is_well_formed(&self) -> bool {
        let Invocation { attributes_before, inherited, args, kwargs, .. } = &self.invocation;
        let objects = [Some(attributes_before), inherited.as_ref()].into_iter().flatten();
        let are_objects = |content| self.json(content).is_some_and(|json| json.is_object());
        objects.into_iter().all(are_objects) && args.is_array() && kwargs.is_object()
    }

    /// Fails unless all is there that a replay needs.
    pub(super) fn require_complete(&self) -> Result<(), Reason> {
        if self.invocation.inherited.is_none() {
            return Err(Reason::Incomplete("it was made before runs could be replayed".to_owned()));
        }
        match referred(&self.invocation).find(|digest| !self.contents.contains_key(digest)) {
            None => Ok(()),
            Some(digest) => Err(Reason::Incomplete(format!("the content {digest} is missing"))),
        }
    }
}

/// The digests that a record refers to.
pub(super) fn referred(record: &Invocation) -> impl Iterator<Item = &Digest> {
    let after = match &record.outcome {
        InvocationOutcome::Returned { attributes_after, .. } => attributes_after.as_ref(),
        InvocationOutcome::Failed(_) => None,
    };
    [Some(&record.attributes_before), record.inherited.as_ref(), after]
        .into_iter()
        .flatten()
        .chain(record.sends.iter().flat_map(of_send))
        .filter_map(|content| match content {
            Content::Kept(digest) => Some(digest),
            Content::Here(_) => None,
        })
}

fn of_send(sent: &SentMessage) -> impl Iterator<Item = &Content> {
    let answer = sent.answer.as_ref();
    let result = answer.and_then(|SentAnswer { outcome, .. }| match outcome {
        SentOutcome::Result(result) => Some(result),
        SentOutcome::Refused { .. } => None,
    });
    let attributes = answer.and_then(|answer| answer.attributes.as_ref());
    [Some(&sent.args), Some(&sent.kwargs), sent.attributes.as_ref(), result, attributes].into_iter().flatten()
}
