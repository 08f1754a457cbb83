//! Learning one method: the mandate, the mind's answer, the audit, and what is told after each failure.
//!
//! One cycle at a time learns a lesson. Others that need it wait until that cycle has ended, then attempt their
//! message again: usually they find it understood. A cycle that leads a lesson itself does not wait for a second
//! one but learns it too; whichever commits first installs its version, and the other finds that one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::Orchestrator;
use super::attempt::{Candidate, Lesson, Missing};
use super::cycle::Cycle;
use super::fault::is_of_the_system;
use super::narration::Dictation;
use crate::mind::{Answer, Mandate, MindError, Said, extract};
use crate::object::{Author, FailedAttempt, Fault, Json, Kind, Provenance, Source, excerpt};
use crate::sandbox::{AUDIT, Audit, SYNTAX_RULE, Verdict};

/// Methods that may be learnt for one message.
const MAX_LESSONS: usize = 8;
/// Attribute and method names a mandate lists.
pub(super) const MAX_NAMES: usize = 100;
/// Characters of the arguments that a mandate shows.
pub(super) const MAX_ARGUMENTS: usize = 4_000;

/// A lesson of this cycle and what has been tried.
pub(super) struct Schooling {
    missing: Missing,
    failed: Vec<FailedAttempt>,
    led: bool,
}

impl Cycle {
    /// Notes what was not understood, as the latest attempt met it.
    pub(super) fn note_missing(&mut self, missing: Missing) {
        if let Some(schooling) = self.schooling.get_mut(&missing.lesson) {
            schooling.missing = missing;
        } else {
            let lesson = missing.lesson.clone();
            self.schooling.insert(lesson, Schooling { missing, failed: Vec::new(), led: false });
        }
    }

    /// Provides a candidate for `lesson`, or lets another cycle learn it. Either way another attempt is due.
    pub(super) async fn learn(&mut self, lesson: Lesson) -> Result<(), Fault> {
        let Some(schooling) = self.schooling.get(&lesson) else {
            return Err(Fault::new(Kind::Internal, "a lesson was not noted down"));
        };
        if !schooling.led && !self.lead(&lesson).await? {
            return Ok(());
        }
        let mut mandate = self.mandate(&lesson).await?;
        while self.tries(&lesson) < self.orchestrator.parts.attempts {
            mandate.failed.clone_from(&self.schooling[&lesson].failed);
            match self.ask(&lesson, &mandate).await? {
                Ok(candidate) => {
                    Arc::make_mut(&mut self.candidates).insert(lesson, candidate);
                    return Ok(());
                }
                Err((source, fault)) => self.note_failure(&lesson, source, fault),
            }
        }
        Err(self.exhausted(&lesson))
    }

    /// Lets others lead the lessons that this cycle has not committed.
    pub(super) fn give_up_lessons(&mut self) {
        self.leading.clear();
        for schooling in self.schooling.values_mut() {
            schooling.led = false;
        }
    }

    /// Takes the lead in a lesson. `false`: another cycle had it and is done with it.
    async fn lead(&mut self, lesson: &Lesson) -> Result<bool, Fault> {
        let mut turn = self.orchestrator.lessons.enter(lesson);
        let leads = turn.has_come();
        if !leads && self.leading.is_empty() {
            turn.come().await;
            return Ok(false);
        }
        // Another cycle may have learnt it between this one's attempt and this turn.
        if leads && self.orchestrator.parts.store.resolve(&lesson.0, &lesson.1).await?.method.is_some() {
            return Ok(false);
        }
        if self.schooling.values().filter(|schooling| schooling.led).count() >= MAX_LESSONS {
            let text = format!("at most {MAX_LESSONS} methods are learnt for one message");
            return Err(Fault::new(Kind::GenerationFailed, text));
        }
        if leads {
            self.leading.push(turn);
        }
        if let Some(schooling) = self.schooling.get_mut(lesson) {
            schooling.led = true;
        }
        Ok(true)
    }

    /// A candidate ran and is no good.
    pub(super) fn refute(&mut self, lesson: &Lesson, inner: &Fault) {
        let candidate = Arc::make_mut(&mut self.candidates).remove(lesson);
        let source = candidate.map(|candidate| candidate.source.into()).unwrap_or_default();
        let fault = Fault {
            exception: inner.exception.clone(),
            findings: inner.findings.clone(),
            ..Fault::new(Kind::ValidationFailed, inner.to_string())
        };
        self.narrator().validation_failed(lesson, &fault);
        self.note_failure(lesson, source, fault);
    }

    fn note_failure(&mut self, lesson: &Lesson, source: String, fault: Fault) {
        count_failure(fault.kind);
        if let Some(schooling) = self.schooling.get_mut(lesson) {
            let attempt = u32::try_from(schooling.failed.len() + 1).unwrap_or(u32::MAX);
            schooling.failed.push(FailedAttempt { attempt, source, fault });
        }
    }

    fn tries(&self, lesson: &Lesson) -> u32 {
        let failed = self.schooling.get(lesson).map_or(0, |schooling| schooling.failed.len());
        u32::try_from(failed).unwrap_or(u32::MAX)
    }

    /// The last failure, with all of them.
    fn exhausted(&self, lesson: &Lesson) -> Fault {
        exhausted(self.schooling.get(lesson).map(|schooling| schooling.failed.clone()).unwrap_or_default())
    }

    /// Asks the mind once. `Ok(Err(..))`: what it wrote cannot be used, and why.
    async fn ask(
        &mut self,
        lesson: &Lesson,
        mandate: &Mandate,
    ) -> Result<Result<Candidate, (String, Fault)>, Fault> {
        self.asked += 1;
        let narrator = self.narrator();
        let mind = &self.orchestrator.parts.mind;
        narrator.mind_asked(lesson, &mind.describe(), self.tries(lesson) + 1);
        let dictation = Dictation::new(&narrator);
        let written = self.orchestrator.ask_for(mandate, &|piece| dictation.hear(piece)).await;
        dictation.end();
        let (answer, source) = match written? {
            Ok(written) => written,
            Err(fault) => {
                narrator.validation_failed(lesson, &fault);
                return Ok(Err((String::new(), fault)));
            }
        };
        narrator.generated(lesson, &answer, &source);
        if let Some(fault) = self.refusal(lesson, &source).await? {
            return Ok(Err((source.into(), fault)));
        }
        metrics::counter!("aura_generations_total", "outcome" => "written").increment(1);
        Ok(Ok(Candidate { source, provenance: provenance(mandate, answer) }))
    }

    /// Audits a body, which is charged to who learns.
    async fn refusal(&mut self, lesson: &Lesson, source: &Source) -> Result<Option<Fault>, Fault> {
        let (receiver, name) = lesson;
        let (refusal, fuel) = self.orchestrator.refusal(source).await?;
        self.charge(receiver, fuel);
        match &refusal {
            Some(fault) => self.narrator().audit_failed(name, &fault.findings),
            None => self.narrator().audit_passed(name),
        }
        Ok(refusal)
    }

    async fn mandate(&self, lesson: &Lesson) -> Result<Mandate, Fault> {
        let (receiver, method) = lesson.clone();
        let Some(Schooling { missing, .. }) = self.schooling.get(lesson) else {
            return Err(Fault::new(Kind::Internal, "a lesson was not noted down"));
        };
        let methods = self.orchestrator.parts.store.methods(&receiver, true).await?;
        Ok(Mandate {
            method,
            args: excerpt(missing.args.get(), MAX_ARGUMENTS),
            kwargs: excerpt(missing.kwargs.get(), MAX_ARGUMENTS),
            attributes: attribute_types(&missing.attributes, &missing.inherited),
            methods: methods.into_iter().take(MAX_NAMES).map(|method| method.name).collect(),
            failed: Vec::new(),
            improvement: None,
            receiver,
        })
    }
}

impl Orchestrator {
    /// Asks the mind once. `Ok(Err(..))`: its answer holds no body, and why.
    pub(super) async fn ask_for(
        &self,
        mandate: &Mandate,
        said: &Said<'_>,
    ) -> Result<Result<(Answer, Source), Fault>, Fault> {
        let unusable = |reason| Ok(Err(Fault::new(Kind::GenerationFailed, reason)));
        let answer = match self.parts.mind.ask(mandate, said).await {
            Ok(answer) => answer,
            Err(MindError::Garbage(text)) => return unusable(text),
            Err(MindError::Unavailable(text)) => {
                metrics::counter!("aura_generations_total", "outcome" => "unavailable").increment(1);
                let attempts = mandate.failed.clone();
                return Err(Fault { attempts, ..Fault::new(Kind::MindUnavailable, text) });
            }
        };
        match extract::body(&answer.text, &mandate.method) {
            Ok(source) => Ok(Ok((answer, source))),
            Err(reason) => unusable(reason),
        }
    }

    /// Why the audit refuses a body, and the fuel it used. `None`: it does not.
    pub(super) async fn refusal(&self, source: &Source) -> Result<(Option<Fault>, u64), Fault> {
        let (findings, fuel) = match self.audit(source.clone()).await {
            Ok(Audit { verdict: Verdict::Accepted, fuel_used }) => return Ok((None, fuel_used)),
            Ok(Audit { verdict: Verdict::Rejected(findings), fuel_used }) => (findings, fuel_used),
            Err(fault) if is_of_the_system(fault.kind) => return Err(fault),
            // A body that the audit cannot read within its limits is refused for that.
            Err(fault) => {
                let text = format!("the audit could not finish: {fault}");
                return Ok((Some(Fault::new(Kind::AuditRejected, text)), AUDIT.fuel));
            }
        };
        let is_python = !findings.iter().any(|finding| finding.rule == SYNTAX_RULE);
        let refused = Fault::audit_rejected(findings);
        let refused = if is_python { refused } else { Fault { kind: Kind::GenerationFailed, ..refused } };
        Ok((Some(refused), fuel))
    }
}

/// Where a body comes from that answers a mandate.
pub(super) fn provenance(mandate: &Mandate, answer: Answer) -> Provenance {
    Provenance {
        author: Author::Mind,
        persona: Some(answer.persona),
        model: Some(answer.model),
        model_digest: answer.model_digest,
        temperature: Some(answer.temperature),
        mind_seed: Some(answer.seed),
        prompt_digest: Some(answer.prompt_digest),
        answered_in_ms: Some(u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX)),
        mandate: Some(mandate.to_string()),
        failed_attempts: mandate.failed.clone(),
        ..Provenance::default()
    }
}

/// The last failure, with all of them.
pub(super) fn exhausted(attempts: Vec<FailedAttempt>) -> Fault {
    match attempts.last().map(|last| last.fault.clone()) {
        Some(last) => Fault { attempts, ..last },
        None => Fault::new(Kind::GenerationFailed, "the mind may not be asked: attempts are set to 0"),
    }
}

/// Counts an attempt that did not become a method.
pub(super) fn count_failure(kind: Kind) {
    let outcome = match kind {
        Kind::AuditRejected => "audit_rejected",
        Kind::ValidationFailed => "validation_failed",
        _ => "unusable",
    };
    metrics::counter!("aura_generations_total", "outcome" => outcome).increment(1);
}

/// Attribute names with the JSON type of each value, own before inherited.
pub(super) fn attribute_types(own: &Json, inherited: &Json) -> Vec<(String, String)> {
    let own: BTreeMap<String, &RawValue> = serde_json::from_str(own.get()).unwrap_or_default();
    let mut inherited: BTreeMap<String, &RawValue> =
        serde_json::from_str(inherited.get()).unwrap_or_default();
    inherited.retain(|name, _| !own.contains_key(name));
    own.into_iter()
        .chain(inherited)
        .take(MAX_NAMES)
        .map(|(name, value)| (excerpt(&name, 128), json_type(value).to_owned()))
        .collect()
}

fn json_type(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}
