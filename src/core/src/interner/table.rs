//! The interner's tables under their lock: definitions by archive, kept documents by bytes.
//!
//! A definition lives in its machines alone: the tables hold weak references. As the last machine
//! goes, the definition takes itself out ([`OwningTable::forget`]), which locks. So no strong
//! reference may be dropped while the lock is held.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hashbrown::HashTable;

use super::Source;
use super::interned::{Interned, OwningTable};
use crate::definition::StateId;
use crate::document::SourceKey;
use crate::hash;

/// A table of this many entries is not worth shrinking.
const MIN_SHRINK_ENTRIES: usize = 64;

/// What an [`Interner`](super::Interner) holds at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InternerStats {
    /// Distinct definitions.
    pub definitions: usize,
    /// Bytes of their archives, and of their counters of machines by state.
    pub definition_bytes: usize,
    /// Bytes of the documents kept to be recognised.
    pub source_bytes: usize,
    /// Machines that use the definitions, each by its one reference: the counters by state have the
    /// same sum, but that would take time linear in all states instead of in the definitions.
    pub machines: usize,
}

/// The tables and their lock.
#[derive(Debug, Default)]
pub(super) struct SharedTable(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    definitions: HashTable<Entry>,
    documents: HashTable<KeptDocument>,
    /// Those that have a name. Ordered, because any number of definitions may have the same one.
    named: BTreeMap<NameKey, Weak<Interned>>,
    /// All but the machines, which are counted when asked for.
    stats: InternerStats,
}

/// The hash of a definition's name, and its address, by which it is found again as it goes.
type NameKey = (u64, usize);

#[derive(Debug)]
struct Entry {
    archive_hash: u64,
    definition: Weak<Interned>,
}

/// A document by which a definition is recognised, as a [`SourceKey`].
#[derive(Debug)]
struct KeptDocument {
    hash: u64,
    /// Without a leading `current`.
    bytes: Box<[u8]>,
    /// Whether there was one: the bytes alone do not say.
    is_stripped: bool,
    definition: Weak<Interned>,
    /// The current state that the bytes themselves give.
    current: StateId,
    /// Whether the document says nothing that version 1.0 couldn't say.
    is_plain: bool,
}

impl SharedTable {
    fn lock(&self) -> MutexGuard<'_, Table> {
        // The table is sound between any two of its steps; a panic elsewhere does not change that.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the definition with this archive.
    pub(super) fn find(&self, archive_hash: u64, archive: &[u8]) -> Option<Arc<Interned>> {
        let candidates = self.lock().candidates(archive_hash);
        candidates
            .into_iter()
            .find(|known| known.archive() == archive)
    }

    /// Puts a definition in and returns it, unless an equal one came in meanwhile: then returns
    /// that one.
    pub(super) fn add(&self, new: Arc<Interned>) -> Arc<Interned> {
        // Declared before the guard, so dropped after it: dropping the last reference locks.
        let candidates;
        let mut table = self.lock();
        candidates = table.candidates(new.archive_hash());
        let equal = candidates
            .iter()
            .find(|known| known.archive() == new.archive());
        if let Some(known) = equal {
            return Arc::clone(known);
        }
        table.stats.definitions += 1;
        table.stats.definition_bytes += new.fixed_bytes();
        if let Some(key) = name_key(&new) {
            table.named.insert(key, Arc::downgrade(&new));
        }
        let entry = Entry {
            archive_hash: new.archive_hash(),
            definition: Arc::downgrade(&new),
        };
        table
            .definitions
            .insert_unique(entry.archive_hash, entry, |entry| entry.archive_hash);
        new
    }

    /// Returns the definition of a document that is kept, and the state that its bytes give. The
    /// hash only finds the candidate, the comparison is the proof. If asked, only a plain document
    /// is recognised.
    pub(super) fn recognise(
        &self,
        hash: u64,
        key: &SourceKey<'_>,
        only_plain: bool,
    ) -> Option<(Arc<Interned>, StateId)> {
        let table = self.lock();
        let same = |kept: &KeptDocument| {
            kept.hash == hash && kept.is_stripped == key.is_stripped() && *kept.bytes == *key.rest
        };
        let kept = table.documents.find(hash, same)?;
        if only_plain && !kept.is_plain {
            return None;
        }
        Some((kept.definition.upgrade()?, kept.current))
    }

    /// Keeps a document, in place of the one kept before for the same definition.
    pub(super) fn remember(
        &self,
        hash: u64,
        key: &SourceKey<'_>,
        definition: &Arc<Interned>,
        source: Source,
    ) {
        let document = KeptDocument {
            hash,
            bytes: key.rest.into(),
            is_stripped: key.is_stripped(),
            definition: Arc::downgrade(definition),
            current: source.current,
            is_plain: source.is_plain,
        };
        let mut table = self.lock();
        table.forget_document(definition);
        definition.set_document_hash(hash);
        table.stats.source_bytes += document.bytes.len();
        table
            .documents
            .insert_unique(hash, document, |document| document.hash);
    }

    /// Returns the definitions of that name.
    pub(super) fn named(&self, name: &str) -> Vec<Arc<Interned>> {
        let hash = hash::of_bytes(name.as_bytes());
        // Dropped without the lock, if the last machine of one goes meanwhile.
        let mut found: Vec<_> = {
            let table = self.lock();
            let same = table.named.range((hash, 0)..=(hash, usize::MAX));
            same.filter_map(|(_, one)| one.upgrade()).collect()
        };
        found.retain(|one| one.label() == Some(name));
        found
    }

    /// Returns the definitions that have a name.
    pub(super) fn all_named(&self) -> Vec<Arc<Interned>> {
        let table = self.lock();
        table.named.values().filter_map(Weak::upgrade).collect()
    }

    /// Returns what the table holds, and counts the machines.
    pub(super) fn stats(&self) -> InternerStats {
        let table = self.lock();
        let machines = table
            .definitions
            .iter()
            .map(|entry| entry.definition.strong_count())
            .sum();
        InternerStats {
            machines,
            ..table.stats
        }
    }

    fn measure_document(
        &self,
        definition: &Interned,
        size: impl Fn(&KeptDocument) -> usize,
    ) -> usize {
        let table = self.lock();
        let is_own =
            |document: &KeptDocument| std::ptr::eq(document.definition.as_ptr(), definition);
        let kept = table.documents.find(definition.document_hash(), is_own);
        kept.map_or(0, size)
    }
}

impl OwningTable for SharedTable {
    fn forget(&self, gone: &Interned) {
        let mut table = self.lock();
        let is_gone = |entry: &Entry| std::ptr::eq(entry.definition.as_ptr(), gone);
        // One that lost the race to be added was never in.
        let Ok(entry) = table.definitions.find_entry(gone.archive_hash(), is_gone) else {
            return;
        };
        entry.remove();
        if let Some(key) = name_key(gone) {
            table.named.remove(&key);
        }
        table.stats.definitions -= 1;
        table.stats.definition_bytes -= gone.fixed_bytes();
        table.forget_document(gone);
        table.shrink();
    }

    fn document_bytes(&self, definition: &Interned) -> usize {
        self.measure_document(definition, |document| document.bytes.len())
    }

    fn memory(&self, definition: &Interned, measure: &dyn Fn(*const u8, usize) -> usize) -> usize {
        let document = |document: &KeptDocument| {
            entry_bytes::<KeptDocument>() + measure(document.bytes.as_ptr(), document.bytes.len())
        };
        let name = name_key(definition).map_or(0, |_| entry_bytes::<(NameKey, Weak<Interned>)>());
        entry_bytes::<Entry>() + name + self.measure_document(definition, document)
    }
}

fn name_key(definition: &Interned) -> Option<NameKey> {
    let hash = hash::of_bytes(definition.label()?.as_bytes());
    Some((hash, std::ptr::from_ref(definition).addr()))
}

/// Returns the memory of a table for one entry: the entry and a control byte, in tables that are
/// between half and wholly full.
const fn entry_bytes<T>() -> usize {
    (size_of::<T>() + 1) * 3 / 2
}

impl Table {
    /// Gives memory back after many definitions have gone. Seldom, because a table that was shrunk
    /// is half full.
    fn shrink(&mut self) {
        let Self {
            definitions,
            documents,
            ..
        } = self;
        if definitions.capacity() > 4 * definitions.len().max(MIN_SHRINK_ENTRIES) {
            definitions.shrink_to(2 * definitions.len(), |entry| entry.archive_hash);
        }
        if documents.capacity() > 4 * documents.len().max(MIN_SHRINK_ENTRIES) {
            documents.shrink_to(2 * documents.len(), |document| document.hash);
        }
    }

    /// Returns the definitions whose archive has this hash.
    fn candidates(&self, archive_hash: u64) -> Vec<Arc<Interned>> {
        let same = self
            .definitions
            .iter_hash(archive_hash)
            .filter(|entry| entry.archive_hash == archive_hash);
        same.filter_map(|entry| entry.definition.upgrade())
            .collect()
    }

    fn forget_document(&mut self, definition: &Interned) {
        let is_own =
            |document: &KeptDocument| std::ptr::eq(document.definition.as_ptr(), definition);
        let entry = self
            .documents
            .find_entry(definition.document_hash(), is_own);
        if let Ok(entry) = entry {
            let (document, _) = entry.remove();
            self.stats.source_bytes -= document.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Interner;
    use super::*;
    use crate::definition::{DefinitionParts, NameTables};
    use crate::probe::Probe;

    fn definition(interner: &Interner, name: &str) -> Arc<Interned> {
        let parts = DefinitionParts {
            names: name.as_bytes().to_vec(),
            name_ends: vec![u32::try_from(name.len()).unwrap()],
            ..DefinitionParts::default()
        };
        let hashes = std::iter::once(hash::of_bytes(name.as_bytes()));
        let names = || NameTables::of_states(Probe::of_distinct(0, hashes, 1));
        interner.intern(&parts, names).unwrap()
    }

    #[test]
    fn the_table_shrinks_when_many_definitions_have_gone() {
        let interner = Interner::new();
        let capacity = || interner.0.lock().definitions.capacity();
        let definitions: Vec<Arc<Interned>> = (0..300)
            .map(|at| definition(&interner, &format!("state {at}")))
            .collect();
        assert!(capacity() > 4 * MIN_SHRINK_ENTRIES);
        drop(definitions);
        assert!(capacity() <= 4 * MIN_SHRINK_ENTRIES, "{}", capacity());
    }
}
