//! All recorded runs of an image, on every core.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _};
use std::time::Instant;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use indicatif::ProgressBar;
use serde::Serialize;

use super::{Replayer, hint_at_other_guests, print_differences};
use crate::cli::Output;
use crate::cli::failure::Failure;
use crate::cli::parts;
use crate::cli::term::{count, count_bar, print, print_json, thousands, unless_interrupted};
use crate::config::Config;
use crate::object::{Difference, Invocation, InvocationId, Timestamp};
use crate::replay::{Report, Scope, Verdict, load};
use crate::sandbox::parallel_runs;
use crate::store::{InvocationFilter, MAX_PAGE, Page, Store};

/// Diverged runs that are told one by one.
const MAX_TOLD: usize = 100;

#[derive(Default, Serialize)]
struct Found {
    replayed: u64,
    identical: u64,
    diverged: u64,
    /// How many could not be replayed, by reason.
    not_replayable: BTreeMap<String, u64>,
    divergences: Vec<Divergence>,
    elapsed_ms: u64,
}

#[derive(Serialize)]
struct Divergence {
    invocation_id: InvocationId,
    /// The method that ran and the object it ran for, in words.
    run: String,
    differences: Vec<Difference>,
}

pub async fn replay(
    config: &Config,
    since: Option<Timestamp>,
    scope: Scope,
    output: Output,
) -> Result<(), Failure> {
    let store = parts::image(config).await?;
    let replayer = Replayer::new(config, scope).await?;
    let filter = InvocationFilter { since, limit: MAX_PAGE, ..InvocationFilter::default() };
    let bar = if io::stderr().is_terminal() {
        count_bar(store.count_invocations(&filter).await?, "runs")
    } else {
        ProgressBar::hidden()
    };
    let begun = Instant::now();
    let mut found = unless_interrupted(all(&*store, &replayer, filter, &bar)).await?;
    bar.finish_and_clear();
    found.elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if output.json {
        print_json(&found)?;
    } else {
        tell(&found)?;
    }
    if found.diverged == 0 { Ok(()) } else { Err(Failure::Told(1)) }
}

async fn all(
    store: &dyn Store,
    replayer: &Replayer,
    mut filter: InvocationFilter,
    bar: &ProgressBar,
) -> Result<Found, Failure> {
    let mut found = Found::default();
    loop {
        let Page { items, more } = store.invocations(&filter).await?;
        filter.after = items.last().map(|record| record.invocation_id);
        // Enough that no thread waits for the image.
        let verdicts = stream::iter(items)
            .map(|record| one(store, replayer, record))
            .buffer_unordered(2 * parallel_runs());
        let mut verdicts = std::pin::pin!(verdicts);
        while let Some((record, verdict)) = verdicts.try_next().await? {
            bar.inc(1);
            found.add(&record, &verdict);
        }
        if !more {
            return Ok(found);
        }
    }
}

async fn one(
    store: &dyn Store,
    replayer: &Replayer,
    record: Invocation,
) -> Result<(Invocation, Verdict), Failure> {
    let verdict = match load(store, record.clone()).await? {
        Ok(case) => replayer.replay(case).await?,
        Err(reason) => Verdict::NotReplayable(reason),
    };
    Ok((record, verdict))
}

impl Found {
    fn add(&mut self, record: &Invocation, verdict: &Verdict) {
        self.replayed += 1;
        match verdict {
            Verdict::Identical => self.identical += 1,
            Verdict::Diverged(differences) => {
                self.diverged += 1;
                if self.divergences.len() < MAX_TOLD {
                    let run = format!("{} of {}", record.method_name, record.receiver);
                    let (invocation_id, differences) = (record.invocation_id, differences.clone());
                    self.divergences.push(Divergence { invocation_id, run, differences });
                }
            }
            verdict @ Verdict::NotReplayable(_) => {
                let reason = Report::from(verdict).reason.unwrap_or_default();
                *self.not_replayable.entry(reason).or_default() += 1;
            }
        }
    }
}

fn tell(found: &Found) -> Result<(), Failure> {
    for Divergence { invocation_id, run, differences } in &found.divergences {
        print(&format!("diverged: {invocation_id}, {run}"))?;
        print_differences(differences)?;
    }
    let mut parts = vec![format!("{} identical", thousands(found.identical))];
    if found.diverged > 0 {
        parts.push(format!("{} diverged", thousands(found.diverged)));
    }
    for (reason, number) in &found.not_replayable {
        parts.push(format!("{} not replayable ({})", thousands(*number), reason.replace('_', " ")));
    }
    let rate = found.replayed.saturating_mul(1_000) / found.elapsed_ms.max(1);
    print(&format!(
        "{}: {}. {} a second.",
        count(found.replayed, "run", "runs"),
        parts.join(", "),
        thousands(rate)
    ))?;
    if found.not_replayable.contains_key("other_guest") { hint_at_other_guests() } else { Ok(()) }
}
