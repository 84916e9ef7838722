//! The rules of meaning: what parts have to obey so that a document can say them.
//!
//! The order matters: later rules rely on counts and ranges that earlier ones checked. All are
//! linear in the parts.

use std::cmp::Ordering;
use std::ops::Range;

use super::error::{ArchiveError, Kind};
use super::parts::{DefinitionParts, RareParts, UNNAMED};
use super::repeats::first_repeat;
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_HISTORY, MAX_LABEL_BYTES, MAX_MS, MAX_STATES};

impl DefinitionParts {
    /// Checks the rules of meaning, except that names differ, which the tables of names find out.
    ///
    /// # Errors
    ///
    /// The first rule that the parts break.
    pub(super) fn check(&self) -> Result<(), ArchiveError> {
        let rare = || self.rare.iter();
        let kind = if self.name_ends.is_empty() || self.name_ends.len() > MAX_STATES {
            Kind::StateCount(self.name_ends.len())
        } else if self.row_ends.len() > self.name_ends.len() {
            Kind::RowCount(self.row_ends.len())
        } else if !covers(&self.row_ends, self.targets.len()) {
            Kind::Rows
        } else if !are_names(&self.names, &self.name_ends) {
            Kind::Names
        } else if let Some(kind) = rare().find_map(|rare| rare.problem(self)) {
            kind
        } else if !self.is_numbered_by_appearance() {
            Kind::Numbering
        } else if self.document_bytes() > MAX_DOCUMENT_BYTES {
            Kind::Document(self.document_bytes())
        } else {
            return Ok(());
        };
        Err(ArchiveError(kind))
    }

    /// Returns whether states without a row appear in the order of their IDs.
    ///
    /// It follows that every target is in range and that every state is used, except possibly the
    /// last: the current state of the document that the definition came from. Its name is never
    /// empty, because an empty `current` means `initial`.
    fn is_numbered_by_appearance(&self) -> bool {
        let any = self.rare.iter().flat_map(|rare| &rare.any_targets);
        let timers = self.rare.iter().flat_map(RareParts::timer_targets);
        let states = self.targets.iter().chain(any).chain(timers);
        let Some(seen) = count_new(states.chain([&self.initial]), self.row_ends.len()) else {
            return false;
        };
        let last_has_a_name = || self.name_ends.last() > self.name_ends.iter().nth_back(1);
        match self.name_ends.len().checked_sub(seen) {
            Some(0) => true,
            Some(1) => last_has_a_name(),
            _ => false,
        }
    }
}

impl RareParts {
    /// Returns the first rule that these parts of `all` break, except the numbering of states.
    fn problem(&self, all: &DefinitionParts) -> Option<Kind> {
        let label = std::str::from_utf8(&self.label);
        let rules = [
            (*self != Self::default(), Kind::Rare),
            (self.event_names_are_sound(), Kind::EventNames),
            (self.groups_are_sound(all), Kind::Groups),
            (self.any_is_sound(), Kind::Any),
            (self.events_are_numbered(), Kind::EventNumbering),
            (self.timers_are_sound(all.name_ends.len()), Kind::Timers),
            (self.history <= MAX_HISTORY, Kind::History(self.history)),
            (
                label.is_ok_and(|label| label.len() <= MAX_LABEL_BYTES),
                Kind::Label,
            ),
            (self.revision_is_sound(), Kind::Revision),
        ];
        let broken = rules.into_iter().find(|&(holds, _)| !holds);
        broken.map(|(_, kind)| kind)
    }

    /// Returns whether each event has a name of its own length.
    fn event_names_are_sound(&self) -> bool {
        are_names(&self.event_names, &self.event_ends)
            && self.event_names().all(|name| !name.is_empty())
    }

    /// Returns whether the groups divide the rows, and are what a document can say.
    fn groups_are_sound(&self, all: &DefinitionParts) -> bool {
        if self.row_groups.is_empty() {
            return self.group_events.is_empty() && self.group_ends.is_empty();
        }
        self.row_groups.len() == all.row_ends.len()
            && covers(&self.row_groups, self.group_events.len())
            && self.group_ends.len() == self.group_events.len()
            && covers(&self.group_ends, all.targets.len())
            && self.group_events.iter().any(|&event| event != UNNAMED)
            && self.groups_divide_rows(all)
            && self.row_groups().all(|row| self.row_is_sound(row, all))
    }

    /// Returns whether the last group of each row ends where the row ends.
    fn groups_divide_rows(&self, all: &DefinitionParts) -> bool {
        let last_end = |groups: Range<usize>| {
            let last = groups.end.checked_sub(1);
            last.and_then(|last| self.group_ends.get(last))
                .copied()
                .unwrap_or(0)
        };
        let ends = self.row_groups().map(last_end);
        ends.eq(all.row_ends.iter().copied())
    }

    /// Returns whether a row has no event twice, and no group that a document can't say.
    ///
    /// A row without named events is an array in the document, in which targets may repeat.
    #[expect(clippy::indexing_slicing, reason = "the ends were checked before")]
    fn row_is_sound(&self, row: Range<usize>, all: &DefinitionParts) -> bool {
        let events = &self.group_events[row.clone()];
        let is_array = events.iter().all(|&event| event == UNNAMED);
        let group_is_sound = |group: usize| {
            let start = group
                .checked_sub(1)
                .map_or(0, |before| self.group_ends[before]);
            let targets = &all.targets[start as usize..self.group_ends[group] as usize];
            let is_said = self.group_events[group] != UNNAMED || !targets.is_empty();
            is_said && (is_array || first_repeat(targets).is_none())
        };
        first_repeat(events).is_none() && row.into_iter().all(group_is_sound)
    }

    /// Returns whether each event of `any` has a name and different targets, and comes once.
    #[expect(clippy::indexing_slicing, reason = "the ends were checked before")]
    fn any_is_sound(&self) -> bool {
        let is_sound = |targets: Range<usize>| {
            !targets.is_empty() && first_repeat(&self.any_targets[targets]).is_none()
        };
        self.any_ends.len() == self.any_events.len()
            && covers(&self.any_ends, self.any_targets.len())
            && !self.any_events.contains(&UNNAMED)
            && first_repeat(&self.any_events).is_none()
            && self.any().all(is_sound)
    }

    /// Returns whether events appear in the order of their numbers, and each is used.
    fn events_are_numbered(&self) -> bool {
        let events = self.group_events.iter().chain(&self.any_events);
        count_new(events, 1) == Some(1 + self.event_count())
    }

    /// Returns whether each timer is one that a document can say. The numbering of states takes care
    /// of their targets.
    fn timers_are_sound(&self, states: usize) -> bool {
        self.after_ms.len() == self.after_states.len()
            && self.after_targets.len() == self.after_states.len()
            && self.after_states.iter().all(|&s| (s as usize) < states)
            && first_repeat(&self.after_states).is_none()
            && self.after_ms.iter().all(|&ms| ms <= MAX_MS)
    }

    fn revision_is_sound(&self) -> bool {
        self.revision.is_empty() || (self.revision.len() == 1 && !self.label.is_empty())
    }
}

/// Returns how many numbers are known after these, if each is one of those before or the next one.
fn count_new<'a>(numbers: impl Iterator<Item = &'a u32>, known: usize) -> Option<usize> {
    let mut seen = known;
    for &number in numbers {
        match (number as usize).cmp(&seen) {
            Ordering::Less => {}
            Ordering::Equal => seen += 1,
            Ordering::Greater => return None,
        }
    }
    Some(seen)
}

/// Returns whether ends never go back and the last one is `total`.
fn covers(ends: &[u32], total: usize) -> bool {
    ends.is_sorted() && ends.last().copied().unwrap_or(0) as usize == total
}

/// Returns whether names are UTF-8 and each ends between two characters, the last one with the
/// bytes.
fn are_names(names: &[u8], ends: &[u32]) -> bool {
    covers(ends, names.len())
        && std::str::from_utf8(names).is_ok_and(|text| {
            let mut ends = ends.iter();
            ends.all(|&end| text.is_char_boundary(end as usize))
        })
}
