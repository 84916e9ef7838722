//! What the index of deadlines takes from an allocator, counted there.
//!
//!     cargo test -p redis-state-core --test allocation -- --nocapture     prints the figures
//!
//! A test program of its own, because an allocator is for a whole program.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use redis_state_core::{Deadlines, Handle};

/// Some bytes, as they were asked for and as jemalloc, the servers' allocator, rounds them up.
#[derive(Debug, Clone, Copy, Default)]
struct Bytes {
    asked: usize,
    rounded: usize,
}

/// What this thread has, and the most that it had.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    now: Bytes,
    most: Bytes,
}

thread_local! {
    static COUNT: Cell<Count> = const { Cell::new(Count {
        now: Bytes { asked: 0, rounded: 0 },
        most: Bytes { asked: 0, rounded: 0 },
    }) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns the size class of jemalloc: multiples of 16 up to 128, then four for each doubling.
fn size_class(bytes: usize) -> usize {
    match bytes {
        0..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2)),
    }
}

fn note(change: impl Fn(usize, usize) -> usize, bytes: usize) {
    let mut count = COUNT.get();
    count.now.asked = change(count.now.asked, bytes);
    count.now.rounded = change(count.now.rounded, size_class(bytes));
    count.most.asked = count.most.asked.max(count.now.asked);
    count.most.rounded = count.most.rounded.max(count.now.rounded);
    COUNT.set(count);
}

// SAFETY: all work is done by the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(usize::wrapping_add, layout.size());
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        note(usize::wrapping_sub, layout.size());
        // SAFETY: the caller's promises are the system allocator's, and the block is its own.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Runs something and returns what it kept, as counted, the most that it had, and its result.
fn counted<T>(run: impl FnOnce() -> T) -> (Bytes, Bytes, T) {
    let before = COUNT.get().now;
    COUNT.set(Count {
        now: before,
        most: before,
    });
    let result = run();
    let after = COUNT.get();
    let since = |bytes: Bytes| Bytes {
        asked: bytes.asked - before.asked,
        rounded: bytes.rounded - before.rounded,
    };
    (since(after.now), since(after.most), result)
}

fn filled(count: usize, name: &[u8], handles: &mut Vec<Handle>) -> Deadlines {
    let mut index = Deadlines::new();
    for at in 0..count as u64 {
        handles.push(index.insert(0, name, at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20));
    }
    index
}

fn each(bytes: usize, count: usize) -> f64 {
    bytes as f64 / count as f64
}

#[test]
fn an_entry_takes_what_it_is_meant_to_take() {
    for (name_bytes, count, limit) in [
        (14, 1_000, 54.0),
        (14, 1_000_000, 52.5),
        (22, 100_000, 52.5),
        (23, 100_000, 84.5),
        (36, 100_000, 100.5),
    ] {
        let name = vec![b'k'; name_bytes];
        let mut handles = Vec::with_capacity(count);
        let (kept, most, index) = counted(|| filled(count, &name, &mut handles));
        println!(
            "{count:>9} names of {name_bytes} bytes: {:.2} bytes an entry, {:.2} in jemalloc, \
             at most {:.2} while it grew",
            each(kept.asked, count),
            each(kept.rounded, count),
            each(most.rounded, count),
        );
        assert!(each(kept.rounded, count) <= limit);
        // It never has two copies of itself. The heads of the blocks do double.
        assert!(each(most.rounded - kept.rounded, count) <= 0.2 + 12_000.0 / count as f64);
        let own = index.memory();
        assert!(own.abs_diff(kept.asked) <= 1_000, "{own}, really {kept:?}");
    }
}

#[test]
fn what_was_removed_is_given_back() {
    const COUNT: usize = 100_000;
    for name in [&b"order:12345678"[..], b"a name that needs a heap block"] {
        let mut handles = Vec::with_capacity(COUNT);
        let (kept, ..) = counted(|| {
            let mut index = filled(COUNT, name, &mut handles);
            for (at, &handle) in handles.iter().enumerate() {
                match at % 3 {
                    0 => index.remove(handle),
                    1 => index.lose(handle),
                    _ => {}
                }
            }
            index.flush(0);
            for chunk in handles.chunks(512) {
                index.forget(chunk);
            }
            assert!(!index.sweep(usize::MAX));
            index
        });
        assert!(kept.asked < 1_000, "{kept:?}");
    }
}

/// Names are dropped as entries are lost, and the queue and the sweep leak none.
#[test]
fn an_index_that_is_dropped_leaves_nothing() {
    let (kept, ..) = counted(|| {
        let mut handles = Vec::new();
        let mut index = filled(5_000, b"a name that needs a heap block", &mut handles);
        handles
            .iter()
            .step_by(3)
            .for_each(|&handle| index.lose(handle));
        index.flush(0);
        index.sweep(1_000);
        drop(index);
    });
    assert_eq!((kept.asked, kept.rounded), (0, 0));
}
