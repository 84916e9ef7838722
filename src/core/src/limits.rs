//! How large a new document may be: the format's bounds, and those that an operator sets.

use std::fmt;

/// Most states that a definition can have, whatever the limits say.
pub const MAX_STATES: usize = 1 << 24;

/// Longest document that a definition may stand for, in bytes, whatever the limits say.
///
/// An archive holds each name once, its document every time. Without a bound, an archive of a
/// kilobyte from a forger could have a document of gigabytes, and a parser needs about fifteen times
/// the document's length.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;

/// Longest reason, in bytes, whatever the limits say: written as JSON it is still a string that the
/// server and the parser take.
pub const MAX_REASON_BYTES: usize = 64 << 20;

/// Most moves that a machine can remember.
pub const MAX_HISTORY: u32 = 255;

/// Longest `name` of a definition, in bytes.
pub const MAX_LABEL_BYTES: usize = 256;

/// Longest time of a timer, in milliseconds, and the last deadline: 2⁵³−1, which every client's
/// numbers can hold.
pub const MAX_MS: u64 = (1 << 53) - 1;

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

    /// The bounds that a server starts with.
    pub const DEFAULT: Self = Self {
        document_bytes: 16 << 20,
        states: 100_000,
        transitions: 1_000_000,
        reason_bytes: 64 << 10,
    };

    /// Checks the length of a reason, in bytes.
    ///
    /// # Errors
    ///
    /// The limit, if the reason is longer than [`reason_bytes`](Self::reason_bytes).
    pub fn allow_reason(&self, bytes: usize) -> Result<(), Limit> {
        Limit::check(LimitKind::ReasonBytes, bytes, self.reason_bytes)
    }

    /// Checks the length of a document, in bytes.
    pub(crate) fn allow_document(&self, bytes: usize) -> Result<(), Limit> {
        Limit::check(LimitKind::DocumentBytes, bytes, self.document_bytes)
    }

    /// Checks the number of transitions of a definition.
    pub(crate) fn allow_transitions(&self, count: usize) -> Result<(), Limit> {
        Limit::check(LimitKind::Transitions, count, self.transitions)
    }

    /// Checks the number of states of a definition.
    pub(crate) fn allow_states(&self, count: usize) -> Result<(), Limit> {
        Limit::check(LimitKind::States, count, self.states)
    }
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitKind {
    /// The bytes of a document.
    DocumentBytes,
    /// The states of a definition.
    States,
    /// The transitions of a definition.
    Transitions,
    /// The bytes of a reason.
    ReasonBytes,
}

impl LimitKind {
    /// Returns what is too large, and the unit in which it is counted.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::DocumentBytes => ("document", "bytes"),
            Self::States => ("map", "states"),
            Self::Transitions => ("map", "transitions"),
            Self::ReasonBytes => ("reason", "bytes"),
        }
    }
}

/// A limit that a new document or reason exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    kind: LimitKind,
    found: usize,
    allowed: usize,
}

impl Limit {
    fn check(kind: LimitKind, found: usize, allowed: usize) -> Result<(), Self> {
        if found <= allowed {
            return Ok(());
        }
        Err(Self {
            kind,
            found,
            allowed,
        })
    }

    /// Returns what the limit counts.
    pub fn kind(&self) -> LimitKind {
        self.kind
    }

    /// Returns how many there are.
    pub fn found(&self) -> usize {
        self.found
    }

    /// Returns how many there may be.
    pub fn allowed(&self) -> usize {
        self.allowed
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, unit) = self.kind.words();
        let Self { found, allowed, .. } = self;
        write!(f, "{what} has {found} {unit}, over the limit of {allowed}")
    }
}

impl std::error::Error for Limit {}
