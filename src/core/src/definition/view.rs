//! A definition's parts as they lie in the archive, without a copy.

use std::ops::Range;

use rkyv::rend::unaligned::{u32_ule, u64_ule};

use super::adjacency::{mask, words_of};
use super::parts::{ArchivedDefinitionParts, ArchivedRareParts, EventId, NO_STATE, StateId};

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
        self.slice(self.row_range(state))
    }

    #[inline]
    pub(crate) fn targets(self) -> &'a [u32_ule] {
        self.0.targets.as_slice()
    }

    /// Returns a part of the targets.
    #[inline]
    pub(super) fn slice(self, range: Range<usize>) -> &'a [u32_ule] {
        self.targets().get(range).unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn adjacency(self) -> &'a [u64_ule] {
        self.0.adjacency.as_slice()
    }

    /// Returns the bit of a transition in the adjacency, which has to be there; false for unknown
    /// states.
    #[inline(always)]
    pub(super) fn bit(self, from: StateId, to: StateId) -> bool {
        let words = words_of(self.state_count());
        let at = to as usize / u64::BITS as usize;
        let word = self.adjacency().get(from as usize * words + at);
        at < words && word.is_some_and(|word| word.to_native() & mask(to) != 0)
    }

    /// Returns what a document of version 1.0 couldn't say, if there is anything.
    #[inline(always)]
    pub(crate) fn rare(self) -> Option<RareView<'a>> {
        self.0.rare.as_slice().first().map(RareView)
    }
}

/// What few definitions have, read in place.
#[derive(Clone, Copy)]
pub(crate) struct RareView<'a>(&'a ArchivedRareParts);

impl<'a> RareView<'a> {
    /// Returns how many events have a name.
    pub(super) fn event_count(self) -> usize {
        self.0.event_ends.len()
    }

    /// Returns the name of an event; empty for none.
    #[inline]
    pub(crate) fn event_name(self, event: EventId) -> &'a [u8] {
        let range = event.checked_sub(1);
        let range = range.map_or(0..0, |at| nth_range(&self.0.event_ends, at));
        self.0.event_names.get(range).unwrap_or_default()
    }

    /// Returns whether a row has a named event, so that rows have groups.
    #[inline]
    pub(crate) fn has_groups(self) -> bool {
        !self.0.row_groups.is_empty()
    }

    /// Returns where the groups of a state lie; empty for a state without a row.
    #[inline]
    pub(crate) fn groups_of(self, state: StateId) -> Range<usize> {
        nth_range(&self.0.row_groups, state)
    }

    /// Returns the events of all groups.
    #[inline]
    pub(super) fn group_events(self) -> &'a [u32_ule] {
        &self.0.group_events
    }

    /// Returns the event of a group, and where its targets lie among all targets.
    #[inline]
    pub(crate) fn group(self, group: usize) -> (EventId, Range<usize>) {
        let event = self.0.group_events.get(group);
        let range = nth_usize_range(&self.0.group_ends, group);
        (event.map_or(0, |event| event.to_native()), range)
    }

    /// Returns the events of `any`.
    #[inline]
    pub(super) fn any_events(self) -> &'a [u32_ule] {
        &self.0.any_events
    }

    /// Returns an event of `any` and its targets, by its place there.
    #[inline]
    pub(crate) fn any(self, place: usize) -> (EventId, &'a [u32_ule]) {
        let event = self.0.any_events.get(place);
        let range = nth_usize_range(&self.0.any_ends, place);
        let targets = self.0.any_targets.get(range).unwrap_or_default();
        (event.map_or(0, |event| event.to_native()), targets)
    }

    /// Returns how many targets the events of `any` have together.
    pub(super) fn any_target_count(self) -> usize {
        self.0.any_targets.len()
    }

    /// Returns the states that have a timer.
    #[inline]
    pub(super) fn timer_states(self) -> &'a [u32_ule] {
        &self.0.after_states
    }

    /// Returns a timer by its place in `after`: its state, its time and its target, if it has these.
    pub(crate) fn timer(self, place: usize) -> Option<(StateId, Option<u64>, Option<StateId>)> {
        let state = self.0.after_states.get(place)?.to_native();
        let ms = self.0.after_ms.get(place)?.to_native();
        let target = self.0.after_targets.get(place)?.to_native();
        let target = (target != NO_STATE).then_some(target);
        Some((state, (ms > 0).then_some(ms), target))
    }

    /// Returns how many moves a machine remembers; 0 for none.
    pub(crate) fn history(self) -> u32 {
        self.0.history.to_native()
    }

    /// Returns the definition's own name; empty for none.
    pub(crate) fn label(self) -> &'a [u8] {
        &self.0.label
    }

    pub(crate) fn revision(self) -> Option<u32> {
        self.0.revision.first().map(|revision| revision.to_native())
    }
}

/// Returns the `index`-th of consecutive ranges, which are given by their ends; empty if there are
/// fewer.
#[inline(always)]
pub(crate) fn nth_range(ends: &[u32_ule], index: u32) -> Range<usize> {
    nth_usize_range(ends, index as usize)
}

#[inline(always)]
fn nth_usize_range(ends: &[u32_ule], index: usize) -> Range<usize> {
    let Some(end) = ends.get(index) else {
        return 0..0;
    };
    let start = index.checked_sub(1).and_then(|before| ends.get(before));
    start.map_or(0, |start| start.to_native() as usize)..end.to_native() as usize
}
