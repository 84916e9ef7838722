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

#[cfg(test)]
mod tests {
    use super::super::archive::ArchiveBytes;
    use super::super::parts::NO_STATE;
    use super::*;

    /// `{"map":{"a":{"x":"b","":["a","b"]},"b":["a","a"]},"any":{"y":["a","b"]},
    /// "after":{"b":{"ms":5,"to":null}},"history":1,"name":"n","revision":2,"initial":"a"}`
    fn sound() -> DefinitionParts {
        DefinitionParts {
            names: b"ab".to_vec(),
            name_ends: vec![1, 2],
            row_ends: vec![3, 5],
            targets: vec![1, 0, 1, 0, 0],
            initial: 0,
            adjacency: Vec::new(),
            rare: vec![RareParts {
                event_names: b"xy".to_vec(),
                event_ends: vec![1, 2],
                group_events: vec![1, 0, 0],
                group_ends: vec![1, 3, 5],
                row_groups: vec![2, 3],
                any_events: vec![2],
                any_ends: vec![2],
                any_targets: vec![0, 1],
                after_states: vec![1],
                after_ms: vec![5],
                after_targets: vec![NO_STATE],
                history: 1,
                label: b"n".to_vec(),
                revision: vec![2],
            }],
        }
    }

    fn decoded(change: impl Fn(&mut DefinitionParts, &mut RareParts)) -> Result<(), Kind> {
        let mut parts = sound();
        let mut rare = parts.rare.remove(0);
        change(&mut parts, &mut rare);
        parts.rare.insert(0, rare);
        // A document's own adjacency can be made only of sound parts.
        if parts.check().is_ok() {
            parts = parts.with_adjacency();
        }
        let bytes = ArchiveBytes::encode(&parts).unwrap();
        let decoded = ArchiveBytes::decode(bytes.as_slice());
        decoded.map(drop).map_err(|error| error.0)
    }

    #[test]
    fn sound_parts_pass() {
        assert_eq!(decoded(|_, _| {}), Ok(()));
    }

    #[test]
    fn rare_parts_have_something_in_them_and_are_one() {
        assert_eq!(
            decoded(|_, rare| *rare = RareParts::default()),
            Err(Kind::Rare)
        );
        assert_eq!(
            decoded(|parts, rare| parts.rare.push(rare.clone())),
            Err(Kind::Rare)
        );
    }

    #[test]
    fn every_rule_of_events_has_its_refusal() {
        let refused = |kind, change: fn(&mut RareParts)| {
            assert_eq!(decoded(|_, rare| change(rare)), Err(kind));
        };
        refused(Kind::EventNames, |rare| rare.event_ends = vec![1, 3]);
        refused(Kind::EventNames, |rare| rare.event_ends = vec![0, 2]);
        refused(Kind::EventNames, |rare| rare.event_names[0] = 0xff);
        refused(Kind::EventNumbering, |rare| rare.group_events[0] = 2);
        refused(Kind::EventNumbering, |rare| rare.any_events[0] = 3);
        refused(Kind::EventNumbering, |rare| rare.any_events[0] = 1);
        refused(Kind::Any, |rare| rare.any_events[0] = 0);
        refused(Kind::Any, |rare| rare.any_targets[1] = 0);
        refused(Kind::Any, |rare| rare.any_ends[0] = 1);
        refused(Kind::Any, |rare| rare.any_ends.push(2));
        refused(Kind::Any, |rare| {
            rare.any_events.push(1);
            rare.any_ends.push(2);
        });
        refused(Kind::Any, |rare| {
            rare.any_events.push(2);
            rare.any_ends = vec![1, 2];
        });
    }

    #[test]
    fn every_rule_of_groups_has_its_refusal() {
        let refused = |change: fn(&mut RareParts)| {
            assert_eq!(decoded(|_, rare| change(rare)), Err(Kind::Groups));
        };
        refused(|rare| rare.row_groups = vec![2]);
        refused(|rare| rare.row_groups = vec![2, 4]);
        refused(|rare| rare.row_groups = vec![1, 3]);
        refused(|rare| rare.row_groups.clear());
        refused(|rare| rare.group_ends = vec![1, 3]);
        refused(|rare| rare.group_ends = vec![1, 4, 5]);
        refused(|rare| rare.group_ends = vec![3, 1, 5]);
        // An event twice, and moves without a name that are none.
        refused(|rare| rare.group_events[1] = 1);
        refused(|rare| rare.group_ends = vec![3, 3, 5]);
        // A target twice, which only an array can have.
        refused(|rare| rare.group_events[2] = 1);
        // No named event in any row.
        let nameless = decoded(|_, rare| {
            rare.group_events = vec![0, 0];
            rare.group_ends = vec![3, 5];
            rare.row_groups = vec![1, 2];
        });
        assert_eq!(nameless, Err(Kind::Groups));
    }

    #[test]
    fn every_rule_of_the_rest_has_its_refusal() {
        let refused = |kind, change: fn(&mut RareParts)| {
            assert_eq!(decoded(|_, rare| change(rare)), Err(kind));
        };
        refused(Kind::Timers, |rare| rare.after_ms.clear());
        refused(Kind::Timers, |rare| rare.after_targets.push(0));
        refused(Kind::Timers, |rare| rare.after_states[0] = 2);
        refused(Kind::Timers, |rare| rare.after_ms[0] = MAX_MS + 1);
        refused(Kind::Timers, |rare| {
            rare.after_states.push(1);
            rare.after_ms.push(0);
            rare.after_targets.push(0);
        });
        refused(Kind::Numbering, |rare| rare.after_targets[0] = 2);
        refused(Kind::Numbering, |rare| rare.any_targets[0] = 2);
        refused(Kind::History(256), |rare| rare.history = 256);
        refused(Kind::Label, |rare| rare.label = vec![0xff]);
        refused(Kind::Label, |rare| rare.label = vec![b'n'; 257]);
        refused(Kind::Revision, |rare| rare.revision.push(3));
        refused(Kind::Revision, |rare| rare.label.clear());
    }

    /// They follow from the rest, so there is one form of them.
    #[test]
    fn bits_that_are_not_those_of_the_moves_are_refused() {
        let parts = sound().with_adjacency();
        assert_eq!(parts.adjacency, [0b11, 0b01]);
        for adjacency in [
            vec![],
            vec![0b11],
            vec![0b10, 0b01],
            vec![0b111, 0b01],
            vec![0b11, 0b01, 0],
        ] {
            let parts = DefinitionParts {
                adjacency,
                ..parts.clone()
            };
            let bytes = ArchiveBytes::encode(&parts).unwrap();
            let kind = ArchiveBytes::decode(bytes.as_slice()).unwrap_err().0;
            assert_eq!(kind, Kind::NotCanonical);
        }
    }
}
