//! A definition that machines share, with what is cached beside it.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::budget;
use super::counts::Counts;
use crate::definition::Definition;

/// The table that a definition is in, as the definition knows it.
pub(super) trait OwningTable: fmt::Debug + Send + Sync {
    /// Takes a definition out as it is dropped.
    fn forget(&self, gone: &Interned);

    /// Returns the length of the document kept for a definition; zero for none.
    fn document_bytes(&self, definition: &Interned) -> usize;

    /// Returns the memory of the table's entries for a definition, and of its kept document.
    /// `measure` says what one heap block takes.
    fn memory(&self, definition: &Interned, measure: &dyn Fn(*const u8, usize) -> usize) -> usize;
}

/// A definition of which there is one in its [`Interner`](super::Interner), shared by all machines
/// that have it.
///
/// The last machine to go drops it, on whichever thread that happens, and it takes itself out of the
/// interner's table.
#[derive(Debug)]
pub struct Interned {
    /// Inline, so that a machine reaches it through one pointer.
    definition: Definition,
    counts: Counts,
    /// The hash of the archive, by which the table finds this.
    archive_hash: u64,
    /// The body of the document, once somebody has asked for it.
    body: OnceLock<Box<[u8]>>,
    /// The hash of the document kept for this definition; zero for none.
    document_hash: AtomicU64,
    /// The number that this definition has in the RDB file being written, below the file's own
    /// number in the high half, so that no file takes another's number for its own.
    file_mark: AtomicU64,
    table: Arc<dyn OwningTable>,
}

impl Interned {
    pub(super) fn new(
        definition: Definition,
        archive_hash: u64,
        table: Arc<dyn OwningTable>,
    ) -> Self {
        Self {
            counts: Counts::of(definition.state_count()),
            definition,
            archive_hash,
            body: OnceLock::new(),
            document_hash: AtomicU64::new(0),
            file_mark: AtomicU64::new(0),
            table,
        }
    }

    pub(super) fn archive_hash(&self) -> u64 {
        self.archive_hash
    }

    /// Returns the hash of the document kept for this definition; zero for none. Read and written
    /// under the table's lock.
    pub(super) fn document_hash(&self) -> u64 {
        self.document_hash.load(Ordering::Relaxed)
    }

    pub(super) fn set_document_hash(&self, hash: u64) {
        self.document_hash.store(hash, Ordering::Relaxed);
    }

    /// Returns the counters of the machines by state.
    #[inline(always)]
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Returns the states and how many machines are in each.
    pub fn counts_by_state(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let names = self.state_ids().map(|state| self.name_bytes(state));
        names.zip(self.counts.get())
    }

    /// Returns how many machines have this definition, by the counters: whoever else holds it doesn't
    /// count. Linear in its states.
    pub fn machines(&self) -> u64 {
        self.counts.get().sum()
    }

    /// Returns the bytes that it takes whatever is cached: those of the archive and of the counters.
    pub(super) fn fixed_bytes(&self) -> usize {
        self.archive().len() + self.counts.block().1
    }

    /// Returns the body of the document, if it is kept.
    #[inline]
    pub(crate) fn body(&self) -> Option<&[u8]> {
        self.body.get().map(|body| &**body)
    }

    /// Keeps the body of the document, if the budget allows it.
    pub(crate) fn keep_body(&self, body: &[u8]) {
        let taken = self.memory_bytes() + self.table.document_bytes(self);
        if budget::may_keep_body(taken, self.archive().len(), body.len()) {
            let _ = self.body.set(body.into());
        }
    }

    /// Returns the bytes of the definition's heap blocks and the body, without the kept document.
    pub(super) fn memory_bytes(&self) -> usize {
        self.block_bytes() + self.counts.block().1 + self.body().map_or(0, <[u8]>::len)
    }

    /// Returns the memory that this definition takes, caches included, in bytes. `measure` says what
    /// one heap block takes, given its address and the bytes asked for.
    pub fn memory(&self, measure: impl Fn(*const u8, usize) -> usize) -> usize {
        // An `Arc` puts two counts before the value.
        let counts = 2 * size_of::<usize>();
        let own = std::ptr::from_ref(self).cast::<u8>().wrapping_sub(counts);
        let body = self.body().unwrap_or_default();
        let blocks = [
            (own, size_of::<Self>() + counts),
            (body.as_ptr(), body.len()),
            self.counts.block(),
        ];
        let all = blocks.into_iter().chain(self.blocks());
        all.filter(|&(_, bytes)| bytes > 0)
            .map(|(block, bytes)| measure(block, bytes))
            .sum::<usize>()
            + self.table.memory(self, &measure)
    }

    /// Returns the number that this definition has in the given file, if it is in there already.
    pub(crate) fn number_in(&self, file: u32) -> Option<u32> {
        let mark = self.file_mark.load(Ordering::Relaxed);
        #[expect(clippy::cast_possible_truncation, reason = "the halves of a mark")]
        let [marked, number] = [(mark >> 32) as u32, mark as u32];
        (marked == file).then_some(number)
    }

    /// Notes the number that this definition has in the given file.
    pub(crate) fn set_number_in(&self, file: u32, number: u32) {
        let mark = (u64::from(file) << 32) | u64::from(number);
        self.file_mark.store(mark, Ordering::Relaxed);
    }
}

impl Deref for Interned {
    type Target = Definition;

    #[inline(always)]
    fn deref(&self) -> &Definition {
        &self.definition
    }
}

impl Drop for Interned {
    fn drop(&mut self) {
        self.table.forget(self);
    }
}
