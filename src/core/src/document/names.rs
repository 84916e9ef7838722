//! Names numbered by first appearance: those of states and those of events.

use crate::hash;
use crate::probe::Probe;

/// The names so far.
pub(super) struct Names<'i> {
    /// The number of the first name.
    first: u32,
    /// The names with their hashes.
    list: Vec<(u64, &'i str)>,
    index: Probe,
}

impl<'i> Names<'i> {
    /// Makes an empty list whose numbers begin at `first`, with room for `room` names at first.
    pub(super) fn new(first: u32, room: usize) -> Self {
        Self {
            first,
            list: Vec::with_capacity(room),
            index: Probe::with_room_for(room),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns the number of a name, after adding it if it is new.
    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "the index holds numbers of these names"
    )]
    pub(super) fn number(&mut self, name: &'i str) -> u32 {
        let hash = hash::of_bytes(name.as_bytes());
        let (list, first) = (&self.list, self.first);
        let new = first + narrow(list.len());
        let same = |number: u32| list[(number - first) as usize] == (hash, name);
        if let Some(known) = self.index.insert(hash, new, same) {
            return known;
        }
        self.list.push((hash, name));
        if self.list.len() > self.index.room() {
            self.index = self.index_with_room_for(2 * self.list.len());
        }
        new
    }

    /// Returns the number of a name, if it is known.
    #[expect(
        clippy::indexing_slicing,
        reason = "the index holds numbers of these names"
    )]
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        let hash = hash::of_bytes(name.as_bytes());
        let same = |number: u32| self.list[(number - self.first) as usize] == (hash, name);
        self.index.find(hash, same)
    }

    fn index_with_room_for(&self, room: usize) -> Probe {
        let hashes = self.list.iter().map(|(hash, _)| *hash);
        Probe::of_distinct(self.first, hashes, room)
    }

    /// Returns the names one after the other, where each ends, and the index.
    pub(super) fn finish(mut self) -> (Vec<u8>, Vec<u32>, Probe) {
        if self.index.room() > self.list.len() {
            self.index = self.index_with_room_for(self.list.len());
        }
        let length = self.list.iter().map(|(_, name)| name.len()).sum();
        let mut names = Vec::with_capacity(length);
        let mut ends = Vec::with_capacity(self.list.len());
        for (_, name) in &self.list {
            names.extend_from_slice(name.as_bytes());
            ends.push(narrow(names.len()));
        }
        (names, ends, self.index)
    }
}

/// Converts a length that is below the document's, which `with_tape` bounds.
#[expect(clippy::cast_possible_truncation, reason = "documents are under 2 GB")]
pub(super) fn narrow(length: usize) -> u32 {
    length as u32
}
