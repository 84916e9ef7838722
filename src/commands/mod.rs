//! The commands, a file each.

mod can;
mod create;
mod export;
mod get;
mod lint;
mod mutate;
mod next;
mod reset;
mod set;
mod state;
mod template;

use redis_state_core::Rules;

use crate::config;
use crate::errors::{CommandError, UnknownOption};
use crate::server::context::{Args, Context, Str};
use crate::server::io::shown;
use crate::server::register::{self, COMMANDS, Entry, entry};

/// A command: its name as in `commands.json`, and what it does.
pub trait Command {
    /// As in `commands.json`.
    const NAME: &'static str;

    /// Runs the command. It replies at its end and once, so that an error or a panic before can
    /// still be the reply.
    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError>;
}

/// Every command that there is code for.
const ENTRIES: &[(&str, Entry)] = &[
    (template::Template::NAME, entry::<template::Template>),
    (set::Set::NAME, entry::<set::Set>),
    (create::Create::NAME, entry::<create::Create>),
    (get::Get::NAME, entry::<get::Get>),
    (state::State::NAME, entry::<state::State>),
    (mutate::Mutate::NAME, entry::<mutate::Mutate>),
    (reset::Reset::NAME, entry::<reset::Reset>),
    (next::Next::NAME, entry::<next::Next>),
    (can::Can::NAME, entry::<can::Can>),
    (export::Export::NAME, entry::<export::Export>),
    (lint::Lint::NAME, entry::<lint::Lint>),
];

/// Registers every command of `commands.json`.
pub fn register(context: Context<'_>) -> Result<(), String> {
    register::register_category(context);
    for spec in COMMANDS {
        let name = spec.name.to_string_lossy();
        let known = ENTRIES.iter().find(|(entry, _)| *entry == name);
        let (_, entry) = known.ok_or_else(|| format!("there is no code for {name}"))?;
        register::register(context, spec, *entry)?;
    }
    Ok(())
}

/// The reply of a write to a key that isn't there. What has happened elsewhere had one, so that the
/// data differ: an error, which the server logs, or stops at if it is told to.
#[cold]
pub fn missing(context: Context<'_>) -> Result<(), CommandError> {
    if context.is_repeated() {
        return Err(CommandError::Diverged("there is no such key"));
    }
    context.reply_null();
    Ok(())
}

/// The rules for this call. What has happened elsewhere is repeated by the documented rules: all
/// that is replicated is written in terms of them.
fn dialect_for(context: Context<'_>) -> Rules {
    match config::dialect() {
        Rules::Legacy if !context.is_repeated() => Rules::Legacy,
        _ if context.is_repeated() => Rules::Replayed,
        _ => Rules::Documented,
    }
}

/// Whether an optional argument is the one option that the command takes there.
fn is_option(
    argument: Option<Str<'_>>,
    option: &'static str,
    command: &'static str,
) -> Result<bool, CommandError> {
    let Some(argument) = argument else {
        return Ok(false);
    };
    if argument.bytes().eq_ignore_ascii_case(option.as_bytes()) {
        return Ok(true);
    }
    Err(unknown_option(argument, command, option))
}

fn unknown_option(
    argument: Str<'_>,
    command: &'static str,
    expected: &'static str,
) -> CommandError {
    if config::dialect() == Rules::Legacy {
        return CommandError::EdgeOption;
    }
    CommandError::UnknownOption(Box::new(UnknownOption {
        found: shown(argument.bytes()),
        command,
        expected,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_metadata_name_the_same_commands() {
        let mut coded: Vec<_> = ENTRIES.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut listed: Vec<_> = COMMANDS
            .iter()
            .map(|spec| spec.name.to_string_lossy().into_owned())
            .collect();
        coded.sort();
        listed.sort();
        assert_eq!(coded, listed);
    }
}
