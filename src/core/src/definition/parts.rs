//! The parts of a definition: what an archive is made of, and the rules that the parts obey.
//!
//! States are numbered by first appearance: the map's keys, then the targets row by row, then the
//! initial state, then the document's current state if it is none of these. For example
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
//! ```
//!
//! Keys come first so that row *i* is that of state *i*. By appearance and not by name, because a
//! document is written with its states in the order in which they came.

use std::cmp::Ordering;
use std::ops::Range;

use rkyv::rend::unaligned::u32_ule;
use rkyv::{Archive, Serialize};

use super::error::{ArchiveError, Kind};
use crate::escape;
use crate::hash;
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_STATES};
use crate::probe::Probe;

/// A state's index within its definition.
pub type StateId = u32;

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
}

impl DefinitionParts {
    /// Returns the parts of the definition whose only state has the empty name, and its index of
    /// names.
    pub(crate) fn blank() -> (Self, Probe) {
        let parts = Self {
            name_ends: vec![0],
            ..Self::default()
        };
        let names = Probe::of_distinct(std::iter::once(hash::of_bytes(b"")), 1);
        (parts, names)
    }

    /// Copies the parts out of an archive.
    pub(super) fn from_archived(archived: &ArchivedDefinitionParts) -> Self {
        let numbers = |slice: &[u32_ule]| slice.iter().map(|n| n.to_native()).collect();
        Self {
            names: archived.names.to_vec(),
            name_ends: numbers(&archived.name_ends),
            row_ends: numbers(&archived.row_ends),
            targets: numbers(&archived.targets),
            initial: archived.initial.to_native(),
        }
    }

    /// Returns how many bytes the archive takes: the vectors, and the root (four relative pointers
    /// with lengths, and one number).
    pub(super) fn archived_bytes(&self) -> usize {
        let numbers = self.name_ends.len() + self.row_ends.len() + self.targets.len();
        self.names.len() + 4 * numbers + 36
    }

    /// Returns the name of a state that is in the definition.
    #[expect(
        clippy::indexing_slicing,
        reason = "the caller has a state of these parts"
    )]
    pub(crate) fn name(&self, state: StateId) -> &[u8] {
        let state = state as usize;
        let start = state
            .checked_sub(1)
            .map_or(0, |before| self.name_ends[before]);
        &self.names[start as usize..self.name_ends[state] as usize]
    }

    /// Returns the state of that name by comparing it with each.
    pub(crate) fn position(&self, name: &[u8]) -> Option<StateId> {
        let mut names = (0..).zip(self.names());
        names.find_map(|(state, known)| (known == name).then_some(state))
    }

    /// Returns the names of all states, in the order of their IDs.
    #[expect(clippy::indexing_slicing, reason = "checked, or made by the parser")]
    fn names(&self) -> impl Iterator<Item = &[u8]> {
        ranges(&self.name_ends).map(|range| &self.names[range])
    }

    /// Returns where each row lies in the targets.
    pub(super) fn rows(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        ranges(&self.row_ends)
    }

    /// Makes the table that finds states by name.
    ///
    /// # Errors
    ///
    /// If two states have the same name.
    pub(super) fn index_names(&self) -> Result<Probe, ArchiveError> {
        let mut index = Probe::with_room_for(self.name_ends.len());
        for (state, name) in (0..).zip(self.names()) {
            let same = |other| self.name(other) == name;
            if index.insert(hash::of_bytes(name), state, same).is_some() {
                return Err(ArchiveError(Kind::RepeatedName));
            }
        }
        Ok(index)
    }

    /// Checks the rules of meaning, except that names differ, which
    /// [`index_names`](Self::index_names) finds out.
    ///
    /// The order matters: the numbering may rely on counts and ranges that were checked before.
    pub(super) fn check(&self) -> Result<(), ArchiveError> {
        let kind = if self.name_ends.is_empty() || self.name_ends.len() > MAX_STATES {
            Kind::StateCount(self.name_ends.len())
        } else if self.row_ends.len() > self.name_ends.len() {
            Kind::RowCount(self.row_ends.len())
        } else if !covers(&self.row_ends, self.targets.len()) {
            Kind::Rows
        } else if !covers(&self.name_ends, self.names.len()) || !self.names_are_text() {
            Kind::Names
        } else if !self.is_numbered_by_appearance() {
            Kind::Numbering
        } else if self.document_bytes() > MAX_DOCUMENT_BYTES {
            Kind::Document(self.document_bytes())
        } else {
            return Ok(());
        };
        Err(ArchiveError(kind))
    }

    /// Returns whether the names are UTF-8 and each ends between two characters.
    fn names_are_text(&self) -> bool {
        std::str::from_utf8(&self.names).is_ok_and(|text| {
            let mut ends = self.name_ends.iter();
            ends.all(|&end| text.is_char_boundary(end as usize))
        })
    }

    /// Returns whether states without a row appear in the order of their IDs.
    ///
    /// It follows that every target is in range and that every state is used, except possibly the
    /// last: the current state of the document that the definition came from. Its name is never
    /// empty, because an empty `current` means `initial`.
    fn is_numbered_by_appearance(&self) -> bool {
        let mut seen = self.row_ends.len();
        for &state in self.targets.iter().chain([&self.initial]) {
            match (state as usize).cmp(&seen) {
                Ordering::Less => {}
                Ordering::Equal => seen += 1,
                Ordering::Greater => return false,
            }
        }
        let last_has_a_name = || self.name_ends.last() > self.name_ends.iter().nth_back(1);
        match self.name_ends.len().checked_sub(seen) {
            Some(0) => true,
            Some(1) => last_has_a_name(),
            _ => false,
        }
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
        keys.sum::<usize>() + targets.sum::<usize>() + of(&self.initial) + longest
    }
}

/// Returns whether ends never go back and the last one is `total`.
fn covers(ends: &[u32], total: usize) -> bool {
    ends.is_sorted() && ends.last().copied().unwrap_or(0) as usize == total
}

/// Turns the ends of consecutive ranges into the ranges.
fn ranges(ends: &[u32]) -> impl Iterator<Item = Range<usize>> + '_ {
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
