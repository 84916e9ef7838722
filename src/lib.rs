//! State machines as a native data type of Redis and Valkey: the adapter between a server and the
//! core crate.
//!
//! A file imports only from the layers below it; `make lint` checks that. From the bottom up:
//!
//! 1. [`server`]: the module API behind safe types. It imports nothing from the rest of this crate.
//!    The layers above register their code with it.
//! 2. [`stats`], [`text`], [`config`]: counters, keys and arguments as text, configs.
//! 3. [`errors`]: the text of every error.
//! 4. [`store`], [`replication`]: the interner and the open files; the rules of replication.
//! 5. [`deadlines`]: which machines have timers that are due when, and the alarm that fires them.
//! 6. [`datatype`]: the data type's callbacks.
//! 7. [`commands`]: a file for each command.
//! 8. [`info`]: the INFO section.
//!
//! The core crate knows nothing of a server. `docs/architecture.md` has the picture.

#![deny(unsafe_code)]
#![allow(
    rustdoc::private_intra_doc_links,
    reason = "a cdylib has no public API; these docs are for maintainers"
)]

mod commands;
mod config;
mod datatype;
mod deadlines;
mod emitted;
mod errors;
mod fields;
mod info;
mod moment;
mod replication;
#[expect(
    unsafe_code,
    reason = "calls the module API; no other part of the adapter does"
)]
mod server;
mod stats;
mod store;
mod text;

use redis_state_core::Machine;

use server::context::Context;
use server::load::Module;
use server::strings::Args;

/// The name is frozen: the old module registered under it.
static MODULE: Module = Module {
    name: c"redisstate",
    // Major, minor and patch, two digits each.
    version: 20_000,
    load,
};

server::load::module_entry!(MODULE);

/// Registers configs, the data type, commands, the INFO section and event handlers. The module API
/// is set up before.
fn load(context: Context<'_>, args: Args<'_>) -> Result<(), String> {
    server::load::set_options(context);
    server::privacy::refresh(context);
    datatype::probe_server();
    config::register(context, args)?;
    server::value_type::register::<Machine>(context)?;
    commands::register(context)?;
    server::info::register(context, info::fields)?;
    // Events come last, because nothing may fail after them: Redis 7.0 goes on sending events to a
    // module that failed to load, and crashes at the next save.
    server::privacy::subscribe(context)?;
    server::file_events::subscribe(context, store::on_file_event)?;
    server::data_events::subscribe(context, deadlines::on_data_event)?;
    server::alarm::prepare(context, deadlines::on_alarm, deadlines::watch)?;
    server::log::notice("loaded");
    Ok(())
}
