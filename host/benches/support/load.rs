//! Callers that call for a while, and how long their calls took.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// Enough for an isolate.
const STACK_BYTES: usize = 32 << 20;

#[derive(Clone, Copy)]
pub struct Load {
    pub callers: usize,
    /// Between two calls of a caller.
    pub pause: Duration,
    pub time: Duration,
}

pub struct Measured {
    /// Sorted.
    latencies: Vec<Duration>,
    elapsed: Duration,
}

impl Measured {
    pub fn new(mut latencies: Vec<Duration>, elapsed: Duration) -> Result<Self> {
        ensure!(!latencies.is_empty(), "no call came to its end");
        latencies.sort();
        Ok(Self { latencies, elapsed })
    }

    /// The latency that `percent` of all calls kept to, in milliseconds.
    pub fn percentile(&self, percent: usize) -> f64 {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len() - 1);
        self.latencies[index].as_secs_f64() * 1e3
    }

    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Makes one call and checks its answer.
pub type Caller<'a> = Box<dyn FnMut() -> Result<()> + 'a>;

/// Lets callers, each made by `caller` on a thread of its own and tried once, call until the time is up.
pub fn drive<'a>(load: Load, caller: impl Fn(usize) -> Result<Caller<'a>> + Sync) -> Result<Measured> {
    let barrier = Barrier::new(load.callers);
    let one = |number| {
        let made = caller(number).and_then(|mut call| call().map(|()| call));
        barrier.wait();
        repeat(load, &mut *made?)
    };
    let one = &one;
    let started = Instant::now();
    let mut latencies = Vec::new();
    let mut elapsed = Duration::ZERO;
    thread::scope(|scope| {
        let spawn =
            |number| thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, move || one(number));
        let threads: Vec<_> = (0..load.callers).map(spawn).collect::<Result<_, _>>()?;
        for thread in threads {
            let (durations, spent) = thread.join().ok().context("a caller panicked")??;
            latencies.extend(durations);
            elapsed = elapsed.max(spent);
        }
        anyhow::Ok(())
    })
    .with_context(|| format!("after {} ms", started.elapsed().as_millis()))?;
    Measured::new(latencies, elapsed)
}

fn repeat(load: Load, call: &mut dyn FnMut() -> Result<()>) -> Result<(Vec<Duration>, Duration)> {
    let mut latencies = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < load.time {
        let before = Instant::now();
        call()?;
        latencies.push(before.elapsed());
        if !load.pause.is_zero() {
            thread::sleep(load.pause);
        }
    }
    Ok((latencies, begun.elapsed()))
}
