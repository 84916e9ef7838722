//! The counters that INFO shows. They start at zero when the module is loaded.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that only grows.
pub struct Counter(AtomicU64);

/// Moves and resets that changed something.
pub static MOVES_DONE: Counter = Counter::new();
/// Moves refused because the machine does not have that transition.
pub static MOVES_REFUSED: Counter = Counter::new();
/// Documents that were parsed.
pub static DOCUMENTS_PARSED: Counter = Counter::new();
/// Documents recognised by their bytes.
pub static DOCUMENTS_RECOGNISED: Counter = Counter::new();
/// Commands refused by a limit.
pub static LIMITS_HIT: Counter = Counter::new();
/// Values refused by RESTORE or in a file.
pub static LOADS_REFUSED: Counter = Counter::new();

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds one. Commands run one at a time, so a load and a store lose no increment, and they cost
    /// less than an atomic addition.
    #[inline]
    pub fn increment(&self) {
        self.0.store(self.get() + 1, Ordering::Relaxed);
    }

    /// Returns the count.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
