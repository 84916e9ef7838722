//! Whether a row lists a target, in constant time.
//!
//! A row of up to [`LINEAR_SCAN_MAX`] targets is searched one by one. The transitions of all longer
//! rows are in one hash table, which holds neither states nor hashes, but the position of each
//! transition in the targets. With a `LINEAR_SCAN_MAX` of 2, for example:
//!
//! ```text
//! map       {"a":["b","c","b","a"],"b":["a"]}      a = 0, b = 1, c = 2
//! targets    1   2   1   0          0              row of a = 0..4, row of b = 4..5
//! position   0   1   2   3          4
//! table      0 → 1 at 0,  0 → 2 at 1,  0 → 0 at 3  (position 2 repeats 0 → 1; b's row is short)
//! ```
//!
//! To check `0 → 2`: its hash leads to the value 1; position 1 is in the row of state 0 and holds
//! state 2, so the transition exists. A position is listed once, the first time, so that repeats
//! take no room and [`Transitions::next`] can leave them out.

use std::ops::Range;

use super::parts::{DefinitionParts, StateId};
use super::view::DefinitionView;
use crate::hash;
use crate::probe::Probe;

/// The longest row that is searched one by one. Sixteen comparisons of adjacent integers cost less
/// than a hash, and short rows then need no table at all.
const LINEAR_SCAN_MAX: usize = 16;

/// The table of the transitions of long rows.
#[derive(Debug)]
pub(super) struct Transitions(Probe);

impl Transitions {
    /// Builds the table from parts that passed every check.
    #[expect(clippy::indexing_slicing, reason = "parts that passed every check")]
    pub(super) fn of(parts: &DefinitionParts) -> Self {
        let is_long = |row: &Range<usize>| row.len() > LINEAR_SCAN_MAX;
        let targets = &parts.targets;
        let mut index = Probe::with_room_for(count_distinct(parts, is_long));
        for (from, row) in (0..).zip(parts.rows()).filter(|(_, row)| is_long(row)) {
            for at in row.clone() {
                let to = targets[at];
                let same =
                    |other: u32| row.contains(&(other as usize)) && targets[other as usize] == to;
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "an archive's ends are 32-bit"
                )]
                index.insert(hash::of_transition(from, to), at as u32, same);
            }
        }
        Self(index)
    }

    /// Returns whether the row of `from` lists `to`.
    #[inline]
    pub(super) fn allow(&self, view: DefinitionView<'_>, from: StateId, to: StateId) -> bool {
        let row = view.row_range(from);
        let targets = view.targets();
        if row.len() <= LINEAR_SCAN_MAX {
            let row = targets.get(row).unwrap_or_default();
            return row.iter().any(|target| target.to_native() == to);
        }
        self.position(view, from, &row, to).is_some()
    }

    /// Returns the targets of a row in document order, each once.
    #[expect(clippy::indexing_slicing, reason = "a position in the row itself")]
    pub(super) fn next<'a>(
        &'a self,
        view: DefinitionView<'a>,
        from: StateId,
    ) -> impl Iterator<Item = StateId> + 'a {
        let row = view.row_range(from);
        let targets = view.row(from);
        (0..)
            .zip(targets)
            .map(|(at, target)| (at, target.to_native()))
            .filter(move |&(at, to)| {
                if row.len() <= LINEAR_SCAN_MAX {
                    return !targets[..at].iter().any(|before| before.to_native() == to);
                }
                // The table holds the first position of every transition.
                self.position(view, from, &row, to) == Some(row.start + at)
            })
            .map(|(_, to)| to)
    }

    /// Returns where a transition of a long row is in the targets.
    #[inline]
    fn position(
        &self,
        view: DefinitionView<'_>,
        from: StateId,
        row: &Range<usize>,
        to: StateId,
    ) -> Option<usize> {
        let targets = view.targets();
        let is_transition = |at: u32| {
            row.contains(&(at as usize))
                && targets
                    .get(at as usize)
                    .is_some_and(|target| target.to_native() == to)
        };
        let at = self.0.find(hash::of_transition(from, to), is_transition);
        at.map(|at| at as usize)
    }

    /// Returns the heap block behind the table, for memory accounting.
    pub(super) fn block(&self) -> &[u32] {
        self.0.block()
    }
}

/// Counts the transitions of the chosen rows without repeats: a row may list one target millions of
/// times, in a payload that was compressed to next to nothing.
#[expect(clippy::indexing_slicing, reason = "parts that passed every check")]
fn count_distinct(parts: &DefinitionParts, is_chosen: impl Fn(&Range<usize>) -> bool) -> usize {
    if !parts.rows().any(|row| is_chosen(&row)) {
        return 0;
    }
    // For each state the last row that was seen to list it, counted from one.
    let mut listed_by = vec![0_u32; parts.name_ends.len()];
    let rows = (1..).zip(parts.rows()).filter(|(_, row)| is_chosen(row));
    rows.flat_map(|(from, row)| parts.targets[row].iter().map(move |&to| (from, to)))
        .filter(|&(from, to)| std::mem::replace(&mut listed_by[to as usize], from) != from)
        .count()
}
