//! What can be wrong with an archive, and the bounds that it names.

use std::fmt;

use crate::limits::{MAX_DOCUMENT_BYTES, MAX_HISTORY, MAX_LABEL_BYTES, MAX_STATES};

/// The version of the archive that this module writes.
pub(super) const VERSION: u16 = 2;

/// The version that release 1.0 wrote, which is still read.
pub(super) const FIRST_VERSION: u16 = 1;

/// The length of the header: magic, version, flags, length of the body.
pub(super) const HEADER_BYTES: usize = 12;

/// Longest archive behind its header, in bytes. What is longer is refused before it is copied.
///
/// It is longer than any archive whose document is within [`MAX_DOCUMENT_BYTES`]. Worst case: a
/// state that occurs once, as a target, or as that of an event of its own. `"a",` is 4 bytes of JSON
/// and 9 bytes of archive (1 of name, 4 of name end, 4 of target), `"e":"a",` is 8 and 22 (5 more for
/// the event's name, 8 for the group). The adjacency at most doubles that; 2 · 22/8 < 6.
pub(super) const MAX_ARCHIVE_BYTES: usize = 6 * MAX_DOCUMENT_BYTES;

/// Bytes that are not the archive of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveError(pub(super) Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Short(usize),
    Magic,
    Version(u16),
    Flags(u16),
    Length { expected: u32, got: usize },
    Structure,
    StateCount(usize),
    RowCount(usize),
    Rows,
    Names,
    Numbering,
    Rare,
    EventNames,
    EventNumbering,
    Groups,
    Any,
    Timers,
    History(u32),
    Label,
    Revision,
    Document(usize),
    RepeatedName,
    NotCanonical,
    TooLarge(usize),
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Short(got) => {
                write!(f, "archive of {got} bytes, expected {HEADER_BYTES} or more")
            }
            Kind::Magic => write!(f, "archive does not begin with RSMA"),
            Kind::Version(got) => write!(
                f,
                "archive version {got}, expected {FIRST_VERSION} or {VERSION}"
            ),
            Kind::Flags(got) => write!(f, "archive flags {got:#06x}, expected none"),
            Kind::Length { expected, got } => {
                write!(
                    f,
                    "archive of {got} bytes behind the header, which says {expected}"
                )
            }
            Kind::Structure => write!(f, "archive structure is damaged"),
            Kind::StateCount(got) => write!(f, "{got} states, expected 1 to {MAX_STATES}"),
            Kind::RowCount(got) => write!(f, "{got} rows, more than states"),
            Kind::Rows => write!(f, "row ends do not cover the targets"),
            Kind::Names => write!(
                f,
                "name ends do not cover the names, or these are not UTF-8"
            ),
            Kind::Numbering => write!(f, "states are not numbered by first appearance"),
            Kind::Document(got) => {
                write!(
                    f,
                    "document of {got} bytes, expected at most {MAX_DOCUMENT_BYTES}"
                )
            }
            Kind::Rare => write!(f, "rare parts are empty or more than one"),
            Kind::EventNames => write!(
                f,
                "event ends do not cover the names of events, or these are empty or not UTF-8"
            ),
            Kind::EventNumbering => write!(f, "events are not numbered by first appearance"),
            Kind::Groups => write!(f, "events of rows are not what a document can say"),
            Kind::Any => write!(f, "events of any are not what a document can say"),
            Kind::Timers => write!(f, "timers are not what a document can say"),
            Kind::History(got) => write!(f, "history of {got}, expected at most {MAX_HISTORY}"),
            Kind::Label => write!(
                f,
                "name of the definition is not UTF-8 of at most {MAX_LABEL_BYTES} bytes"
            ),
            Kind::Revision => write!(f, "revisions are more than one, or without a name"),
            Kind::RepeatedName => write!(f, "two states or two events have the same name"),
            Kind::NotCanonical => write!(f, "archive is not in canonical form"),
            Kind::TooLarge(got) => {
                write!(
                    f,
                    "archive of {got} bytes, expected at most {MAX_ARCHIVE_BYTES}"
                )
            }
        }
    }
}

impl std::error::Error for ArchiveError {}
