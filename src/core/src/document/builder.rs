//! From the names of a document to the parts of a definition: numbers the states by first
//! appearance.

use simd_json::tape::Node;

use super::error::{DocumentError, Entry, Place, Problem};
use super::tape::{Nodes, wrong_type};
use crate::definition::{DefinitionParts, StateId};
use crate::hash;
use crate::probe::Probe;

/// A definition in the making.
pub(super) struct Builder<'i> {
    /// All but the names.
    pub(super) parts: DefinitionParts,
    /// The states so far, with the hashes of their names.
    states: Vec<(u64, &'i str)>,
    index: Probe,
    /// The bytes of all names so far, as often as they came.
    name_bytes: usize,
}

impl<'i> Builder<'i> {
    /// Makes an empty one with room for `states` states at first: as many as the map has keys, since
    /// most machines have few states that are no keys.
    pub(super) fn with_room_for(states: usize) -> Self {
        Self {
            parts: DefinitionParts::default(),
            states: Vec::with_capacity(states),
            index: Probe::with_room_for(states),
            name_bytes: 0,
        }
    }

    /// Returns the number of states so far.
    pub(super) fn state_count(&self) -> usize {
        self.states.len()
    }

    /// Returns how many bytes of names came so far, repeats included.
    pub(super) fn name_bytes(&self) -> usize {
        self.name_bytes
    }

    /// Adds the keys of the map. They come first, so that the states with a row are those with the
    /// lowest IDs.
    pub(super) fn add_keys(&mut self, map: Nodes<'_, 'i>) -> Result<(), DocumentError> {
        let mut rest = map;
        let mut position = 0;
        while let Some(Node::String(key)) = rest.take() {
            let row = rest.take_value();
            let place = || Place::Row(Entry::new(key, position));
            let Some(Node::Array { .. }) = row.0.first() else {
                return Err(wrong_type(place(), "an array", row.0.first()));
            };
            if self.state(key) as usize != position {
                return Err(DocumentError::at(place(), Problem::KeyTwice));
            }
            position += 1;
        }
        Ok(())
    }

    /// Adds the rows of the map, once all keys are in.
    pub(super) fn add_rows(&mut self, map: Nodes<'_, 'i>) -> Result<(), DocumentError> {
        let mut rest = map;
        while let Some(Node::String(key)) = rest.take() {
            let row = rest.take_value();
            for (at, target) in row.0.iter().skip(1).enumerate() {
                let Node::String(name) = target else {
                    let entry = Entry::new(key, self.parts.row_ends.len());
                    let place = Place::Target(entry, at);
                    return Err(wrong_type(place, "a string", Some(target)));
                };
                let state = self.state(name);
                self.parts.targets.push(state);
            }
            let end = self.parts.targets.len();
            self.parts.row_ends.push(narrow(end));
        }
        Ok(())
    }

    /// Returns the state of that name, after adding it if it is new.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "the index holds positions of these states"
    )]
    pub(super) fn state(&mut self, name: &'i str) -> StateId {
        let hash = hash::of_bytes(name.as_bytes());
        self.name_bytes += name.len();
        let states = &self.states;
        let new = narrow(states.len());
        let same = |state: StateId| states[state as usize] == (hash, name);
        if let Some(known) = self.index.insert(hash, new, same) {
            return known;
        }
        self.states.push((hash, name));
        if self.states.len() > self.index.room() {
            self.index = self.index_with_room_for(2 * self.states.len());
        }
        new
    }

    fn index_with_room_for(&self, room: usize) -> Probe {
        Probe::of_distinct(self.states.iter().map(|(hash, _)| *hash), room)
    }

    /// Returns the parts, names included, and the index of the names.
    pub(super) fn finish(mut self) -> (DefinitionParts, Probe) {
        if self.index.room() > self.states.len() {
            self.index = self.index_with_room_for(self.states.len());
        }
        let Self {
            mut parts,
            states,
            index,
            ..
        } = self;
        parts
            .names
            .reserve_exact(states.iter().map(|(_, name)| name.len()).sum());
        parts.name_ends.reserve_exact(states.len());
        for (_, name) in &states {
            parts.names.extend_from_slice(name.as_bytes());
            parts.name_ends.push(narrow(parts.names.len()));
        }
        (parts, index)
    }
}

/// Converts a length that is below the document's, which `with_tape` bounds.
#[expect(clippy::cast_possible_truncation, reason = "documents are under 2 GB")]
fn narrow(length: usize) -> u32 {
    length as u32
}
