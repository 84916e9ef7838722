//! A machine as it is stored: in an RDB file, in DUMP, in a replication stream.
//!
//! `docs/format.md` describes the layout. A record either carries its definition or, inside an RDB
//! file, refers to one that an earlier record of the same file carried: a million machines with one
//! definition hold it once.

// Bytes from outside come through here first: an index needs a reason.
#![warn(clippy::indexing_slicing)]

mod flags;
mod read;
mod recreate;
mod write;

pub use self::flags::{RECORD_VERSION, RECORD_VERSION_1_0};
pub use self::read::{RecordError, RecordReader};
pub use self::recreate::Recreate;
pub use self::write::RecordWriter;
