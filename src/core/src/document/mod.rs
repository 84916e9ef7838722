//! A document: a machine as JSON, read and written.

mod builder;
mod error;
mod fields;
mod parse;
mod source_key;
mod syntax;
mod tape;
mod write;

pub use self::error::DocumentError;
pub(crate) use self::parse::{Document, parse, parse_legacy};
pub(crate) use self::source_key::SourceKey;
pub(crate) use self::write::{Reason, Written, write};
