//! How many machines are in each state of a definition.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Interned;
use crate::definition::StateId;

/// A counter for each state.
///
/// A machine counts itself from when it is made until it is dropped, on whichever thread that is.
/// More machines than a counter can hold don't fit in memory.
#[derive(Debug)]
pub(crate) struct Counts(Box<[AtomicU32]>);

impl Counts {
    pub(super) fn of(states: usize) -> Self {
        Self((0..states).map(|_| AtomicU32::new(0)).collect())
    }

    /// Counts a machine that has come into a state.
    #[inline(always)]
    pub(crate) fn add(&self, state: StateId) {
        if let Some(count) = self.0.get(state as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a machine that has left a state.
    #[inline(always)]
    pub(crate) fn remove(&self, state: StateId) {
        if let Some(count) = self.0.get(state as usize) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Counts a move. Every move pays for this, so both places are looked up before either changes.
    #[inline(always)]
    pub(crate) fn shift(&self, from: StateId, to: StateId) {
        let counts = &*self.0;
        if let (Some(from), Some(to)) = (counts.get(from as usize), counts.get(to as usize)) {
            from.fetch_sub(1, Ordering::Relaxed);
            to.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the counts, by the states' numbers.
    pub(super) fn get(&self) -> impl Iterator<Item = u64> + '_ {
        let counts = self.0.iter();
        counts.map(|count| count.load(Ordering::Relaxed).into())
    }

    /// Returns the heap block: address and bytes.
    pub(super) fn block(&self) -> (*const u8, usize) {
        (self.0.as_ptr().cast(), size_of_val(&*self.0))
    }
}

/// Returns how many machines of these definitions are in each state: each name once, with the sum, in
/// the order in which the definitions have them. Linear in their states.
pub fn count_by_state(definitions: &[Arc<Interned>]) -> Vec<(&[u8], u64)> {
    // The names of one definition differ.
    if let [only] = definitions {
        return only.counts_by_state().collect();
    }
    let mut places = HashMap::new();
    let mut sums: Vec<(&[u8], u64)> = Vec::new();
    for (name, count) in definitions.iter().flat_map(|one| one.counts_by_state()) {
        let place = *places.entry(name).or_insert(sums.len());
        match sums.get_mut(place) {
            Some((_, sum)) => *sum += count,
            None => sums.push((name, count)),
        }
    }
    sums
}
