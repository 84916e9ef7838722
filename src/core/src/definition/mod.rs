//! A definition: its archive, and the tables that answer from it in constant time.
//!
//! Everything here is pure and immutable. Who shares a definition, and what is cached beside it, is
//! the interner's business.

// Bytes from outside come through here first: an index needs a reason.
#![warn(clippy::indexing_slicing)]

mod archive;
mod error;
mod parts;
mod pending;
mod transitions;
mod view;

use std::ops::Range;

pub(crate) use self::archive::ArchiveBytes;
pub use self::error::ArchiveError;
pub(crate) use self::parts::DefinitionParts;
pub use self::parts::StateId;
pub use self::pending::{EventId, Fire, Pretend, Timer, pretend};
use self::transitions::Transitions;
pub(crate) use self::view::{DefinitionView, nth_range};
use crate::escape;
use crate::hash;
use crate::probe::Probe;

/// State names, transitions and the initial state.
#[derive(Debug)]
pub struct Definition {
    archive: ArchiveBytes,
    /// Finds states by name.
    names: Probe,
    transitions: Transitions,
    needs_escapes: bool,
}

impl Definition {
    /// Checks an archive from outside and makes a definition of it.
    ///
    /// # Errors
    ///
    /// The first rule that the bytes break.
    pub(crate) fn from_archive(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let (archive, parts) = ArchiveBytes::decode(bytes)?;
        let names = parts.index_names()?;
        Ok(Self::new(archive, &parts, names))
    }

    /// Makes a definition of an archive and the parts that are in it. `names` finds the states by
    /// name.
    pub(crate) fn new(archive: ArchiveBytes, parts: &DefinitionParts, names: Probe) -> Self {
        Self {
            names,
            transitions: Transitions::of(parts),
            needs_escapes: escape::need_escapes(&parts.names),
            archive,
        }
    }

    /// Returns the archive: a canonical form, so equal bytes mean equal definitions.
    pub fn archive(&self) -> &[u8] {
        self.archive.as_slice()
    }

    /// Returns the number of states.
    pub fn state_count(&self) -> usize {
        self.view().state_count()
    }

    /// Returns the number of states with an entry of their own in the map. They have the lowest IDs.
    pub fn row_count(&self) -> usize {
        self.view().row_count()
    }

    /// Returns the number of transitions, repeats included.
    pub fn transition_count(&self) -> usize {
        self.view().targets().len()
    }

    /// Returns all states, those with an entry of their own first.
    pub fn state_ids(&self) -> Range<StateId> {
        self.view().state_ids()
    }

    /// Returns the states with an entry of their own in the map, in document order.
    pub fn row_states(&self) -> Range<StateId> {
        self.view().row_states()
    }

    /// Returns the state in which a machine starts.
    #[inline]
    pub fn initial(&self) -> StateId {
        self.view().initial()
    }

    /// Returns the name of a state; empty for an ID that is not in the definition.
    #[inline]
    pub fn name(&self, state: StateId) -> &str {
        // Names were checked to be UTF-8, each on character boundaries: the fallback is never
        // taken, and costs less thought than `unsafe`.
        std::str::from_utf8(self.name_bytes(state)).unwrap_or_default()
    }

    /// Returns the name of a state as bytes, for replies; empty for an ID that is not in the
    /// definition.
    #[inline(always)]
    pub fn name_bytes(&self, state: StateId) -> &[u8] {
        self.view().name(state)
    }

    /// Returns the state of that name, in constant time.
    #[inline]
    pub fn find_state(&self, name: &[u8]) -> Option<StateId> {
        let view = self.view();
        self.names
            .find(hash::of_bytes(name), |state| view.name(state) == name)
    }

    /// Returns whether the map leads from one state to the other, in constant time.
    #[inline]
    pub fn allows(&self, from: StateId, to: StateId) -> bool {
        self.transitions.allow(self.view(), from, to)
    }

    /// Returns the states reachable in one move, in document order, with the document's repeats.
    pub fn targets(&self, from: StateId) -> impl ExactSizeIterator<Item = StateId> + '_ {
        self.view()
            .row(from)
            .iter()
            .map(|target| target.to_native())
    }

    /// Returns the states reachable in one move, in document order, each once. Linear in the row.
    pub fn next(&self, from: StateId) -> impl Iterator<Item = StateId> + '_ {
        self.transitions.next(self.view(), from)
    }

    /// Returns whether the map has an entry for this state.
    #[inline]
    pub fn has_row(&self, state: StateId) -> bool {
        (state as usize) < self.row_count()
    }

    /// Returns whether no move leads out of this state.
    pub fn is_terminal(&self, state: StateId) -> bool {
        self.view().row_range(state).is_empty()
    }

    /// Returns the state that is neither a key nor a target of the map nor initial, if there is
    /// one: it was the current state of the document from which this definition was read. Linear in
    /// the map.
    pub fn unlisted_state(&self) -> Option<StateId> {
        let last = self.state_ids().last()?;
        let is_target = || self.view().targets().iter().any(|t| t.to_native() == last);
        let is_listed = self.has_row(last) || last == self.initial() || is_target();
        (!is_listed).then_some(last)
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> DefinitionView<'_> {
        self.archive.view()
    }

    /// Returns whether a name in the document of this definition has to be escaped.
    pub(crate) fn needs_escapes(&self) -> bool {
        self.needs_escapes
    }

    /// Returns the heap blocks of this definition: address and bytes asked for.
    pub(crate) fn blocks(&self) -> [(*const u8, usize); 3] {
        let table = |slots: &[u32]| (slots.as_ptr().cast(), size_of_val(slots));
        let archive = self.archive();
        [
            (archive.as_ptr(), archive.len()),
            table(self.names.block()),
            table(self.transitions.block()),
        ]
    }

    /// Returns how many bytes those blocks have together.
    pub(crate) fn block_bytes(&self) -> usize {
        self.blocks().iter().map(|(_, bytes)| bytes).sum()
    }
}
