//! A body beside the one it is to replace, on what recorded runs were given.

use std::time::{Duration, Instant};

use super::{Case, PATIENCE, Repeated, Scope, can_be_replayed, compare, interrupted, repeat};
use crate::object::{Content, Divergence, InvocationOutcome, Quota, Regression, Source};
use crate::sandbox::{Outcome, Run, Sandbox};

/// How many recorded runs are looked at, the newest ones.
pub const MAX_COMPARED: u32 = 100;

/// After this time no further run is repeated.
const TIME: Duration = Duration::from_secs(10);

/// How many that differ are told in full.
const MAX_TOLD: usize = 5;

/// Characters of the arguments that are told.
const ARGUMENTS: usize = 200;

/// A comparison in progress.
pub struct Regressing {
    /// The body in force, and the one that is to take its place.
    present: Source,
    next: Source,
    /// Of the method, whatever the recorded runs were given.
    quota: Quota,
    until: Instant,
    found: Regression,
}

impl Regressing {
    #[must_use]
    pub fn new(present: Source, next: Source, quota: Quota) -> Self {
        Self { present, next, quota, until: Instant::now() + TIME, found: Regression::default() }
    }

    pub fn skip(&mut self) {
        self.found.skipped += 1;
    }

    /// What one run may use, in the time that is left.
    fn quota(&self) -> Quota {
        let left = self.until.saturating_duration_since(Instant::now()).as_millis();
        let left = u64::try_from(left).unwrap_or(u64::MAX).max(1);
        Quota { wall_ms: self.quota.wall_ms.saturating_mul(PATIENCE).min(left), ..self.quota }
    }

    /// Whether there is time for more.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.until
    }

    #[must_use]
    pub fn end(self) -> Regression {
        self.found
    }

    /// Runs both bodies on what the case was given. Blocks; on a thread with the stack of an isolate.
    pub fn compare(&mut self, sandbox: &dyn Sandbox, case: Case) {
        let Some(case) = self.expected(sandbox, case) else { return self.skip() };
        let quota = self.quota();
        let Repeated { run, mut differences } = repeat(sandbox, &case, &self.next, quota, Scope::Behaviour);
        if matches!(&run.outcome, Outcome::Failed(fault) if interrupted(fault).is_some()) {
            return self.skip();
        }
        if differences.is_empty() {
            compare::runs(&case, &run, Scope::Behaviour, &mut differences);
        }
        self.found.compared += 1;
        if differences.is_empty() {
            return;
        }
        self.found.different += 1;
        if self.found.divergences.len() < MAX_TOLD {
            let short = |json: &str| json.chars().take(ARGUMENTS).collect();
            self.found.divergences.push(Divergence {
                invocation_id: case.invocation.invocation_id,
                args: short(case.invocation.args.get()),
                kwargs: short(case.invocation.kwargs.get()),
                differences,
            });
        }
    }

    /// The case with what the present body makes of it. `None`: it does not return, so there is nothing to keep.
    fn expected(&self, sandbox: &dyn Sandbox, mut case: Case) -> Option<Case> {
        can_be_replayed(sandbox, &case, Scope::Behaviour).ok()?;
        let returned = matches!(case.invocation.outcome, InvocationOutcome::Returned { .. });
        if case.source == self.present {
            return returned.then_some(case);
        }
        // It was recorded with an earlier body.
        let Repeated { run, differences } =
            repeat(sandbox, &case, &self.present, self.quota(), Scope::Behaviour);
        let Run { outcome: Outcome::Returned { result, attributes }, output, .. } = run else { return None };
        if !differences.is_empty() {
            return None;
        }
        let attributes_after = attributes.map(|now| Content::of(&now, &mut case.contents));
        case.invocation.outcome = InvocationOutcome::Returned { result, attributes_after };
        case.invocation.output = output;
        Some(case)
    }
}
