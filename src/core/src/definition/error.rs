//! What can be wrong with an archive, and the bounds that it names.

use std::fmt;

use crate::limits::{MAX_DOCUMENT_BYTES, MAX_STATES};

/// The version of the archive that this module reads and writes.
pub(super) const VERSION: u16 = 1;

/// The length of the header: magic, version, flags, length of the body.
pub(super) const HEADER_BYTES: usize = 12;

/// Longest archive behind its header, in bytes. What is longer is refused before it is copied.
///
/// It is longer than any archive whose document is within [`MAX_DOCUMENT_BYTES`]. Worst case: a
/// state that occurs once, as a target. `"a",` is 4 bytes of JSON and 9 bytes of archive (1 of name,
/// 4 of name end, 4 of target); 9/4 < 3.
pub(super) const MAX_ARCHIVE_BYTES: usize = 3 * MAX_DOCUMENT_BYTES;

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
            Kind::Version(got) => write!(f, "archive version {got}, expected {VERSION}"),
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
            Kind::RepeatedName => write!(f, "two states have the same name"),
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
