//! A quota from what a method's recorded runs used.

use serde::{Deserialize, Serialize};

use super::Orchestrator;
use crate::object::{CEILING, Fault, InvocationOutcome, Kind, MethodName, ObjectId};
use crate::store::{InvocationFilter, MAX_PAGE};

/// How many runs are looked at, the newest ones.
const MAX_RUNS: usize = 10_000;
const BINS: usize = 10;
/// What a method that never printed may print.
const MIN_OUTPUT: u64 = 256;

/// A quota that nearly all recorded runs of the version in force would keep to, with headroom.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Suggestion {
    pub version: u32,
    /// Those that returned, of the newest ten thousand.
    pub runs: u64,
    pub fuel: Spread,
    pub memory_bytes: Spread,
    pub output_bytes: Spread,
}

/// How the runs are spread over what they used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub least: u64,
    pub median: u64,
    /// 99 of 100 runs used no more (nearest rank).
    pub p99: u64,
    pub most: u64,
    /// Half as much again as `p99`, rounded up to two digits.
    pub suggested: u64,
    pub histogram: Vec<Bin>,
}

/// Runs that used more than the bin before, and at most `to`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    pub to: u64,
    pub runs: u64,
}

impl Orchestrator {
    /// Fails if the object has no such method of its own, or none of its runs has returned yet.
    pub async fn suggest_quota(&self, object: ObjectId, name: MethodName) -> Result<Suggestion, Fault> {
        let method = self.own(&object, &name).await?;
        let digest = method.source.digest();
        let mut filter =
            InvocationFilter { method: Some((object, name)), limit: MAX_PAGE, ..InvocationFilter::default() };
        let (mut fuel, mut memory, mut output) = (Vec::new(), Vec::new(), Vec::new());
        let mut looked_at = 0;
        loop {
            let page = self.store().invocations(&filter).await?;
            filter.after = page.items.last().map(|run| run.invocation_id);
            looked_at += page.items.len();
            for run in page.items {
                if run.source_digest == digest && matches!(run.outcome, InvocationOutcome::Returned { .. }) {
                    fuel.push(run.fuel_used);
                    memory.push(run.peak_memory_bytes);
                    output.push(run.output.len() as u64);
                }
            }
            if !page.more || looked_at >= MAX_RUNS {
                break;
            }
        }
        let (version, runs) = (method.version, fuel.len() as u64);
        match (
            Spread::of(fuel, 1, CEILING.fuel),
            Spread::of(memory, 1, CEILING.memory_bytes),
            Spread::of(output, MIN_OUTPUT, CEILING.output_bytes),
        ) {
            (Some(fuel), Some(memory_bytes), Some(output_bytes)) => {
                Ok(Suggestion { version, runs, fuel, memory_bytes, output_bytes })
            }
            _ => Err(Fault::new(
                Kind::ObjectNotFound,
                format!("no run of version {version} has returned yet; send it some messages first"),
            )),
        }
    }
}

impl Spread {
    /// `None`: there is nothing.
    fn of(mut used: Vec<u64>, least_sensible: u64, ceiling: u64) -> Option<Self> {
        used.sort_unstable();
        let (least, most) = (*used.first()?, *used.last()?);
        let rank = |percent: usize| used[(used.len() * percent).div_ceil(100).max(1) - 1];
        let p99 = rank(99);
        let suggested = two_digits(p99.saturating_add(p99.div_ceil(2))).clamp(least_sensible, ceiling);
        Some(Self { least, median: rank(50), p99, most, suggested, histogram: histogram(&used, least, most) })
    }
}

/// The smallest number with two digits followed by zeros that is not less.
fn two_digits(number: u64) -> u64 {
    let step = 10_u64.pow(number.checked_ilog10().unwrap_or(0).saturating_sub(1));
    number.div_ceil(step).saturating_mul(step)
}

/// Bins of the same width, without empty ones at the ends.
fn histogram(sorted: &[u64], least: u64, most: u64) -> Vec<Bin> {
    let width = (most - least) / BINS as u64 + 1;
    let bins = (most - least) / width + 1;
    let mut from = 0;
    (1..=bins)
        .map(|bin| {
            let to = least.saturating_add(bin * width - 1).min(most);
            let until = sorted.partition_point(|used| *used <= to);
            let runs = (until - from) as u64;
            from = until;
            Bin { to, runs }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_runs_keep_to_what_is_suggested() {
        let spread = Spread::of((1..=1_000).rev().collect(), 1, u64::MAX).unwrap();
        assert_eq!((spread.least, spread.median, spread.p99, spread.most), (1, 500, 990, 1_000));
        assert_eq!(spread.suggested, 1_500);
        assert_eq!(spread.histogram.len(), BINS);
        assert_eq!(spread.histogram[0], Bin { to: 100, runs: 100 });
        assert_eq!(spread.histogram.iter().map(|bin| bin.runs).sum::<u64>(), 1_000);

        let same = Spread::of(vec![7; 3], 1, u64::MAX).unwrap();
        assert_eq!((same.p99, same.suggested), (7, 11));
        assert_eq!(same.histogram, [Bin { to: 7, runs: 3 }]);
        assert_eq!(Spread::of(vec![0], 1, 9).unwrap().suggested, 1);
        assert_eq!(Spread::of(vec![u64::MAX], 1, 9).unwrap().suggested, 9);
        assert_eq!(Spread::of(vec![], 1, 9), None);
        for (number, rounded) in [(0, 0), (9, 9), (99, 99), (101, 110), (514_988, 520_000)] {
            assert_eq!(two_digits(number), rounded);
        }
    }
}
