//! State machines as a native data type of Redis and Valkey: the server's side.
//!
//! The layers run one way. The server calls [`server`], which holds every `unsafe` and guards every
//! entry; that calls [`commands`] and [`datatype`], which are safe; they call the core crate,
//! which knows nothing of a server. Loading begins in [`server::module`] and comes to [`load`].

#![allow(
    rustdoc::private_intra_doc_links,
    reason = "a module has no public face: its docs are for who works on it"
)]

mod commands;
mod config;
mod datatype;
mod errors;
mod fault;
mod server;
mod stats;

use server::context::{Args, Context};

/// Registers all that the module has, after the module API is set up.
fn load(context: Context<'_>, args: Args<'_>) -> Result<(), String> {
    server::module::set_options(context);
    datatype::know_server();
    config::register(context, args)?;
    server::datatype::register(context)?;
    commands::register(context)?;
    server::info::register(context)?;
    // Last, as nothing may fail after it: Redis 7.0 goes on sending events to a module that failed
    // to load, and crashes at the next save.
    server::module::subscribe(context)?;
    server::log::notice("redisstate: loaded");
    Ok(())
}
