//! What has no fixed length in a machine, in one block: the reason, the request ids, the history.

use super::MAX_PART_BYTES;

/// Reason, request ids and history, one after the other in one block. A change writes a new block:
/// it has no slack, and most changes touch all of it anyway.
#[derive(Debug, Clone, Default)]
pub(super) struct Texts {
    bytes: Box<[u8]>,
    reason_bytes: u32,
    id_bytes: u16,
}

impl Texts {
    /// Makes the block. `ids` and `history` append theirs.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most MAX_REASON_BYTES and MAX_PART_BYTES"
    )]
    pub(super) fn new(
        reason: &str,
        room: usize,
        ids: impl FnOnce(&mut Vec<u8>),
        history: impl FnOnce(&mut Vec<u8>),
    ) -> Self {
        let mut bytes = Vec::with_capacity(reason.len() + room);
        bytes.extend_from_slice(reason.as_bytes());
        ids(&mut bytes);
        let id_bytes = bytes.len() - reason.len();
        debug_assert!(id_bytes <= MAX_PART_BYTES);
        history(&mut bytes);
        Self {
            reason_bytes: reason.len() as u32,
            id_bytes: id_bytes as u16,
            bytes: bytes.into_boxed_slice(),
        }
    }

    pub(super) fn reason(&self) -> &str {
        let reason = self.bytes.get(..self.reason_bytes as usize);
        std::str::from_utf8(reason.unwrap_or_default()).unwrap_or_default()
    }

    pub(super) fn ids(&self) -> &[u8] {
        let start = self.reason_bytes as usize;
        let ids = self.bytes.get(start..start + usize::from(self.id_bytes));
        ids.unwrap_or_default()
    }

    pub(super) fn history(&self) -> &[u8] {
        let start = self.reason_bytes as usize + usize::from(self.id_bytes);
        self.bytes.get(start..).unwrap_or_default()
    }

    /// Returns whether there is nothing but perhaps a reason.
    pub(super) fn is_reason_alone(&self) -> bool {
        self.bytes.len() == self.reason_bytes as usize
    }

    pub(super) fn block(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn block_mut(&mut self) -> &mut Box<[u8]> {
        &mut self.bytes
    }
}
