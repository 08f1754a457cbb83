//! The invocation records of an attempt, bounded in bytes.

use super::{Halt, MAX_TRACE_BYTES, Stage};
use crate::object::{
    Content, Fault, Invocation, InvocationId, InvocationOutcome, Json, Kind, ObjectId, Rev, SentAnswer,
    SentMessage, SentOutcome, Source,
};
use crate::sandbox::{Call, Reply, Send};

/// What is known of a run before it begins and does not stand in its [`Call`].
pub(super) struct Facts {
    pub invocation_id: InvocationId,
    pub parent: Option<InvocationId>,
    pub receiver_rev: Rev,
    pub source_object_id: ObjectId,
    pub method_version: u32,
    /// The body, if it may never be installed.
    pub source: Option<Source>,
}

/// What a run sent, printed and used.
pub(super) struct Spent {
    pub sends: Vec<SentMessage>,
    pub output: String,
    pub fuel_used: u64,
    pub peak_memory_bytes: u64,
}

impl Stage {
    /// Keeps the record of a run.
    pub(super) fn keep(
        &mut self,
        facts: Facts,
        call: Call,
        result: &Result<Json, Fault>,
        after: Option<&Json>,
        spent: Spent,
    ) {
        let texts = [Some(&call.args), Some(&call.kwargs), result.as_ref().ok()];
        let bytes: usize = texts.into_iter().flatten().map(|json| json.get().len()).sum();
        let source = facts.source.as_ref().map_or(0, |source| source.as_str().len());
        self.weigh(bytes + spent.output.len() + source + result.as_ref().err().map_or(0, size));
        let mut content = |json: &Json| self.content(json);
        let outcome = match result {
            Ok(result) => InvocationOutcome::Returned {
                result: result.clone(),
                attributes_after: after.map(&mut content),
            },
            Err(fault) => InvocationOutcome::Failed(fault.clone()),
        };
        let (attributes_before, inherited) = (content(&call.attributes), content(&call.inherited));
        self.invocations.push(Invocation {
            invocation_id: facts.invocation_id,
            message_id: self.message.message_id,
            parent: facts.parent,
            receiver: call.receiver,
            receiver_rev: facts.receiver_rev,
            source_object_id: facts.source_object_id,
            method_name: call.method,
            method_version: facts.method_version,
            source_digest: call.source.digest(),
            source: facts.source,
            attributes_before,
            inherited: Some(inherited),
            args: call.args,
            kwargs: call.kwargs,
            seed: call.seed,
            time: call.time,
            quota: call.quota,
            guest_digest: self.parts.sandbox.guest_digest().clone(),
            config_digest: self.parts.sandbox.config_digest().clone(),
            sends: spent.sends,
            outcome,
            output: spent.output,
            fuel_used: spent.fuel_used,
            peak_memory_bytes: spent.peak_memory_bytes,
        });
    }

    /// Notes what the innermost run sends.
    pub(super) fn note_send(&mut self, send: &Send) {
        let mut content = |json: &Json| self.content(json);
        let message = SentMessage {
            target: send.target.clone(),
            method: send.method.clone(),
            args: content(&send.args),
            kwargs: content(&send.kwargs),
            attributes: send.attributes.as_ref().map(content),
            fuel: send.fuel,
            answer: None,
        };
        if let Some(sender) = self.frames.last_mut() {
            sender.sends.push(message);
        }
    }

    /// Notes how that was answered.
    pub(super) fn note_answer(&mut self, reply: &Reply) {
        if let Err(fault) = &reply.result {
            self.weigh(fault.message.len());
        }
        let mut content = |json: &Json| self.content(json);
        let answer = SentAnswer {
            outcome: match &reply.result {
                Ok(result) => SentOutcome::Result(content(result)),
                Err(fault) => SentOutcome::Refused { kind: fault.kind, message: fault.message.clone() },
            },
            attributes: reply.attributes.as_ref().map(content),
            fuel_used: reply.fuel_used,
        };
        // One that is too much is not given.
        if self.halt.is_some() {
            return;
        }
        if let Some(sender) = self.frames.last_mut() {
            sender.fuel_of_others += reply.fuel_used;
            if let Some(sent) = sender.sends.last_mut() {
                sent.answer = Some(answer);
            }
        }
    }

    /// JSON as a record refers to it; what is new by it is counted.
    fn content(&mut self, json: &Json) -> Content {
        let kept = self.contents.len();
        let content = Content::of(json, &mut self.contents);
        if matches!(content, Content::Here(_)) || self.contents.len() > kept {
            self.weigh(json.get().len());
        }
        content
    }

    /// Counts bytes that this attempt keeps, and halts it when they are too many.
    pub(super) fn weigh(&mut self, bytes: usize) {
        self.trace_bytes = self.trace_bytes.saturating_add(bytes);
        if self.trace_bytes > MAX_TRACE_BYTES && self.halt.is_none() {
            let text =
                format!("the runs of one message may leave at most {MAX_TRACE_BYTES} bytes of records");
            self.halt = Some(Halt::Fault(Fault::new(Kind::MemoryLimit, text)));
        }
    }
}

/// The bytes of a fault's text.
fn size(fault: &Fault) -> usize {
    fault.message.len() + fault.exception.as_ref().map_or(0, |exception| exception.traceback.len())
}
