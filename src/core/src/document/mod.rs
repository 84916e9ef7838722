//! A document: a machine as JSON.
//!
//! Read in steps: bytes → tape → fields → builder → the parts of a definition, current state and
//! reason. Written in one, from a definition in place.

// Bytes from outside come through here first: an index needs a reason.
#![warn(clippy::indexing_slicing)]

mod builder;
mod error;
mod fields;
mod names;
mod parse;
mod source_key;
mod syntax;
mod tape;
mod timers;
mod write;

pub use self::error::DocumentError;
pub(crate) use self::parse::{Document, parse, parse_legacy};
pub(crate) use self::source_key::SourceKey;
pub(crate) use self::write::{Reason, Written, write};
