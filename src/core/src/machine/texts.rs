//! What has no fixed length in a machine, in one block: the reason, the request ids, the history.

use std::cell::Cell;

use super::MAX_PART_BYTES;

/// Blocks have a multiple of so many bytes, as allocators give them out anyway. A change that leaves
/// about as much as there was needs no new block: where a history is full, that is most of them.
const GRAIN: usize = 16;

/// A buffer beyond this is not kept for the next change.
const MAX_BUFFER_BYTES: usize = 4 * MAX_PART_BYTES;

/// Reason, request ids and history, one after the other in one block.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    block: Box<[u8]>,
    reason_bytes: u32,
    id_bytes: u16,
    /// How many bytes at the end of the block are not used.
    unused: u8,
}

impl Texts {
    pub(super) fn of(draft: Draft<'_>) -> Self {
        let mut texts = Self::default();
        texts.set(draft);
        texts
    }

    /// Takes over a draft, in the block that is there if it fits.
    pub(super) fn set(&mut self, draft: Draft<'_>) {
        let used = draft.bytes.len();
        let unused = self.block.len().checked_sub(used);
        let unused = unused.filter(|&unused| unused < GRAIN);
        let unused = unused.unwrap_or_else(|| {
            let room = used.next_multiple_of(GRAIN);
            self.block = vec![0; room].into_boxed_slice();
            room - used
        });
        if let Some(block) = self.block.get_mut(..used) {
            block.copy_from_slice(draft.bytes);
        }
        #[expect(clippy::cast_possible_truncation, reason = "below GRAIN")]
        let unused = unused as u8;
        *self = Self {
            block: std::mem::take(&mut self.block),
            reason_bytes: draft.reason_bytes,
            id_bytes: draft.id_bytes,
            unused,
        };
    }

    fn as_draft(&self) -> Draft<'_> {
        let used = self.block.len() - usize::from(self.unused);
        Draft {
            bytes: self.block.get(..used).unwrap_or_default(),
            reason_bytes: self.reason_bytes,
            id_bytes: self.id_bytes,
        }
    }

    pub(super) fn reason(&self) -> &str {
        self.as_draft().reason()
    }

    pub(super) fn ids(&self) -> &[u8] {
        let Draft { bytes, .. } = self.as_draft();
        let start = self.reason_bytes as usize;
        let ids = bytes.get(start..start + usize::from(self.id_bytes));
        ids.unwrap_or_default()
    }

    pub(super) fn history(&self) -> &[u8] {
        let Draft { bytes, .. } = self.as_draft();
        let start = self.reason_bytes as usize + usize::from(self.id_bytes);
        bytes.get(start..).unwrap_or_default()
    }

    pub(super) fn block(&self) -> &[u8] {
        &self.block
    }

    pub(super) fn block_mut(&mut self) -> &mut Box<[u8]> {
        &mut self.block
    }
}

/// The same parts, as a change will leave them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draft<'s> {
    bytes: &'s [u8],
    reason_bytes: u32,
    id_bytes: u16,
}

impl<'s> Draft<'s> {
    pub(super) fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns whether there is nothing but perhaps a reason.
    pub(super) fn is_reason_alone(self) -> bool {
        self.bytes.len() == self.reason_bytes as usize
    }

    pub(super) fn reason(self) -> &'s str {
        let reason = self.bytes.get(..self.reason_bytes as usize);
        std::str::from_utf8(reason.unwrap_or_default()).unwrap_or_default()
    }
}

thread_local! {
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer for drafts: of this thread, so that a change allocates nothing.
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    pub(super) fn take() -> Self {
        Self(BUFFER.take())
    }

    /// Writes a draft. `ids` and `history` append theirs.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most MAX_REASON_BYTES and MAX_PART_BYTES"
    )]
    pub(super) fn write(
        &mut self,
        reason: &str,
        ids: impl FnOnce(&mut Vec<u8>),
        history: impl FnOnce(&mut Vec<u8>),
    ) -> Draft<'_> {
        let bytes = &mut self.0;
        bytes.clear();
        bytes.extend_from_slice(reason.as_bytes());
        ids(bytes);
        let id_bytes = bytes.len() - reason.len();
        debug_assert!(id_bytes <= MAX_PART_BYTES);
        history(bytes);
        Draft {
            reason_bytes: reason.len() as u32,
            id_bytes: id_bytes as u16,
            bytes,
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.0.capacity() <= MAX_BUFFER_BYTES {
            BUFFER.set(std::mem::take(&mut self.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &mut Texts, reason: &str, history: &[u8]) {
        let mut buffer = Buffer::take();
        texts.set(buffer.write(reason, |_| {}, |out| out.extend_from_slice(history)));
    }

    #[test]
    fn what_fits_takes_no_new_block() {
        let mut texts = Texts::default();
        assert!(texts.block().is_empty());
        set(&mut texts, "why", &[7; 20]);
        assert_eq!(texts.block().len(), 32);
        let block = texts.block().as_ptr();
        for bytes in [29, 14, 20] {
            set(&mut texts, "why", &vec![8; bytes]);
            assert_eq!(texts.block().as_ptr(), block);
            assert_eq!(
                (texts.reason(), texts.history()),
                ("why", &vec![8; bytes][..])
            );
        }
        for bytes in [30, 13, 0] {
            set(&mut texts, "why", &vec![9; bytes]);
            assert_eq!(texts.block().len(), (3 + bytes).next_multiple_of(GRAIN));
            assert_eq!(texts.history(), &vec![9; bytes][..]);
        }
        set(&mut texts, "", b"");
        assert!(texts.block().is_empty());
    }
}
