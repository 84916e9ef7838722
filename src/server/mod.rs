//! The server's module API with a safe face. All `unsafe` of the adapter is in this folder.
//!
//! Two rules hold everywhere in it:
//!
//! 1. Every entry from C goes through [`guard::guarded`], but for the few that do nothing but read or
//!    write a number: a panic never unwinds into the server.
//! 2. Every pointer that the server hands to an entry is valid until that entry returns, as the
//!    module API documents; the types here carry a lifetime that ends there.

pub mod alloc;
pub mod config;
pub mod context;
pub mod datatype;
pub mod guard;
pub mod info;
pub mod io;
pub mod key;
pub mod log;
pub mod module;
pub mod register;

use std::ffi::c_int;

use redis_module::raw;

/// What a function of the module API returns when it succeeds.
#[expect(clippy::cast_possible_truncation, reason = "zero")]
const OK: c_int = raw::REDISMODULE_OK as c_int;

/// What an entry returns when it fails.
#[expect(clippy::cast_possible_truncation, reason = "one")]
const ERR: c_int = raw::REDISMODULE_ERR as c_int;

/// Calls a function of the module API.
///
/// All that is used without a look at [`module::has`] first is in Redis 7.0, the oldest server
/// supported, so a missing one is a broken server: a panic, which the guard turns into an error.
macro_rules! api {
    ($function:ident($($argument:expr),* $(,)?)) => {
        match redis_module::raw::$function {
            Some(function) => function($($argument),*),
            None => panic!(concat!("the server lacks ", stringify!($function))),
        }
    };
}
pub(crate) use api;
