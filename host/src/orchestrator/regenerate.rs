//! A better body for a method that is there: the mind writes it, the audit reads it, and the recorded runs are repeated
//! with it. If all come out as they did it is installed; otherwise it is kept until a person accepts what differs.
//!
//! Nothing is held while the mind thinks but one of a few places.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::Orchestrator;
use super::learning::{MAX_ARGUMENTS, MAX_NAMES, attribute_types, count_failure, exhausted, provenance};
use crate::mind::{Improvement, Mandate, RecordedCall};
use crate::object::{
    Digest, Divergence, FailedAttempt, Fault, InvocationOutcome, Kind, Method, MethodName, ObjectId,
    Proposal, Provenance, Regression, Source, Wish, excerpt,
};
use crate::store::{Install, InvocationFilter, StoreError};

/// Proposals that are kept; the oldest one gives way.
const MAX_PROPOSALS: usize = 32;
/// Methods that are regenerated at the same time.
const MAX_AT_ONCE: usize = 4;
/// Recorded calls that the mind is shown, and runs among which they are looked for.
const MAX_CALLS: usize = 3;
const MAX_LOOKED_AT: u32 = 50;
/// Runs that a sentence on differences tells of, and differences of each.
const MAX_TOLD: usize = 2;
/// Characters of arguments and of a difference in it.
const MAX_ARGUMENT: usize = 80;
const MAX_DIFFERENCE: usize = 160;

/// What came of the wish for a better body.
pub enum Regenerated {
    Installed(Box<Method>),
    /// Kept, and not installed.
    Proposed(Box<Proposal>, Fault),
}

/// What regenerating keeps between two requests.
pub(super) struct Workshop {
    kept: Mutex<VecDeque<Kept>>,
    places: Semaphore,
}

/// A proposal with what it takes to install it.
#[derive(Clone)]
struct Kept {
    object: ObjectId,
    name: MethodName,
    /// The version it was compared against.
    version: u32,
    proposal: Proposal,
    provenance: Provenance,
}

/// What became of one answer.
enum Trial {
    Same(Regression),
    Different(Regression),
    Refused(Fault),
}

impl Workshop {
    pub fn new() -> Self {
        Self { kept: Mutex::default(), places: Semaphore::new(MAX_AT_ONCE) }
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, new: Kept) {
        let mut kept = self.kept();
        kept.retain(|old| !old.is(&new.object, &new.name, &new.proposal.digest));
        while kept.len() >= MAX_PROPOSALS {
            kept.pop_front();
        }
        kept.push_back(new);
    }

    fn find(&self, object: &ObjectId, name: &MethodName, digest: &Digest) -> Option<Kept> {
        self.kept().iter().find(|kept| kept.is(object, name, digest)).cloned()
    }

    fn forget(&self, done: &Kept) {
        self.kept().retain(|kept| !kept.is(&done.object, &done.name, &done.proposal.digest));
    }
}

impl Kept {
    fn is(&self, object: &ObjectId, name: &MethodName, digest: &Digest) -> bool {
        (&self.object, &self.name, &self.proposal.digest) == (object, name, digest)
    }
}

impl Orchestrator {
    /// Has the mind write a better body of an object's own method.
    pub async fn regenerate(
        &self,
        object: ObjectId,
        name: MethodName,
        wish: Option<Wish>,
    ) -> Result<Regenerated, Fault> {
        let Ok(_place) = self.workshop.places.try_acquire() else {
            let text = format!("{MAX_AT_ONCE} methods are being regenerated already; try again later");
            return Err(Fault::new(Kind::Busy, text));
        };
        let (method, mut mandate) = self.improvement(&object, &name, wish).await?;
        let mut best: Option<Kept> = None;
        for attempt in 1..=self.parts.attempts {
            let (source, fault) = match self.ask_for(&mandate, &|_| {}).await? {
                Err(fault) => (String::new(), fault),
                Ok((answer, source)) => match self.try_out(&method, &source).await? {
                    Trial::Same(regression) => {
                        let provenance = compared(provenance(&mandate, answer), regression);
                        let method = self.replace(&method, source, provenance).await?;
                        metrics::counter!("aura_generations_total", "outcome" => "written").increment(1);
                        return Ok(Regenerated::Installed(Box::new(method)));
                    }
                    Trial::Different(regression) => {
                        let fault = Fault::new(Kind::ValidationFailed, in_words(&regression));
                        let fewer = |best: &Kept| regression.different < best.proposal.regression.different;
                        if best.as_ref().is_none_or(fewer) {
                            best = Some(propose(&method, &source, provenance(&mandate, answer), regression));
                        }
                        (source.into(), fault)
                    }
                    Trial::Refused(fault) => (source.into(), fault),
                },
            };
            count_failure(fault.kind);
            mandate.failed.push(FailedAttempt { attempt, source, fault });
            if best.as_ref().is_some_and(|best| best.proposal.regression.compared == 0) {
                // Another body could not be compared either.
                break;
            }
        }
        let Some(best) = best else { return Err(exhausted(mandate.failed)) };
        let text = in_words(&best.proposal.regression);
        let fault = Fault { attempts: mandate.failed, ..Fault::new(Kind::ValidationFailed, text) };
        let proposal = best.proposal.clone();
        self.workshop.keep(best);
        Ok(Regenerated::Proposed(Box::new(proposal), fault))
    }

    /// Installs what was proposed, whatever comes out differently with it.
    pub async fn accept_proposal(
        &self,
        object: &ObjectId,
        name: &MethodName,
        digest: &Digest,
    ) -> Result<Method, Fault> {
        let before = self.own(object, name).await?;
        let Some(kept) = self.workshop.find(object, name, digest) else {
            return Err(Fault::new(Kind::MethodNotFound, "no such proposal; ask again"));
        };
        let before = Method { version: kept.version, ..before };
        let method = self.replace(&before, kept.proposal.source.clone(), kept.provenance.clone()).await?;
        self.workshop.forget(&kept);
        Ok(method)
    }

    /// The object's own method, as it is in force.
    pub async fn own(&self, object: &ObjectId, name: &MethodName) -> Result<Method, StoreError> {
        let method = self.store().resolve(object, name).await?.method;
        method
            .filter(|method| method.object == *object)
            .ok_or_else(|| StoreError::MethodNotFound { object: object.clone(), name: name.clone() })
    }

    /// Installs a body in the place of `before`, if that is still in force.
    async fn replace(
        &self,
        before: &Method,
        source: Source,
        provenance: Provenance,
    ) -> Result<Method, Fault> {
        let Method { object, name, version, .. } = before;
        let _turn = self.turn_on(object).await;
        let now = self.own(object, name).await?.version;
        if now != *version {
            let text = format!(
                "method '{name}' of '{object}' is at version {now} by now, and the new body was compared with version \
                 {version}; ask again"
            );
            return Err(Fault::new(Kind::RevisionConflict, text));
        }
        // What is installed in this very moment becomes the version before this one: nothing of it is lost.
        let (object, name) = (object.clone(), name.clone());
        Ok(self.store().install(Install { object, name, source, quota: None, provenance }).await?)
    }

    /// The method in force, and what the mind is asked for.
    async fn improvement(
        &self,
        object: &ObjectId,
        name: &MethodName,
        wish: Option<Wish>,
    ) -> Result<(Method, Mandate), Fault> {
        let method = self.own(object, name).await?;
        let resolution = self.store().resolve(object, name).await?;
        let methods = self.store().methods(object, true).await?;
        let calls = self.calls(&method).await?;
        let (args, kwargs) = match calls.first() {
            Some(call) => (call.args.clone(), call.kwargs.clone()),
            None => ("[]".to_owned(), "{}".to_owned()),
        };
        let mandate = Mandate {
            receiver: object.clone(),
            method: name.clone(),
            args,
            kwargs,
            attributes: attribute_types(&resolution.receiver.attributes, &resolution.inherited),
            methods: methods.into_iter().take(MAX_NAMES).map(|method| method.name).collect(),
            failed: Vec::new(),
            improvement: Some(Improvement { source: method.source.clone(), wish, calls }),
        };
        Ok((method, mandate))
    }

    /// Some of the last calls that this version answered, each with other arguments.
    async fn calls(&self, method: &Method) -> Result<Vec<RecordedCall>, StoreError> {
        let filter = InvocationFilter {
            method: Some((method.object.clone(), method.name.clone())),
            limit: MAX_LOOKED_AT,
            ..InvocationFilter::default()
        };
        let mut calls: Vec<RecordedCall> = Vec::new();
        for run in self.store().invocations(&filter).await?.items {
            let InvocationOutcome::Returned { result, .. } = &run.outcome else { continue };
            let [args, kwargs, result] =
                [&run.args, &run.kwargs, result].map(|json| excerpt(json.get(), MAX_ARGUMENTS));
            let is_known = calls.iter().any(|call| (&call.args, &call.kwargs) == (&args, &kwargs));
            if run.method_version == method.version && !is_known && calls.len() < MAX_CALLS {
                calls.push(RecordedCall { args, kwargs, result });
            }
        }
        Ok(calls)
    }

    async fn try_out(&self, method: &Method, source: &Source) -> Result<Trial, Fault> {
        if source.as_str().trim_end() == method.source.as_str().trim_end() {
            let text = format!("this is the same body as version {}", method.version);
            return Ok(Trial::Refused(Fault::new(Kind::ValidationFailed, text)));
        }
        if let (Some(fault), _) = self.refusal(source).await? {
            return Ok(Trial::Refused(fault));
        }
        let regression = self.regression(&method.object, &method.name, source).await?;
        // A method that never ran has nothing to keep to; one whose runs cannot be compared may have.
        let unknown = regression.compared == 0 && regression.skipped > 0;
        let same = regression.different == 0 && !unknown;
        Ok(if same { Trial::Same(regression) } else { Trial::Different(regression) })
    }
}

fn propose(method: &Method, source: &Source, provenance: Provenance, regression: Regression) -> Kept {
    Kept {
        object: method.object.clone(),
        name: method.name.clone(),
        version: method.version,
        provenance: compared(provenance, regression.clone()),
        proposal: Proposal { digest: source.digest(), source: source.clone(), regression },
    }
}

fn compared(provenance: Provenance, regression: Regression) -> Provenance {
    Provenance { regression: Some(regression), ..provenance }
}

/// What differs, fit for a person and for the mind.
fn in_words(Regression { compared, skipped, different, divergences }: &Regression) -> String {
    if *compared == 0 {
        return format!("none of the newest {skipped} recorded runs can be compared");
    }
    let told: Vec<String> = divergences.iter().take(MAX_TOLD).map(divergence_in_words).collect();
    format!("{different} of {compared} recorded runs came out differently: {}", told.join("; "))
}

fn divergence_in_words(Divergence { args, kwargs, differences, .. }: &Divergence) -> String {
    let call =
        format!("with args {} and kwargs {}", excerpt(args, MAX_ARGUMENT), excerpt(kwargs, MAX_ARGUMENT));
    let differences = differences.iter().take(MAX_TOLD);
    let told = differences.map(|difference| excerpt(&difference.to_string(), MAX_DIFFERENCE));
    std::iter::once(call).chain(told).collect::<Vec<_>>().join(", ")
}
