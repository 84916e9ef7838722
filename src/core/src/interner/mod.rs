//! Equal definitions are one object, and a document seen before is not read again.
//!
//! A definition is added when the first document or archive of it comes in, shared by every machine
//! that has it, and goes with the last of them, on whichever thread that happens (servers free
//! values in the background). Three things are cached beside it: the body of its document
//! ([`Interned`]), a document by which it is recognised ([`SourceKey`]), and its number in the RDB
//! file being written.

mod budget;
mod counts;
mod interned;
mod table;

use std::cmp::Ordering;
use std::sync::Arc;

pub use self::counts::count_by_state;
pub use self::interned::Interned;
pub use self::table::InternerStats;
use self::table::SharedTable;
use crate::definition::{
    ArchiveBytes, ArchiveError, Definition, DefinitionParts, NameTables, StateId,
};
use crate::document::SourceKey;
use crate::hash;
use crate::limits::Limits;
use crate::rules::Rules;

/// What a document was that is kept to recognise its definition by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    /// The state that the bytes themselves give.
    pub(crate) current: StateId,
    /// The length of the document in normal form, without current state, initial state and reason.
    pub(crate) bytes: usize,
    /// Whether the document says nothing that version 1.0 couldn't say.
    pub(crate) is_plain: bool,
}

/// The definitions of a process, each once. A clone is another handle to the same table.
#[derive(Debug, Clone, Default)]
pub struct Interner(Arc<SharedTable>);

impl Interner {
    /// Makes an empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the definition of an archive from outside.
    ///
    /// # Errors
    ///
    /// If the bytes are not a canonical archive.
    pub(crate) fn load(&self, archive: &[u8]) -> Result<Arc<Interned>, ArchiveError> {
        let hash = hash::of_bytes(archive);
        // Bytes that are equal to a checked archive need no check.
        if let Some(known) = self.0.find(hash, archive) {
            return Ok(known);
        }
        let definition = Definition::from_archive(archive)?;
        // What an older version wrote is another archive in memory.
        let hash = match definition.archive() == archive {
            true => hash,
            false => hash::of_bytes(definition.archive()),
        };
        Ok(self.add(definition, hash))
    }

    /// Returns the one definition with these parts. `names` makes the tables that find its states
    /// and events.
    ///
    /// # Errors
    ///
    /// If the parts are too large for an archive.
    pub(crate) fn intern(
        &self,
        parts: &DefinitionParts,
        names: impl FnOnce() -> NameTables,
    ) -> Result<Arc<Interned>, ArchiveError> {
        let archive = ArchiveBytes::encode(parts)?;
        let hash = hash::of_bytes(archive.as_slice());
        if let Some(known) = self.0.find(hash, archive.as_slice()) {
            return Ok(known);
        }
        Ok(self.add(Definition::new(archive, parts, names()), hash))
    }

    fn add(&self, definition: Definition, hash: u64) -> Arc<Interned> {
        let table: Arc<SharedTable> = Arc::clone(&self.0);
        let new = Interned::new(definition, hash, table);
        self.0.add(Arc::new(new))
    }

    /// Returns the definition and the current state of a document that was read before, by its
    /// bytes. `argument` is the state that the caller names, if any.
    ///
    /// By [`Rules::Legacy`] only a document that says nothing new is recognised: it reads the others
    /// in its own way. `None` sends the caller to the parser: also if the state is unknown or a limit
    /// is exceeded, so that only the parser words errors.
    pub(crate) fn recognise(
        &self,
        hash: u64,
        key: &SourceKey<'_>,
        argument: Option<&[u8]>,
        rules: Rules,
        limits: &Limits,
    ) -> Option<(Arc<Interned>, StateId)> {
        let (definition, own) = self.0.recognise(hash, key, rules == Rules::Legacy)?;
        let named = argument.or(key.current.filter(|name| !name.is_empty()));
        let state = match named {
            Some(name) => definition.find_state(name)?,
            None => own,
        };
        limits.allow_states(definition.state_count()).ok()?;
        limits
            .allow_transitions(definition.transition_count())
            .ok()?;
        Some((definition, state))
    }

    /// Keeps the bytes of a document to recognise its definition by, if the budget allows it.
    pub(crate) fn remember(
        &self,
        hash: u64,
        key: &SourceKey<'_>,
        definition: &Arc<Interned>,
        source: Source,
    ) {
        let taken = definition.memory_bytes();
        if !budget::may_keep_document(taken, source.bytes, key.rest.len()) {
            return;
        }
        // Whoever sends such a document with another current state means another definition.
        if definition.unlisted_state().is_some() {
            return;
        }
        // Without its `current` field, a document says that a machine is in its initial state.
        let current = key.current.map_or(source.current, |_| definition.initial());
        let source = Source { current, ..source };
        self.0.remember(hash, key, definition, source);
    }

    /// Returns the definitions of that name, by revision; of one revision alone, if it is given.
    pub fn named(&self, name: &str, revision: Option<u32>) -> Vec<Arc<Interned>> {
        let mut found = self.0.named(name);
        found.retain(|one| revision.is_none() || one.revision() == revision);
        found.sort_by(|one, other| by_label(one, other));
        found
    }

    /// Returns the definitions that have a name, by name and revision.
    pub fn all_named(&self) -> Vec<Arc<Interned>> {
        let mut all = self.0.all_named();
        all.sort_by(|one, other| by_label(one, other));
        all
    }

    /// Returns what the table holds.
    pub fn stats(&self) -> InternerStats {
        self.0.stats()
    }
}

/// Orders definitions by name, then by revision. Those that have both in common come in an order that
/// is the same on every node.
fn by_label(one: &Interned, other: &Interned) -> Ordering {
    let (left, right) = (one.label(), other.label());
    left.cmp(&right)
        .then(one.revision().cmp(&other.revision()))
        .then_with(|| one.archive().cmp(other.archive()))
}
