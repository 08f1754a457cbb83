//! A process that runs all programs: in an order of its own, on so many threads, with so much else going on.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use aura::sandbox::wasm::{WasmSandbox, thread_stack_bytes};
use serde::{Deserialize, Serialize};

use super::{programs, sandbox};

/// Set for a process that is a worker.
pub const VARIABLE: &str = "AURA_DETERMINISM_WORKER";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Work {
    pub guest: PathBuf,
    pub cache: PathBuf,
    /// How many programs are generated.
    pub generated: u64,
    pub order: Order,
    pub threads: usize,
    /// Threads that burn time and memory meanwhile.
    pub burners: usize,
    /// Where what was seen goes: a line of JSON for each program.
    pub file: PathBuf,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Order {
    Forward,
    Backward,
    Shuffled(u64),
}

impl Order {
    fn of(self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        match self {
            Self::Forward => {}
            Self::Backward => order.reverse(),
            Self::Shuffled(seed) => fastrand::Rng::with_seed(seed).shuffle(&mut order),
        }
        order
    }
}

pub fn work(text: &str) {
    let work: Work = serde_json::from_str(text).expect("the parent says what to do");
    let sandbox = sandbox(&work.guest, &work.cache);
    let programs = programs(work.generated);
    let order = work.order.of(programs.len());
    let file = Mutex::new(BufWriter::new(File::create(&work.file).expect("a file for what was seen")));
    let (next, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let run_all = || {
        while let Some(&number) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let seen = programs[number].run(&sandbox);
            let line = serde_json::to_string(&(number, seen)).expect("it is JSON");
            writeln!(file.lock().expect("no thread panicked"), "{line}").expect("room on the disk");
        }
    };
    thread::scope(|scope| {
        for _ in 0..work.burners {
            scope.spawn(|| burn(&done));
        }
        let runners: Vec<_> = (0..work.threads)
            .map(|_| thread::Builder::new().stack_size(thread_stack_bytes()).spawn_scoped(scope, run_all))
            .collect();
        for runner in runners {
            runner.expect("a thread starts").join().expect("a thread does not panic");
        }
        done.store(true, Ordering::Relaxed);
    });
    file.into_inner().expect("no thread panicked").flush().expect("room on the disk");
}

/// Takes and gives back memory of changing size, and the processor with it.
fn burn(done: &AtomicBool) {
    let mut size = 1 << 20;
    while !done.load(Ordering::Relaxed) {
        black_box(vec![1_u8; size]);
        size = (size * 3) % (48 << 20) + 4096;
        thread::yield_now();
    }
}

/// A thread deep enough for nested sends.
pub fn on_deep_stack<T: Send>(sandbox: &WasmSandbox, work: impl FnOnce(&WasmSandbox) -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(thread_stack_bytes());
        let thread = thread.spawn_scoped(scope, || work(sandbox)).expect("a thread starts");
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
