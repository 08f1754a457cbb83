//! Recorded runs, made again: to see that nothing changed, or what a new body would change.

use std::sync::Arc;

use super::Orchestrator;
use super::fault::crashed;
use crate::object::{Fault, InvocationId, MethodName, ObjectId, Regression, Source};
use crate::replay::{self, Case, MAX_COMPARED, Reason, Regressing, Scope, Verdict};
use crate::store::InvocationFilter;

impl Orchestrator {
    /// A recorded run with everything it depended on, or why it can never be replayed. `None`: there is no such run.
    pub async fn case(&self, id: InvocationId) -> Result<Option<Result<Case, Reason>>, Fault> {
        match self.store().invocation(id).await? {
            Some(record) => Ok(Some(replay::load(&**self.store(), record).await?)),
            None => Ok(None),
        }
    }

    /// Makes a recorded run again. `None`: there is no such run.
    pub async fn replay(&self, id: InvocationId) -> Result<Option<Verdict>, Fault> {
        let _place = self.repeating.acquire().await;
        let case = match self.case(id).await? {
            Some(Ok(case)) => case,
            Some(Err(reason)) => return Ok(Some(Verdict::NotReplayable(reason))),
            None => return Ok(None),
        };
        let sandbox = Arc::clone(&self.parts.sandbox);
        let verdict = self.parts.workers.run(move || replay::replay(&*sandbox, &case, Scope::Exact)).await;
        verdict.map(Some).ok_or_else(|| crashed("the replay"))
    }

    /// Runs `source` on what the newest recorded runs of the method were given, beside the version in force.
    pub(super) async fn regression(
        &self,
        object: &ObjectId,
        name: &MethodName,
        source: &Source,
    ) -> Result<Regression, Fault> {
        let present = self.store().resolve(object, name).await?.method;
        let Some(present) = present.filter(|method| method.object == *object) else {
            return Ok(Regression::default());
        };
        let filter = InvocationFilter {
            method: Some((object.clone(), name.clone())),
            limit: MAX_COMPARED,
            ..InvocationFilter::default()
        };
        let quota = present.quota.over(self.parts.quota);
        let mut regressing = Regressing::new(present.source, source.clone(), quota);
        let _place = self.repeating.acquire().await;
        for record in self.store().invocations(&filter).await?.items {
            let Ok(case) = replay::load(&**self.store(), record).await? else {
                regressing.skip();
                continue;
            };
            if !regressing.goes_on() {
                break;
            }
            let sandbox = Arc::clone(&self.parts.sandbox);
            let compared = move || {
                regressing.compare(&*sandbox, case);
                regressing
            };
            regressing = self.parts.workers.run(compared).await.ok_or_else(|| crashed("the comparison"))?;
        }
        Ok(regressing.end())
    }
}
