//! The parts of a definition: what an archive is made of.
//!
//! States are numbered by first appearance: the map's keys, then its targets row by row, then the
//! targets of `any`, then those of the timers, then the initial state, then the document's current
//! state if it is none of these. For example
//!
//! ```text
//! {"current":"lost","map":{"new":["paid","new"],"paid":["sent"]},"initial":"new"}
//!
//!    keys: new = 0, paid = 1     targets: sent = 2     initial: new is known     current: lost = 3
//!
//!    names      newpaidsentlost
//!    name_ends  3 7 11 15         name of state 1 = names[3..7]
//!    row_ends   2 3               row of state 1 = targets[2..3]; states 2 and 3 have no row
//!    targets    1 0 2
//!    initial    0
//!    adjacency  0b0011 0b0100     state 0 leads to 0 and 1, state 1 to 2
//! ```
//!
//! Keys come first so that row *i* is that of state *i*. By appearance and not by name, because a
//! document is written with its states in the order in which they came.
//!
//! What few definitions have (events, `any`, timers, history, a name) is in [`RareParts`]. Events
//! are numbered by first appearance too, from 1 on: those of the map, then those of `any`.

use std::ops::Range;

use rkyv::rend::unaligned::{u32_ule, u64_ule};
use rkyv::{Archive, Serialize};

use super::adjacency;
use super::error::{ArchiveError, Kind};
use crate::escape;
use crate::hash;
use crate::probe::Probe;

/// A state's index within its definition.
pub type StateId = u32;

/// An event's number within its definition. 0 stands for the moves without a name, in every
/// definition; named events count from 1.
pub type EventId = u32;

/// The event of the moves without a name.
pub(crate) const UNNAMED: EventId = 0;

/// Stands for the target of a timer that deletes the key.
pub(crate) const NO_STATE: StateId = u32::MAX;

/// The bytes of an archived [`DefinitionParts`] without the elements of its vectors: six relative
/// pointers with lengths, and one number.
const ROOT_BYTES: usize = 52;

/// The same for [`RareParts`]: thirteen vectors and a number.
const RARE_BYTES: usize = 108;

/// The parts of a definition, in the order in which they are archived.
#[derive(Archive, Serialize, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DefinitionParts {
    /// All state names, one after the other, UTF-8.
    pub(crate) names: Vec<u8>,
    /// For each state, where its name ends in `names`.
    pub(crate) name_ends: Vec<u32>,
    /// For each key of the map (states 0, 1, …), where its targets end in `targets`.
    pub(crate) row_ends: Vec<u32>,
    /// The targets of all rows, one row after the other, in document order.
    pub(crate) targets: Vec<StateId>,
    /// The initial state.
    pub(crate) initial: StateId,
    /// Which state leads to which, as bits: see [`adjacency`]. Follows from the other parts.
    pub(crate) adjacency: Vec<u64>,
    /// None or one.
    pub(crate) rare: Vec<RareParts>,
}

/// What a document of version 1.0 couldn't say, in the order in which it is archived.
#[derive(Archive, Serialize, Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RareParts {
    /// The names of all events, one after the other, UTF-8.
    pub(crate) event_names: Vec<u8>,
    /// For each named event (1, 2, …), where its name ends in `event_names`.
    pub(crate) event_ends: Vec<u32>,
    /// The groups of all rows, one row after the other: the event of each.
    pub(crate) group_events: Vec<EventId>,
    /// For each group, where its targets end in `targets` of [`DefinitionParts`].
    pub(crate) group_ends: Vec<u32>,
    /// For each row, where its groups end. This and the two before are empty if no row has a named
    /// event: then each row is one group without a name.
    pub(crate) row_groups: Vec<u32>,
    /// The events of `any`.
    pub(crate) any_events: Vec<EventId>,
    /// For each of these, where its targets end in `any_targets`.
    pub(crate) any_ends: Vec<u32>,
    /// The targets of `any`.
    pub(crate) any_targets: Vec<StateId>,
    /// The states that have a timer.
    pub(crate) after_states: Vec<StateId>,
    /// For each of these, after how many milliseconds; 0 if only a move can say.
    pub(crate) after_ms: Vec<u64>,
    /// For each of these, where the timer leads; [`NO_STATE`] if it deletes the key.
    pub(crate) after_targets: Vec<StateId>,
    /// How many moves a machine remembers.
    pub(crate) history: u32,
    /// The `name` of the document; empty for none.
    pub(crate) label: Vec<u8>,
    /// None or one.
    pub(crate) revision: Vec<u32>,
}

impl DefinitionParts {
    /// Returns the parts of the definition whose only state has the empty name, and its index of
    /// names.
    pub(crate) fn blank() -> (Self, Probe) {
        let parts = Self {
            name_ends: vec![0],
            ..Self::default()
        };
        let names = Probe::of_distinct(0, std::iter::once(hash::of_bytes(b"")), 1);
        (parts, names)
    }

    /// Copies the parts out of an archive, but for the adjacency, which follows from them.
    ///
    /// # Errors
    ///
    /// If there is more than one of the rare parts.
    pub(super) fn from_archived(archived: &ArchivedDefinitionParts) -> Result<Self, ArchiveError> {
        if archived.rare.len() > 1 {
            return Err(ArchiveError(Kind::Rare));
        }
        Ok(Self {
            names: archived.names.to_vec(),
            name_ends: numbers(&archived.name_ends),
            row_ends: numbers(&archived.row_ends),
            targets: numbers(&archived.targets),
            initial: archived.initial.to_native(),
            adjacency: Vec::new(),
            rare: archived.rare.iter().map(RareParts::from_archived).collect(),
        })
    }

    /// Fills in the adjacency of parts that pass [`check`](Self::check), or that a document gave.
    pub(crate) fn with_adjacency(mut self) -> Self {
        self.adjacency = adjacency::of(&self);
        self
    }

    /// Returns how many bytes the archive takes: the elements of the vectors, and the roots.
    pub(super) fn archived_bytes(&self) -> usize {
        let roots = ROOT_BYTES + RARE_BYTES * self.rare.len();
        self.vector_bytes() + size_of_val(&*self.adjacency) + roots
    }

    /// Returns how many bytes the elements of all vectors take, but for the adjacency.
    pub(super) fn vector_bytes(&self) -> usize {
        let numbers = self.name_ends.len() + self.row_ends.len() + self.targets.len();
        let rare: usize = self.rare.iter().map(RareParts::vector_bytes).sum();
        self.names.len() + 4 * numbers + rare
    }

    /// Returns the state of that name by comparing it with each.
    pub(crate) fn position(&self, name: &[u8]) -> Option<StateId> {
        let mut names = (0..).zip(self.names());
        names.find_map(|(state, known)| (known == name).then_some(state))
    }

    /// Returns the names of all states, in the order of their IDs.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        slices(&self.names, &self.name_ends)
    }

    /// Returns where each row lies in the targets.
    pub(super) fn rows(&self) -> impl Iterator<Item = Range<usize>> + Clone + '_ {
        ranges(&self.row_ends)
    }

    /// Makes the table that finds states by name.
    ///
    /// # Errors
    ///
    /// If two states have the same name.
    pub(super) fn index_names(&self) -> Result<Probe, ArchiveError> {
        index_names(&self.names, &self.name_ends, 0).ok_or(ArchiveError(Kind::RepeatedName))
    }

    /// Returns the length of the document in normal form, without a reason, in the state with the
    /// longest name; exact to a few bytes.
    #[expect(
        clippy::indexing_slicing,
        reason = "the numbering was checked before, or made by the parser"
    )]
    pub(crate) fn document_bytes(&self) -> usize {
        let quoted: Vec<usize> = self.names().map(escape::quoted_bytes).collect();
        let of = |state: &StateId| quoted[*state as usize];
        let keys = quoted
            .iter()
            .take(self.row_ends.len())
            .map(|key| key + ":[],".len());
        let targets = self.targets.iter().map(|target| of(target) + ",".len());
        let longest = quoted.iter().max().copied().unwrap_or(0);
        let rare: usize = self.rare.iter().map(|rare| rare.document_bytes(of)).sum();
        keys.sum::<usize>() + targets.sum::<usize>() + of(&self.initial) + longest + rare
    }
}

impl RareParts {
    fn from_archived(archived: &ArchivedRareParts) -> Self {
        let long = |slice: &[u64_ule]| slice.iter().map(|n| n.to_native()).collect();
        Self {
            event_names: archived.event_names.to_vec(),
            event_ends: numbers(&archived.event_ends),
            group_events: numbers(&archived.group_events),
            group_ends: numbers(&archived.group_ends),
            row_groups: numbers(&archived.row_groups),
            any_events: numbers(&archived.any_events),
            any_ends: numbers(&archived.any_ends),
            any_targets: numbers(&archived.any_targets),
            after_states: numbers(&archived.after_states),
            after_ms: long(&archived.after_ms),
            after_targets: numbers(&archived.after_targets),
            history: archived.history.to_native(),
            label: archived.label.to_vec(),
            revision: numbers(&archived.revision),
        }
    }

    fn vector_bytes(&self) -> usize {
        let numbers = [
            &self.event_ends,
            &self.group_events,
            &self.group_ends,
            &self.row_groups,
            &self.any_events,
            &self.any_ends,
            &self.any_targets,
            &self.after_states,
            &self.after_targets,
            &self.revision,
        ];
        let numbers: usize = numbers.iter().map(|numbers| numbers.len()).sum();
        self.event_names.len() + self.label.len() + 4 * numbers + 8 * self.after_ms.len()
    }

    /// Returns how many events have a name.
    pub(super) fn event_count(&self) -> usize {
        self.event_ends.len()
    }

    /// Returns the names of the events from 1 on.
    pub(super) fn event_names(&self) -> impl Iterator<Item = &[u8]> {
        slices(&self.event_names, &self.event_ends)
    }

    /// Returns where the groups of each row lie among all groups; nothing if no row has a named
    /// event.
    pub(super) fn row_groups(&self) -> impl Iterator<Item = Range<usize>> + Clone + '_ {
        ranges(&self.row_groups)
    }

    /// Returns where the targets of each event of `any` lie.
    pub(super) fn any(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        ranges(&self.any_ends)
    }

    /// Returns the states to which timers lead.
    pub(super) fn timer_targets(&self) -> impl Iterator<Item = &StateId> {
        let targets = self.after_targets.iter();
        targets.filter(|&&target| target != NO_STATE)
    }

    /// Makes the table that finds events by name.
    ///
    /// # Errors
    ///
    /// If two events have the same name.
    pub(super) fn index_names(&self) -> Result<Probe, ArchiveError> {
        index_names(&self.event_names, &self.event_ends, 1).ok_or(ArchiveError(Kind::RepeatedName))
    }

    /// Returns how many bytes of the document in normal form come from these parts; exact to a few
    /// for each entry. `quoted` gives the length of a state's name as a JSON string.
    #[expect(
        clippy::indexing_slicing,
        reason = "the numbering was checked before, or made by the parser"
    )]
    fn document_bytes(&self, quoted: impl Fn(&StateId) -> usize) -> usize {
        let mut events = vec!["\"\"".len()];
        events.extend(self.event_names().map(escape::quoted_bytes));
        let entry = |event: &EventId| events[*event as usize] + ":[],".len();
        let groups = self.group_events.iter().chain(&self.any_events).map(entry);
        let any = self.any_targets.iter().map(|to| quoted(to) + ",".len());
        let states = self.after_states.iter().chain(self.timer_targets());
        let timer = r#":{"ms":9007199254740991,"to":null},"#.len();
        let fields = r#","any":{},"after":{},"history":255,"name":,"revision":4294967295"#.len();
        groups.sum::<usize>()
            + any.sum::<usize>()
            + states.map(quoted).sum::<usize>()
            + timer * self.after_states.len()
            + escape::quoted_bytes(&self.label)
            + fields
    }
}

/// Makes the table that finds names, which count from `first`. `None` if one comes twice.
#[expect(clippy::indexing_slicing, reason = "ends that were checked")]
fn index_names(names: &[u8], ends: &[u32], first: u32) -> Option<Probe> {
    let nth = |at: u32| {
        let at = (at - first) as usize;
        let start = at.checked_sub(1).map_or(0, |before| ends[before]);
        &names[start as usize..ends[at] as usize]
    };
    let mut index = Probe::with_room_for(ends.len());
    for (number, name) in (first..).zip(slices(names, ends)) {
        let same = |other| nth(other) == name;
        if index.insert(hash::of_bytes(name), number, same).is_some() {
            return None;
        }
    }
    Some(index)
}

fn numbers(archived: &[u32_ule]) -> Vec<u32> {
    archived.iter().map(|number| number.to_native()).collect()
}

/// Cuts bytes at the ends given.
#[expect(clippy::indexing_slicing, reason = "checked, or made by the parser")]
fn slices<'a>(bytes: &'a [u8], ends: &'a [u32]) -> impl Iterator<Item = &'a [u8]> {
    ranges(ends).map(move |range| &bytes[range])
}

/// Turns the ends of consecutive ranges into the ranges.
fn ranges(ends: &[u32]) -> impl Iterator<Item = Range<usize>> + Clone + '_ {
    let starts = std::iter::once(0).chain(ends.iter().map(|&end| end as usize));
    starts.zip(ends).map(|(start, &end)| start..end as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_count_in_the_document() {
        let parts = DefinitionParts {
            names: b"\0\n\"a".to_vec(),
            name_ends: vec![4],
            ..DefinitionParts::default()
        };
        // Once as the initial and once as the current state: "\u0000\n\"a".
        assert_eq!(parts.document_bytes(), 2 * r#""\u0000\n\"a""#.len());
    }
}
