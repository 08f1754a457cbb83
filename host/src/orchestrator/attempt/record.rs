//! The invocation records of an attempt, bounded in bytes.

use super::{Halt, MAX_TRACE_BYTES, Stage};
use crate::object::{Digest, Fault, Invocation, InvocationId, InvocationOutcome, Json, Kind, ObjectId, Rev};
use crate::sandbox::Call;

/// What is known of a run before it begins and does not stand in its [`Call`].
pub(super) struct Facts {
    pub invocation_id: InvocationId,
    pub parent: Option<InvocationId>,
    pub receiver_rev: Rev,
    pub source_object_id: ObjectId,
    pub method_version: u32,
}

/// What a run used and printed.
pub(super) struct Spent {
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
        let texts = [Some(&call.args), Some(&call.kwargs), result.as_ref().ok(), after];
        let bytes: usize = texts.into_iter().flatten().map(|json| json.get().len()).sum();
        self.weigh(bytes + spent.output.len());
        let outcome = match result {
            Ok(result) => {
                InvocationOutcome::Returned { result: result.clone(), attributes_after: after.map(digest) }
            }
            Err(fault) => InvocationOutcome::Failed(fault.clone()),
        };
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
            attributes_before: digest(&call.attributes),
            args: call.args,
            kwargs: call.kwargs,
            seed: call.seed,
            time: call.time,
            quota: call.quota,
            guest_digest: self.parts.sandbox.guest_digest().clone(),
            config_digest: self.parts.sandbox.config_digest().clone(),
            outcome,
            output: spent.output,
            fuel_used: spent.fuel_used,
            peak_memory_bytes: spent.peak_memory_bytes,
        });
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

fn digest(json: &Json) -> Digest {
    Digest::of(json.get().as_bytes())
}
