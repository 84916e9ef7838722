//! The one hash function of the process.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use ahash::RandomState;

/// Randomly keyed, so that nobody can prepare names that collide. For the same reason a hash is
/// never stored: the next process has other keys.
static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Returns the hash of a byte string.
#[inline(always)]
pub(crate) fn of_bytes(bytes: &[u8]) -> u64 {
    // Not `hash_one`, which hashes the length beside the bytes: this hasher mixes it in anyway.
    let mut hasher = STATE.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Returns the hash of two numbers, such as the states of a transition.
#[inline]
pub(crate) fn of_pair(one: u32, other: u32) -> u64 {
    STATE.hash_one((u64::from(one) << 32) | u64::from(other))
}
