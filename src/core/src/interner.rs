//! Equal definitions are one object, and a document seen before is not read again.
//!
//! The table holds weak references: the last machine to go takes its definition with it, on
//! whichever thread that happens (servers free values in the background). A definition takes
//! itself out of the table as it is dropped, so the table never owns one, and no reference is
//! dropped while the lock is held.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hashbrown::HashTable;

use crate::archive::{ArchiveError, Bytes, Parts, StateId};
use crate::definition::{self, AFFORDED, Definition};
use crate::dialect::Dialect;
use crate::document::{self, Document};
use crate::error::{DocumentError, Fault};
use crate::hash;
use crate::limits::Limits;
use crate::machine::Machine;
use crate::probe::Probe;

/// The definitions of a process, each once.
#[derive(Debug, Clone)]
pub struct Interner(Arc<Shared>);

/// What the table holds at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InternerStats {
    /// Distinct definitions.
    pub definitions: usize,
    /// Bytes of their archives.
    pub archive_bytes: usize,
    /// Bytes of documents kept so that they are recognised.
    pub source_bytes: usize,
    /// Machines that use the definitions. Counted when asked for, in time linear in the
    /// definitions, so that a machine's own life costs nothing for it.
    pub machines: usize,
}

/// A machine as read from a document, and how.
#[derive(Debug)]
pub struct Read {
    /// The machine.
    pub machine: Machine,
    /// Whether the document was recognised by its bytes and not parsed.
    pub recognised: bool,
    /// Whether [`Dialect::Documented`] reads the document the same way.
    pub documented: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    definitions: HashTable<Entry>,
    sources: HashTable<Source>,
    stats: InternerStats,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    definition: Weak<Definition>,
}

/// A document as it came in, without its leading `current`.
#[derive(Debug)]
struct Source {
    hash: u64,
    bytes: Box<[u8]>,
    /// Whether a leading `current` is cut off: the bytes alone do not say.
    cut: bool,
    definition: Weak<Definition>,
    /// The current state that the bytes themselves give.
    current: StateId,
}

impl Default for Interner {
    fn default() -> Self {
        Self::new()
    }
}

impl Interner {
    /// An empty table.
    pub fn new() -> Self {
        Self(Arc::default())
    }

    /// The definition of an archive from outside.
    pub(crate) fn load(&self, archive: &[u8]) -> Result<Arc<Definition>, ArchiveError> {
        let hash = hash::of_bytes(archive);
        // Bytes that are equal to a checked archive need no check.
        if let Some(known) = self.0.find(hash, archive) {
            return Ok(known);
        }
        let (bytes, parts) = Bytes::decode(archive)?;
        let names = definition::index_names(&parts)?;
        Ok(self.add(bytes, &parts, names, hash))
    }

    /// The one definition with these parts. `names` finds its states.
    pub(crate) fn intern(
        &self,
        parts: &Parts,
        names: impl FnOnce() -> Probe,
    ) -> Result<Arc<Definition>, ArchiveError> {
        let bytes = Bytes::encode(parts)?;
        let hash = hash::of_bytes(bytes.as_slice());
        if let Some(known) = self.0.find(hash, bytes.as_slice()) {
            return Ok(known);
        }
        Ok(self.add(bytes, parts, names(), hash))
    }

    fn add(&self, bytes: Bytes, parts: &Parts, names: Probe, hash: u64) -> Arc<Definition> {
        let new = Definition::new(bytes, parts, names, hash, Arc::clone(&self.0));
        self.0.add(Arc::new(new))
    }

    /// The machine that a document describes. `current`, if given and not empty, wins over the
    /// document's own.
    pub fn read(
        &self,
        json: &[u8],
        current: Option<&[u8]>,
        dialect: Dialect,
        limits: &Limits,
    ) -> Result<Read, DocumentError> {
        let current = current.filter(|name| !name.is_empty());
        // The argument is kept like a name in the document.
        limits.allow_document(json.len() + current.map_or(0, <[u8]>::len))?;
        let key = document::Key::of(json);
        let hash = hash::of_bytes(key.rest);
        if let Some(machine) = self.0.recognise(hash, &key, current, limits) {
            return Ok(Read {
                machine,
                recognised: true,
                documented: true,
            });
        }
        let document = document::parse(json, current, dialect, limits)?;
        let documented = document.documented;
        // Only what the bytes alone decide can be recognised by them.
        let own = match current {
            Some(_) if document.names_current && key.current.is_none() => None,
            Some(_) => Some(document.parts.initial),
            None => Some(document.current),
        };
        let own = own.filter(|_| documented && document.reason.is_empty());
        let map_bytes = document.map_bytes;
        let machine = self.machine(document)?;
        if let Some(own) = own {
            let definition = machine.definition();
            if is_affordable(definition, key.rest.len(), map_bytes) {
                self.0.remember(hash, &key, definition, own);
            }
        }
        Ok(Read {
            machine,
            recognised: false,
            documented,
        })
    }

    /// The machine of a document that the old module saved.
    pub fn read_legacy(&self, json: &[u8], limits: &Limits) -> Result<Machine, DocumentError> {
        self.machine(document::parse_legacy(json, limits)?)
    }

    /// A machine without states but the empty name, which is its initial and current one.
    pub fn blank(&self) -> Machine {
        let parts = Parts {
            name_ends: vec![0],
            ..Parts::default()
        };
        let definition = self.intern(&parts, || {
            Probe::of_distinct(std::iter::once(hash::of_bytes(b"")), 1)
        });
        #[expect(clippy::expect_used, reason = "a constant, covered by a test")]
        Machine::new(definition.expect("the blank definition is sound"), 0)
    }

    /// What the table holds.
    pub fn stats(&self) -> InternerStats {
        let table = self.0.lock();
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

    fn machine(&self, document: Document) -> Result<Machine, DocumentError> {
        let definition = self
            .intern(&document.parts, || document.names)
            .map_err(|_| DocumentError(Fault::Format("definition is too large to be stored")))?;
        let mut machine = Machine::new(definition, document.current);
        machine.set_reason(&document.reason);
        Ok(machine)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Table> {
        // The table is sound between any two of its steps; a panic elsewhere does not change that.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, hash: u64, archive: &[u8]) -> Option<Arc<Definition>> {
        let candidates = self.lock().candidates(hash);
        candidates
            .into_iter()
            .find(|known| known.archive() == archive)
    }

    /// Puts a definition in, unless an equal one came in meanwhile.
    fn add(&self, new: Arc<Definition>) -> Arc<Definition> {
        // Declared before the guard, so dropped after it: dropping the last reference locks.
        let candidates;
        let mut table = self.lock();
        candidates = table.candidates(new.hash());
        let equal = candidates
            .iter()
            .find(|known| known.archive() == new.archive());
        if let Some(known) = equal {
            return Arc::clone(known);
        }
        table.stats.definitions += 1;
        table.stats.archive_bytes += new.archive().len();
        let entry = Entry {
            hash: new.hash(),
            definition: Arc::downgrade(&new),
        };
        table
            .definitions
            .insert_unique(entry.hash, entry, |entry| entry.hash);
        new
    }

    /// Takes a definition out as it is dropped.
    pub(crate) fn forget(&self, gone: &Definition) {
        let mut table = self.lock();
        let is_gone = |entry: &Entry| std::ptr::eq(entry.definition.as_ptr(), gone);
        // One that lost the race to be added was never in.
        let Ok(entry) = table.definitions.find_entry(gone.hash(), is_gone) else {
            return;
        };
        entry.remove();
        table.stats.definitions -= 1;
        table.stats.archive_bytes -= gone.archive().len();
        table.forget_source(gone);
        table.shrink();
    }

    /// The machine of a document that was read before, by its bytes: the hash only finds the
    /// candidate, the comparison is the proof.
    fn recognise(
        &self,
        hash: u64,
        key: &document::Key<'_>,
        current: Option<&[u8]>,
        limits: &Limits,
    ) -> Option<Machine> {
        let (definition, own) = {
            let table = self.lock();
            let same = |source: &Source| {
                source.hash == hash && source.cut == key.is_cut() && *source.bytes == *key.rest
            };
            let source = table.sources.find(hash, same)?;
            (source.definition.upgrade()?, source.current)
        };
        let named = current.or(key.current.filter(|name| !name.is_empty()));
        let state = match named {
            Some(name) => definition.state(name)?,
            None => own,
        };
        limits.allow_states(definition.states()).ok()?;
        limits.allow_transitions(definition.transitions()).ok()?;
        Some(Machine::new(definition, state))
    }

    /// Keeps the bytes of a document, in place of those kept before for the same definition.
    fn remember(
        &self,
        hash: u64,
        key: &document::Key<'_>,
        definition: &Arc<Definition>,
        own: StateId,
    ) {
        if definition.foreign().is_some() {
            return;
        }
        // With `current` cut off, what is left says that a machine starts at its initial state.
        let current = key.current.map_or(own, |_| definition.initial());
        let source = Source {
            hash,
            bytes: key.rest.into(),
            cut: key.is_cut(),
            definition: Arc::downgrade(definition),
            current,
        };
        let mut table = self.lock();
        table.forget_source(definition);
        definition.source().store(hash, Ordering::Relaxed);
        table.stats.source_bytes += source.bytes.len();
        table
            .sources
            .insert_unique(hash, source, |source| source.hash);
    }

    /// The length of the document kept for a definition.
    pub(crate) fn source_bytes(&self, definition: &Definition) -> usize {
        self.with_source(definition, |source| source.bytes.len())
    }

    /// The memory of the tables' entries for a definition, and of its source.
    pub(crate) fn memory(
        &self,
        definition: &Definition,
        measure: impl Fn(*const u8, usize) -> usize,
    ) -> usize {
        let source =
            |source: &Source| slot::<Source>() + measure(source.bytes.as_ptr(), source.bytes.len());
        slot::<Entry>() + self.with_source(definition, source)
    }

    fn with_source(&self, definition: &Definition, size: impl Fn(&Source) -> usize) -> usize {
        let table = self.lock();
        let hash = definition.source().load(Ordering::Relaxed);
        let own = |source: &Source| std::ptr::eq(source.definition.as_ptr(), definition);
        table.sources.find(hash, own).map_or(0, size)
    }
}

/// The memory of a table for one entry: the entry and a control byte, in tables that are between
/// half and wholly full.
const fn slot<T>() -> usize {
    (size_of::<T>() + 1) * 3 / 2
}

/// Whether a document is kept beside its definition: not where all that is held would come to more
/// than four times the document, and not for the blanks between its tokens.
fn is_affordable(definition: &Definition, source: usize, map_bytes: usize) -> bool {
    let all = definition.held() + source;
    all <= AFFORDED * source && source <= 2 * map_bytes + BLANKS
}

/// A table of so many entries is not worth shrinking.
const SMALL: usize = 64;

/// Around the map, and in small documents, some blanks are nothing to count.
const BLANKS: usize = 1024;

impl Table {
    /// Gives memory back after many definitions have gone. Seldom, as tables then are half full.
    fn shrink(&mut self) {
        let Self {
            definitions,
            sources,
            ..
        } = self;
        if definitions.capacity() > 4 * definitions.len().max(SMALL) {
            definitions.shrink_to(2 * definitions.len(), |entry| entry.hash);
        }
        if sources.capacity() > 4 * sources.len().max(SMALL) {
            sources.shrink_to(2 * sources.len(), |source| source.hash);
        }
    }

    fn candidates(&self, hash: u64) -> Vec<Arc<Definition>> {
        let same = self
            .definitions
            .iter_hash(hash)
            .filter(|entry| entry.hash == hash);
        same.filter_map(|entry| entry.definition.upgrade())
            .collect()
    }

    fn forget_source(&mut self, definition: &Definition) {
        let hash = definition.source().load(Ordering::Relaxed);
        let own = |source: &Source| std::ptr::eq(source.definition.as_ptr(), definition);
        if let Ok(entry) = self.sources.find_entry(hash, own) {
            let (source, _) = entry.remove();
            self.stats.source_bytes -= source.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of documents take Miri minutes")]
    fn the_table_shrinks_when_many_definitions_have_gone() {
        let interner = Interner::new();
        let read = |at: usize| {
            let json = format!(r#"{{"map":{{"state {at}":[]}},"initial":"state {at}"}}"#);
            let read = interner.read(json.as_bytes(), None, Dialect::Documented, &Limits::NONE);
            read.unwrap().machine
        };
        let capacity = || interner.0.lock().definitions.capacity();
        let machines: Vec<Machine> = (0..300).map(read).collect();
        assert!(capacity() > 4 * SMALL);
        drop(machines);
        assert!(capacity() <= 4 * SMALL, "{}", capacity());
    }
}
