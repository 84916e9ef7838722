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

/// Timers that fired.
pub static TIMERS_FIRED: Counter = Counter::new();
/// Times that a timer couldn't fire and was tried again later.
pub static TIMERS_REFUSED: Counter = Counter::new();
/// Timers of machines that were renamed or moved, and found again.
pub static TIMERS_HEALED: Counter = Counter::new();
/// How late timers fired.
pub static TIMERS_LATE: Late = Late::new();

/// How late something happened, in ms: the last time, and the worst.
pub struct Late {
    last: AtomicU64,
    most: AtomicU64,
}

impl Late {
    const fn new() -> Self {
        Self {
            last: AtomicU64::new(0),
            most: AtomicU64::new(0),
        }
    }

    /// Notes how late it was.
    pub fn note(&self, ms: u64) {
        self.last.store(ms, Ordering::Relaxed);
        self.most.fetch_max(ms, Ordering::Relaxed);
    }

    /// Returns how late it was the last time.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }

    /// Returns how late it was at worst.
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }
}

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
