//! How large a new document may be.

use crate::error::Limit;

/// Longest reason, in bytes, whatever the limits say: written as JSON it is still a string that the
/// server and the parser take.
pub const MAX_REASON_BYTES: usize = 64 << 20;

/// Upper bounds on new documents and reasons. They never bind what was stored or replicated
/// before: a limit must not make one's own data unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest document, in bytes.
    pub document_bytes: usize,
    /// Most states of one definition.
    pub states: usize,
    /// Most transitions of one definition, repeats included.
    pub transitions: usize,
    /// Longest reason, in bytes.
    pub reason_bytes: usize,
}

impl Limits {
    /// No bounds but those of the format.
    pub const NONE: Self = Self {
        document_bytes: usize::MAX,
        states: usize::MAX,
        transitions: usize::MAX,
        reason_bytes: MAX_REASON_BYTES,
    };

    /// What a server starts with.
    pub const DEFAULT: Self = Self {
        document_bytes: 16 << 20,
        states: 100_000,
        transitions: 1_000_000,
        reason_bytes: 64 << 10,
    };

    /// Whether a reason of so many bytes is short enough.
    pub fn allow_reason(&self, bytes: usize) -> Result<(), Limit> {
        Limit::check(
            "reason",
            "bytes",
            bytes,
            self.reason_bytes,
            "max-reason-bytes",
        )
    }

    /// Whether a document of so many bytes is short enough.
    pub(crate) fn allow_document(&self, bytes: usize) -> Result<(), Limit> {
        Limit::check(
            "document",
            "bytes",
            bytes,
            self.document_bytes,
            "max-document-bytes",
        )
    }

    /// Whether a definition has few enough transitions.
    pub(crate) fn allow_transitions(&self, count: usize) -> Result<(), Limit> {
        Limit::check(
            "map",
            "transitions",
            count,
            self.transitions,
            "max-transitions",
        )
    }

    /// Whether a definition has few enough states.
    pub(crate) fn allow_states(&self, count: usize) -> Result<(), Limit> {
        Limit::check("map", "states", count, self.states, "max-states")
    }
}
