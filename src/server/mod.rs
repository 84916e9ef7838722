//! The server's module API behind safe types. All `unsafe` code of the adapter is in this folder.
//!
//! This folder knows no machine and imports nothing from the rest of the crate. The layers above
//! register the code that the server calls, as types that implement [`command::Handler`] and
//! [`value_type::ValueType`], or as plain functions. Another module could use the folder unchanged.
//!
//! Two rules hold everywhere in it:
//!
//! 1. Every entry from C goes through [`guard::guarded`], except the few that only read or write a
//!    number. So a panic never unwinds into the server.
//! 2. Every pointer that the server passes to an entry is valid until that entry returns, as the
//!    module API documents. The types here carry a lifetime that ends there.

pub mod alarm;
pub mod alloc;
mod api;
pub mod blocking;
pub mod command;
pub mod config;
pub mod context;
pub mod data_events;
pub mod fault;
pub mod file_events;
pub mod fork;
pub mod guard;
pub mod info;
pub mod io;
pub mod key;
pub mod load;
pub mod log;
pub mod page;
pub mod privacy;
mod reply;
pub mod scan;
pub mod stream;
pub mod strings;
pub mod value_type;

pub use api::{clock, is_valkey_8, restores_for_client};
