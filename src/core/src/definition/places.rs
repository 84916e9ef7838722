//! Where a list has a number, in constant time.
//!
//! The numbers of many lists lie one after the other: the targets of all rows, the events of all
//! rows. A list of up to [`LINEAR_SCAN_MAX`] numbers is searched one by one. The numbers of all
//! longer lists are in one hash table, which holds neither numbers nor hashes, but the place of each.
//! With a `LINEAR_SCAN_MAX` of 2, for example:
//!
//! ```text
//! map       {"a":["b","c","b","a"],"b":["a"]}      a = 0, b = 1, c = 2
//! targets    1   2   1   0          0              list of a = 0..4, list of b = 4..5
//! place      0   1   2   3          4
//! table      0 → 1 at 0,  0 → 2 at 1,  0 → 0 at 3  (place 2 repeats 0 → 1; b's list is short)
//! ```
//!
//! To look for state 2 in the list of state 0: its hash leads to the value 1; place 1 is in that list
//! and holds state 2, so it is there. A number is in the table once for each list, at its first
//! place, so that repeats take no room.

use std::ops::Range;

use rkyv::rend::unaligned::u32_ule;

use crate::hash;
use crate::probe::Probe;

/// The longest list that is searched one by one. Sixteen comparisons of adjacent integers cost less
/// than a hash, and short lists then need no table at all.
const LINEAR_SCAN_MAX: usize = 16;

/// Returns whether a list is in the table, and not searched one by one.
#[inline(always)]
pub(super) fn is_long(list: &Range<usize>) -> bool {
    list.len() > LINEAR_SCAN_MAX
}

/// The table of the long lists.
#[derive(Debug)]
pub(super) struct Places(Probe);

impl Places {
    /// Makes the table of no lists.
    pub(super) fn none() -> Self {
        Self(Probe::with_room_for(0))
    }

    /// Builds the table of lists, the first of which belongs to owner 0. `limit` is one more than the
    /// largest number.
    pub(super) fn of(
        numbers: &[u32],
        lists: impl Iterator<Item = Range<usize>> + Clone,
        limit: usize,
    ) -> Self {
        let long = (0..).zip(lists).filter(|(_, list)| is_long(list));
        let mut table = Probe::with_room_for(count_distinct(numbers, long.clone(), limit));
        for (owner, list) in long {
            put_in(&mut table, numbers, owner, &list);
        }
        Self(table)
    }

    /// Returns where the list of `owner` has `number` first.
    #[inline]
    pub(super) fn find(
        &self,
        numbers: &[u32_ule],
        owner: u32,
        list: Range<usize>,
        number: u32,
    ) -> Option<usize> {
        if !is_long(&list) {
            let start = list.start;
            let list = numbers.get(list).unwrap_or_default();
            let at = list.iter().position(|other| other.to_native() == number)?;
            return Some(start + at);
        }
        let is_it = |at: u32| {
            let at = at as usize;
            list.contains(&at) && numbers.get(at).is_some_and(|n| n.to_native() == number)
        };
        let at = self.0.find(hash::of_pair(owner, number), is_it);
        at.map(|at| at as usize)
    }

    /// Returns the heap block behind the table, for memory accounting.
    pub(super) fn block(&self) -> &[u32] {
        self.0.block()
    }
}

/// Puts the numbers of a list into the table, each at its first place.
#[expect(clippy::indexing_slicing, reason = "parts that obey every rule")]
fn put_in(table: &mut Probe, numbers: &[u32], owner: u32, list: &Range<usize>) {
    for at in list.clone() {
        let number = numbers[at];
        let same =
            |other: u32| list.contains(&(other as usize)) && numbers[other as usize] == number;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an archive's ends are 32-bit"
        )]
        table.insert(hash::of_pair(owner, number), at as u32, same);
    }
}

/// Counts the numbers of lists without repeats: a row may list one target millions of times, in a
/// payload that was compressed to next to nothing.
#[expect(clippy::indexing_slicing, reason = "parts that obey every rule")]
fn count_distinct(
    numbers: &[u32],
    lists: impl Iterator<Item = (u32, Range<usize>)> + Clone,
    limit: usize,
) -> usize {
    if lists.clone().next().is_none() {
        return 0;
    }
    // For each number the last list that was seen to have it, counted from one.
    let mut last_in = vec![0_u32; limit];
    let mut is_new = |number: u32, owner: u32| {
        std::mem::replace(&mut last_in[number as usize], owner + 1) != owner + 1
    };
    let count = |(owner, list): (u32, Range<usize>)| {
        let numbers = numbers[list].iter();
        numbers.filter(|&&number| is_new(number, owner)).count()
    };
    lists.map(count).sum()
}
