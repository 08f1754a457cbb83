//! The threads that isolates run on: apart from the server's, so that a heavy method never stalls HTTP.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// How many runs go on at once: as many as the machine has cores, and at least two, so that one heavy method
/// does not hold up all others.
#[must_use]
pub fn parallel_runs() -> usize {
    thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get).max(2)
}

/// A fixed number of threads with deep stacks, fed from one queue.
#[derive(Clone)]
pub struct Workers {
    queue: mpsc::Sender<Job>,
}

impl Workers {
    /// Each nested send runs on the stack of its sender's thread, so `stack_bytes` covers the whole depth.
    pub fn start(threads: usize, stack_bytes: usize) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let jobs = Arc::clone(&jobs);
            thread::Builder::new().name(format!("isolate-{number}")).stack_size(stack_bytes).spawn(
                move || {
                    loop {
                        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                        let Ok(job) = job else { return };
                        // A panic ends the job, whose caller sees a closed channel; the thread goes on.
                        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
                    }
                },
            )?;
        }
        Ok(Self { queue })
    }

    /// Runs `work` on one of the threads. `None`: it panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, result) = oneshot::channel();
        let job = Box::new(move || {
            // The caller may have gone away, before or meanwhile; then nobody wants the result.
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        self.queue.send(job).ok()?;
        result.await.ok()
    }
}
