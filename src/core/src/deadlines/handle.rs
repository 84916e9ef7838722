//! How a machine names its entry.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

/// Tells the entries that were in one slot after another apart. Zero is for a slot without an entry.
pub(super) type Generation = NonZeroU32;

/// Names an entry of a [`Deadlines`](super::Deadlines). The machine keeps it, in 8 bytes (an
/// `Option` of it takes no more), and neither stores nor digests it.
///
/// No two entries of a process have the same generation, so a handle is valid in one index only, and
/// in none once its entry is gone. The generations start again after 2³² entries. Then a handle
/// that was out of date all that time, and whose slot got the same number again, would be taken for
/// another's. An entry is a hint that is checked before it is believed, so that would be harmless
/// too.
///
/// A copy of a machine must not keep the handle of its original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle {
    pub(super) slot: u32,
    pub(super) generation: Generation,
}

/// Gives out generations.
#[derive(Debug)]
pub(super) struct Generations(AtomicU32);

/// Those of this process. All indexes share them, so that a handle says which index it belongs to.
pub(super) static GENERATIONS: Generations = Generations(AtomicU32::new(0));

impl Generations {
    #[inline]
    pub(super) fn next(&self) -> Generation {
        self.take()
            .or_else(|| self.take())
            .unwrap_or(Generation::MIN)
    }

    /// Returns nothing once in 2³² times, for zero.
    #[inline]
    fn take(&self) -> Option<Generation> {
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        Generation::new(before.wrapping_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_takes_eight_bytes_with_or_without_an_entry() {
        assert_eq!(size_of::<Handle>(), 8);
        assert_eq!(size_of::<Option<Handle>>(), 8);
    }

    #[test]
    fn generations_start_again_without_zero() {
        let generations = Generations(AtomicU32::new(u32::MAX - 2));
        let next: Vec<u32> = (0..4).map(|_| generations.next().get()).collect();
        assert_eq!(next, [u32::MAX - 1, u32::MAX, 1, 2]);
    }
}
