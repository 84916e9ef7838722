//! The first byte of a record: which form it has, and which parts follow.

/// The version of the records that are written. It is the data type's encoding, too.
pub const RECORD_VERSION: u32 = 3;

/// The version that 1.0 wrote: no part but a reason. Its machines are at version 1.
pub const RECORD_VERSION_1_0: u32 = 2;

/// The bits that hold the form: where the definition is.
pub(super) const FORM: u8 = 0b011;
/// Form: the definition is in this record, for this record alone.
pub(super) const ALONE: u8 = 0;
/// Form: the definition is in this record, and known by its number from here to the file's end.
pub(super) const FIRST: u8 = 1;
/// Form: the definition is in an earlier record of this file.
pub(super) const EARLIER: u8 = 2;
/// Flag: a reason follows.
pub(super) const REASON: u8 = 1 << 2;
/// Flag: the machine's version follows. Without it, it is 1.
pub(super) const VERSION: u8 = 1 << 3;
/// Flag: request ids follow.
pub(super) const IDS: u8 = 1 << 4;
/// Flag: the time of entry and the deadline follow.
pub(super) const TIMES: u8 = 1 << 5;
/// Flag: a history follows.
pub(super) const HISTORY: u8 = 1 << 6;

/// The flags that a record of this version can have.
pub(super) fn of_version(version: u32) -> Option<u8> {
    match version {
        RECORD_VERSION_1_0 => Some(REASON),
        RECORD_VERSION => Some(REASON | VERSION | IDS | TIMES | HISTORY),
        _ => None,
    }
}
