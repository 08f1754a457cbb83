//! What stops an isolate from inside: memory, output, and the end of its cycle.

use thiserror::Error;
use wasmtime::ResourceLimiter;

/// Reasons of our own to end a run, raised as a trap.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Stop {
    #[error("memory limit")]
    Memory,
    #[error("output limit")]
    Output,
    #[error("the cycle ends")]
    Aborted,
    #[error("the guest sent what it may not: {0}")]
    Misbehaved(&'static str),
    #[error("no isolate could be made: {0}")]
    NoIsolate(String),
}

/// Counts linear memory against the quota. Growth beyond it ends the run, so that no method can look at how
/// much memory it may use.
#[derive(Debug)]
pub struct Memory {
    pub limit: usize,
    /// What it has: linear memory never shrinks.
    pub peak: usize,
    /// What it had before its run.
    pub fresh: usize,
}

impl Memory {
    /// Begins a run under a limit.
    pub fn begin(&mut self, limit: usize) {
        self.limit = limit;
        self.fresh = self.peak;
    }

    /// The limit of an isolate whose run this one waits for: both together keep to the limit, beside what an isolate
    /// has from the start.
    pub fn of_nested(&self) -> usize {
        self.fresh.saturating_add(self.limit.saturating_sub(self.peak))
    }

    /// Whether what the isolate has from the start is within the limit.
    pub fn check(&self) -> Result<(), Stop> {
        if self.peak > self.limit { Err(Stop::Memory) } else { Ok(()) }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.limit {
            return Err(Stop::Memory.into());
        }
        self.peak = self.peak.max(desired);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 100_000)
    }
}
