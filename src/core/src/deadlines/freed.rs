//! What other threads have freed, until the main thread hears of it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

use super::Handle;

/// So many handles are taken at once.
const CHUNK: usize = 512;

/// Handles of machines that were freed. Servers free values in the background too, where the index
/// may not be touched.
///
/// [`push`](Self::push) from any thread, [`take`](Self::take) on the main one and give what comes to
/// [`Deadlines::forget`](super::Deadlines::forget), of each index there is.
///
/// It grows by chunks and not by doubling, because a whole database of machines may be freed before
/// the main thread comes by, and nobody should hold the lock while so much is copied.
#[derive(Debug, Default)]
pub struct FreedQueue {
    chunks: Mutex<Vec<Vec<Handle>>>,
    /// How many there are: the main thread asks this much more often than there are any.
    waiting: AtomicUsize,
}

impl FreedQueue {
    /// Makes an empty queue.
    pub const fn new() -> Self {
        Self {
            chunks: Mutex::new(Vec::new()),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Adds the handle of a machine that was freed.
    pub fn push(&self, handle: Handle) {
        // Sound between any two steps, so a panic elsewhere does not matter.
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(handle),
            _ => chunks.push(vec![handle]),
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns some of the handles, at most 512, in no particular order. `None` if there are none, or
    /// if another thread is adding one right now: this never waits, so ask again later.
    pub fn take(&self) -> Option<Vec<Handle>> {
        if self.is_empty() {
            return None;
        }
        let mut chunks = match self.chunks.try_lock() {
            Ok(chunks) => chunks,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let taken = chunks.pop()?;
        self.waiting.fetch_sub(taken.len(), Ordering::Relaxed);
        Some(taken)
    }

    /// Returns whether there is nothing to take. Costs one load.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::super::handle::Generation;
    use super::*;

    fn handle(slot: u32) -> Handle {
        Handle {
            slot,
            generation: Generation::MIN,
        }
    }

    #[test]
    fn gives_back_each_once_in_chunks() {
        let queue = FreedQueue::new();
        assert!(queue.is_empty() && queue.take().is_none());
        (0..1200).for_each(|slot| queue.push(handle(slot)));
        assert!(!queue.is_empty());
        let mut chunks: Vec<Vec<Handle>> = std::iter::from_fn(|| queue.take()).collect();
        assert!(chunks.iter().all(|chunk| chunk.len() <= CHUNK));
        assert_eq!(chunks.len(), 3);
        chunks.reverse();
        assert!(chunks.concat().into_iter().eq((0..1200).map(handle)));
        assert!(queue.is_empty());
    }

    #[test]
    fn does_not_wait_for_another_thread() {
        let queue = FreedQueue::new();
        queue.push(handle(1));
        let guard = queue.chunks.lock().unwrap();
        assert!(thread::scope(|scope| scope.spawn(|| queue.take()).join().unwrap()).is_none());
        drop(guard);
        assert_eq!(queue.take(), Some(vec![handle(1)]));
    }

    #[test]
    fn survives_a_panic_under_its_lock() {
        let queue = FreedQueue::new();
        queue.push(handle(1));
        let panicked = thread::scope(|scope| {
            let hold = || {
                let _guard = queue.chunks.lock().unwrap();
                std::panic::resume_unwind(Box::new(()));
            };
            scope.spawn(hold).join()
        });
        assert!(panicked.is_err());
        queue.push(handle(2));
        assert_eq!(queue.take(), Some(vec![handle(1), handle(2)]));
    }

    #[test]
    fn loses_none_of_several_threads() {
        const EACH: u32 = if cfg!(miri) { 50 } else { 20_000 };
        let queue = FreedQueue::new();
        let mut got = HashSet::new();
        thread::scope(|scope| {
            let pushers: Vec<_> = (0..3)
                .map(|of| {
                    let all = of * EACH..(of + 1) * EACH;
                    scope.spawn(|| all.for_each(|slot| queue.push(handle(slot))))
                })
                .collect();
            while !queue.is_empty() || pushers.iter().any(|pusher| !pusher.is_finished()) {
                for handle in queue.take().into_iter().flatten() {
                    assert!(got.insert(handle.slot));
                }
                thread::yield_now();
            }
        });
        assert_eq!(got.len(), 3 * EACH as usize);
    }
}
