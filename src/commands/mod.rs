//! The commands: a file for each, in `read` or `write`. `commands.json` describes them, and the
//! build script generates the table of commands from it.

mod arguments;
#[cfg(feature = "fault-injection")]
mod check;
mod options;
mod read;
mod write;

use redis_state_core::Machine;

use crate::errors::CommandError;
use crate::server::command::{
    self, ArgumentKind, ArgumentSpec, CommandSpec, Entry, Handler, entry,
};
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::server::strings::Args;
use crate::server::{log, privacy};
use crate::stats;
use crate::text::key_for_log;
use arguments::Arguments;

/// The facts about a command that the build script takes from `commands.json`.
trait Described {
    /// The name, as typed by users.
    const NAME: &'static str;

    /// The same for the server.
    const C_NAME: &'static std::ffi::CStr;

    /// The largest number of arguments, the name included. The server itself checks the smallest.
    const MAX_ARGUMENTS: usize;

    /// Whether the command writes.
    const WRITES: bool;

    /// The version of this module that has it first.
    const SINCE: &'static str;
}

/// A command.
trait Command: Described {
    /// How many arguments replication may add: the moment, see [`crate::replication`].
    const MOMENT_ARGUMENTS: usize = 0;

    /// Runs the command. It replies once, at its end, so that an error or a panic before that can
    /// still be the reply.
    fn run<'a>(
        context: Context<'a>,
        keys: Keys<'a>,
        arguments: Arguments<'a>,
    ) -> Result<(), CommandError>;
}

/// A command that reads the machine of one key, its first argument, and replies nil if the key is
/// missing.
trait Query: Described {
    /// The arguments after the key.
    type Options<'a>;

    /// Reads the arguments after the key.
    fn options<'a>(arguments: &mut Arguments<'a>) -> Result<Self::Options<'a>, CommandError>;

    /// Replies with what the options ask for.
    fn reply(context: Context<'_>, machine: &Machine, options: Self::Options<'_>);
}

impl<Q: Query> Command for Q {
    #[inline]
    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let name = arguments.required()?;
        let options = Q::options(&mut arguments)?;
        match keys.read::<Machine>(name)?.value() {
            Some(machine) => Q::reply(context, machine, options),
            None => context.reply_null(),
        }
        Ok(())
    }
}

impl<C: Command> Handler for C {
    const NAME: &'static str = C::NAME;

    #[inline]
    fn call<'a>(context: Context<'a>, keys: Keys<'a>, args: Args<'a>) {
        if let Err(why) = run::<C>(context, keys, args) {
            refuse::<C>(context, args, &why);
        }
    }

    #[cold]
    fn reply_bug(context: Context<'_>, args: Args<'_>) {
        refuse::<C>(context, args, &CommandError::Bug(C::NAME));
    }
}

#[inline]
fn run<'a, C: Command>(
    context: Context<'a>,
    keys: Keys<'a>,
    args: Args<'a>,
) -> Result<(), CommandError> {
    if args.len() > C::MAX_ARGUMENTS && !has_moment::<C>(context, args) {
        return Err(CommandError::WrongArity);
    }
    C::run(
        context,
        keys,
        Arguments::new(args, C::NAME, is_frozen::<C>()),
    )
}

/// Returns whether a command has more arguments than it is documented with because of the moment
/// that replication adds.
#[cold]
fn has_moment<C: Command>(context: Context<'_>, args: Args<'_>) -> bool {
    let is_in_bounds = args.len() <= C::MAX_ARGUMENTS.saturating_add(C::MOMENT_ARGUMENTS);
    is_in_bounds && context.is_replicated_or_replayed()
}

/// Returns whether the command is of version 1.0. These keep the ways of the old module where a config
/// asks for them.
fn is_frozen<C: Command>() -> bool {
    C::SINCE == "1.0.0"
}

/// Replies with an error. If the server may log it and its log must not show user data, the error is
/// redacted.
#[cold]
fn refuse<C: Command>(context: Context<'_>, args: Args<'_>, why: &CommandError) {
    if why.limit().is_some() {
        stats::LIMITS_HIT.increment();
    }
    let text = if server_logs_errors_of::<C>(context) && privacy::hides_user_data(context) {
        why.redacted()
    } else {
        why.to_string()
    };
    log_failed_replay(context, args, C::NAME, &text);
    match (why, why.code()) {
        (CommandError::WrongArity, _) => context.reply_wrong_arity(),
        (_, "") => context.reply_error(&text),
        (_, code) => context.reply_error(&format!("{code} {text}")),
    }
}

/// Returns whether the server itself may log an error of this command: if it was replicated or
/// replayed, or called by another module's command that was. The module API doesn't tell the latter
/// from a client's write, so every write on a replica counts.
fn server_logs_errors_of<C: Command>(context: Context<'_>) -> bool {
    context.is_replicated_or_replayed() || (C::WRITES && context.is_on_replica_or_loading())
}

/// Logs that a replicated or replayed command failed here, with the key: the server's own log line
/// doesn't name it, and the server goes on without the command.
fn log_failed_replay(context: Context<'_>, args: Args<'_>, command: &str, why: &str) {
    if !context.is_replicated_or_replayed() {
        return;
    }
    let key = key_for_log(args.get(1).map(|name| name.bytes()));
    let origin = if context.is_loading_aof() {
        "while the file is loaded"
    } else {
        "though the primary did it"
    };
    log::warning(&format!("key {key}: {command} fails {origin}: {why}"));
}

// Defines COMMANDS, a pair of description and entry for each command of `commands.json`, and
// implements `Described` for each of them.
include!(concat!(env!("OUT_DIR"), "/commands.rs"));

/// Registers every command.
///
/// # Errors
///
/// If the server refuses a command. The error names it.
pub fn register(context: Context<'_>) -> Result<(), String> {
    const CATEGORY: &std::ffi::CStr = c"statemachine";
    command::register_category(context, CATEGORY);
    for (spec, entry) in &COMMANDS {
        command::register(context, CATEGORY, spec, *entry)?;
    }
    #[cfg(feature = "fault-injection")]
    command::register(context, CATEGORY, &check::SPEC, entry::<check::Check>)?;
    Ok(())
}
