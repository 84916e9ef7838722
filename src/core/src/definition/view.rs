//! A definition's parts as they lie in the archive, without a copy.

use std::ops::Range;

use rkyv::rend::unaligned::u32_ule;

use super::parts::{ArchivedDefinitionParts, StateId};

/// A definition's parts, read in place.
#[derive(Clone, Copy)]
pub(crate) struct DefinitionView<'a>(&'a ArchivedDefinitionParts);

impl<'a> DefinitionView<'a> {
    #[inline(always)]
    pub(super) fn new(archived: &'a ArchivedDefinitionParts) -> Self {
        Self(archived)
    }

    #[inline]
    pub(super) fn state_count(self) -> usize {
        self.0.name_ends.len()
    }

    #[inline]
    pub(super) fn row_count(self) -> usize {
        self.0.row_ends.len()
    }

    /// Returns all states.
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_STATES")]
    pub(super) fn state_ids(self) -> Range<StateId> {
        0..self.state_count() as StateId
    }

    /// Returns the states with an entry of their own in the map. They have the lowest IDs.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "at most MAX_STATES")]
    pub(crate) fn row_states(self) -> Range<StateId> {
        0..self.row_count() as StateId
    }

    #[inline]
    pub(crate) fn initial(self) -> StateId {
        self.0.initial.to_native()
    }

    #[inline]
    pub(crate) fn names(self) -> &'a [u8] {
        self.0.names.as_slice()
    }

    pub(crate) fn name_ends(self) -> &'a [u32_ule] {
        self.0.name_ends.as_slice()
    }

    pub(crate) fn row_ends(self) -> &'a [u32_ule] {
        self.0.row_ends.as_slice()
    }

    /// Returns the name of a state; empty for an unknown ID.
    #[inline(always)]
    pub(crate) fn name(self, state: StateId) -> &'a [u8] {
        let range = nth_range(self.0.name_ends.as_slice(), state);
        self.names().get(range).unwrap_or_default()
    }

    /// Returns where the targets of a state lie in [`targets`](Self::targets); empty for a state
    /// without an entry of its own.
    #[inline]
    pub(super) fn row_range(self, state: StateId) -> Range<usize> {
        nth_range(self.0.row_ends.as_slice(), state)
    }

    #[inline]
    pub(crate) fn row(self, state: StateId) -> &'a [u32_ule] {
        self.targets()
            .get(self.row_range(state))
            .unwrap_or_default()
    }

    #[inline]
    pub(crate) fn targets(self) -> &'a [u32_ule] {
        self.0.targets.as_slice()
    }
}

/// Returns the `index`-th of consecutive ranges, which are given by their ends; empty if there are
/// fewer.
#[inline(always)]
pub(crate) fn nth_range(ends: &[u32_ule], index: u32) -> Range<usize> {
    let index = index as usize;
    let Some(end) = ends.get(index) else {
        return 0..0;
    };
    let start = index.checked_sub(1).and_then(|before| ends.get(before));
    start.map_or(0, |start| start.to_native() as usize)..end.to_native() as usize
}
