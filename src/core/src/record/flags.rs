//! The first byte of a record: which form it has, and which parts follow.

/// The bits that hold the form: where the definition is.
pub(super) const FORM: u8 = 0b011;
/// Form: the definition is in this record, for this record alone.
pub(super) const ALONE: u8 = 0;
/// Form: the definition is in this record, and known by its number from here to the file's end.
pub(super) const FIRST: u8 = 1;
/// Form: the definition is in an earlier record of this file.
pub(super) const EARLIER: u8 = 2;
/// Flag: a reason follows.
pub(super) const REASON: u8 = 0b100;
