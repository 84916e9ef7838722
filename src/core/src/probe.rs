//! An open-addressing table of `u32` values that keeps neither keys nor hashes.
//!
//! The caller hashes and compares; the table only says where to look. At a fixed load of two
//! thirds it costs six bytes a value whatever the count. A general hash table that grows by powers
//! of two costs 5.7 to 11.4, and the difference decides whether a definition stays within four
//! times the size of its document (see `docs/benchmarks.md`).

/// Marks a slot that holds nothing.
const EMPTY: u32 = u32::MAX;

/// A fixed-capacity table of `u32` values found by hash and equality.
#[derive(Debug)]
pub(crate) struct Probe {
    slots: Box<[u32]>,
    room: usize,
}

impl Probe {
    /// Makes an empty table with room for `room` values (none of them `u32::MAX`). One without room
    /// takes no memory.
    pub(crate) fn with_room_for(room: usize) -> Self {
        let slots = match room {
            0 => 0,
            // One slot always stays empty, so that every search ends.
            room => room + room / 2 + 1,
        };
        Self {
            slots: vec![EMPTY; slots].into_boxed_slice(),
            room,
        }
    }

    /// Makes a table with room for `room` values and puts in the numbers from `first` on, each under
    /// its hash. The caller knows that they differ.
    pub(crate) fn of_distinct(first: u32, hashes: impl Iterator<Item = u64>, room: usize) -> Self {
        let mut probe = Self::with_room_for(room);
        for (value, hash) in (first..).zip(hashes) {
            probe.insert(hash, value, |_| false);
        }
        probe
    }

    /// Returns the value that `is_match` accepts among those whose hash leads here.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is_match: impl Fn(u32) -> bool) -> Option<u32> {
        let mut slot = self.first_slot(hash);
        loop {
            let value = *self.slots.get(slot)?;
            if value == EMPTY {
                return None;
            }
            if is_match(value) {
                return Some(value);
            }
            slot = self.next_slot(slot);
        }
    }

    /// Puts `value` in, unless `is_match` accepts one that is in already: then returns that one. A
    /// table without room stays empty.
    #[inline]
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        value: u32,
        is_match: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let mut slot = self.first_slot(hash);
        loop {
            let found = self.slots.get_mut(slot)?;
            if *found == EMPTY {
                *found = value;
                return None;
            }
            if is_match(*found) {
                return Some(*found);
            }
            slot = self.next_slot(slot);
        }
    }

    /// Returns how many values the table has room for.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// Returns the heap block behind the table, for memory accounting.
    pub(crate) fn block(&self) -> &[u32] {
        &self.slots
    }

    /// Maps a hash to a slot by its high bits: a multiplication instead of a division, and no
    /// power of two needed.
    #[inline]
    fn first_slot(&self, hash: u64) -> usize {
        let scaled = (u128::from(hash) * self.slots.len() as u128) >> 64;
        #[expect(clippy::cast_possible_truncation, reason = "below the number of slots")]
        let slot = scaled as usize;
        slot
    }

    #[inline]
    fn next_slot(&self, slot: usize) -> usize {
        let next = slot + 1;
        if next == self.slots.len() { 0 } else { next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_even_when_every_hash_collides() {
        let mut probe = Probe::with_room_for(100);
        for value in 0..100 {
            assert_eq!(probe.insert(u64::MAX, value, |v| v == value), None);
        }
        for value in 0..100 {
            assert_eq!(probe.find(u64::MAX, |v| v == value), Some(value));
        }
        assert_eq!(probe.find(u64::MAX, |v| v == 100), None);
    }

    #[test]
    fn an_equal_value_is_reported_and_not_stored_twice() {
        let mut probe = Probe::with_room_for(2);
        assert_eq!(probe.insert(7, 1, |v| v == 1), None);
        assert_eq!(probe.insert(7, 1, |v| v == 1), Some(1));
    }

    #[test]
    fn an_empty_table_finds_nothing() {
        let mut empty = Probe::with_room_for(0);
        assert_eq!(empty.find(3, |_| true), None);
        assert_eq!(empty.insert(3, 1, |_| true), None);
        assert_eq!(empty.find(3, |_| true), None);
        assert!(empty.block().is_empty());
    }

    #[test]
    fn costs_six_bytes_a_value() {
        assert_eq!(size_of_val(Probe::with_room_for(1000).block()), 6004);
    }
}
