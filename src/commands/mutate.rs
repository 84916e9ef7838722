//! `SM.MUTATE key state [reason [FORCE]]`

use redis_state_core::{Force, Limits, Machine, Rules};

use crate::commands::{Command, dialect_for, is_option, missing};
use crate::config;
use crate::errors::CommandError;
use crate::server::context::{Args, Context, Str};
use crate::stats;

/// Moves a machine to another state.
pub struct Mutate;

impl Command for Mutate {
    const NAME: &'static str = "SM.MUTATE";

    #[inline]
    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let (Some(name), Some(target), true) = (args.get(1), args.get(2), args.len() <= 5) else {
            return Err(CommandError::WrongArity);
        };
        let force = match is_option(args.get(4), "FORCE", Self::NAME)? {
            true => Force::Yes,
            false => Force::No,
        };
        let reason = args
            .get(3)
            .map(|reason| check_reason(context, reason))
            .transpose()?;
        let mut key = context.open_for_writing(name);
        let Some(machine) = key.machine()? else {
            return missing(context);
        };
        let dialect = dialect_for(context);
        let Some(state) = machine.resolve_move(target.bytes(), force, dialect) else {
            return refuse(context, dialect);
        };
        match dialect {
            Rules::Documented | Rules::Replayed => {
                machine.enter(state, Some(reason.unwrap_or_default()));
                context.replicate_verbatim();
            }
            Rules::Legacy => {
                machine.enter(state, reason);
                replicate_edge(context, name, target, machine, force);
            }
        }
        context.signal_modified(name);
        drop(key);
        stats::count(&stats::MOVES_DONE);
        context.notify(c"sm.mutate", name);
        context.reply_ok();
        Ok(())
    }
}

#[cold]
fn refuse(context: Context<'_>, dialect: Rules) -> Result<(), CommandError> {
    if context.is_repeated() {
        return Err(CommandError::Diverged("there is no such move"));
    }
    stats::count(&stats::MOVES_REFUSED);
    if dialect == Rules::Legacy {
        return Err(CommandError::EdgeTransition);
    }
    context.reply_null();
    Ok(())
}

/// A move that gives no reason keeps the one before in this dialect, and clears it in the terms in
/// which commands are replicated: so the reason is sent along.
fn replicate_edge(
    context: Context<'_>,
    name: Str<'_>,
    target: Str<'_>,
    machine: &Machine,
    force: Force,
) {
    let args: &[&[u8]] = &[target.bytes(), machine.reason().as_bytes(), b"FORCE"];
    context.replicate(
        c"SM.MUTATE",
        name,
        if force == Force::Yes {
            args
        } else {
            &args[..2]
        },
    );
}

/// The reason as text. It goes into the document that SM.GET writes, so it has to be.
fn check_reason<'a>(context: Context<'_>, reason: Str<'a>) -> Result<&'a str, CommandError> {
    let bytes = reason.bytes();
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|error| CommandError::ReasonNotText(error.valid_up_to()))?;
    let limit = config::limits().allow_reason(bytes.len());
    // A move without a reason needs no memory, so it is let through when there is none left.
    let short_of_memory = !text.is_empty() && context.is_out_of_memory();
    if (limit.is_err() || short_of_memory) && !context.obeys() {
        limit?;
        return Err(CommandError::OutOfMemory);
    }
    // What can't be stored is refused whoever sends it.
    Limits::NONE.allow_reason(bytes.len())?;
    Ok(text)
}
