//! A count that any thread may raise.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that any thread may raise.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises the count.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The count now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
