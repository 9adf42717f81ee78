//! The one tokio runtime of the process, alive only while something uses it.
//!
//! A [`Lease`] starts it and the last lease ends it, threads included: a helper without sessions runs none of
//! its own threads. glibc keeps memory that many short lives of threads gave back; whoever starts the helper
//! sets `MALLOC_ARENA_MAX=2` and `MALLOC_TRIM_THRESHOLD_=131072` in its environment (measured over 200 starts
//! and stops: 11 MB of anonymous memory instead of 86 MB).

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

/// How long the last lease waits for tasks that do not end.
const SHUTDOWN: Duration = Duration::from_secs(2);

static CURRENT: Mutex<Weak<Shared>> = Mutex::new(Weak::new());

struct Shared {
    /// `None` only while the runtime is being shut down.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(SHUTDOWN);
        }
    }
}

/// Keeps the runtime alive. Belongs to JavaScript's side only: dropping the last one inside a task would be
/// a runtime ending itself.
pub struct Lease(Arc<Shared>);

impl Lease {
    /// Joins the running runtime or starts it.
    pub fn take() -> io::Result<Self> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = current.upgrade() {
            return Ok(Self(shared));
        }
        let threads = available_parallelism().map_or(2, usize::from).clamp(2, 4);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("sallyport")
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        let shared = Arc::new(Shared {
            runtime: Some(runtime),
            handle,
        });
        *current = Arc::downgrade(&shared);
        Ok(Self(shared))
    }

    /// Runs `future` on the calling thread, which must not be one of the runtime's.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.handle.block_on(future)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_share_one_runtime() {
        let first = Lease::take().expect("a runtime");
        let second = Lease::take().expect("the same runtime");
        assert_eq!(first.0.handle.id(), second.0.handle.id());
        drop(first);
        assert_eq!(second.block_on(async { 7 }), 7);
    }
}
