//! `SM.MUTATE key state [reason [FORCE]]`

use redis_state_core::{Force, Limits, Machine, Rules};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::config;
use crate::errors::CommandError;
use crate::replication::{fail_if_replicated, replicate_move, reply_missing_key, rules_for};
use crate::server::context::{Context, Str};
use crate::server::key::Keys;
use crate::stats;

/// Moves a machine to another state.
pub struct Mutate;

impl Command for Mutate {
    #[inline]
    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let (name, target) = (arguments.required()?, arguments.required()?);
        let reason = arguments.optional();
        let force = arguments.flag("FORCE")?;
        let reason = reason.map(|reason| check_reason(context, reason));
        let reason = reason.transpose()?;
        let mut key = keys.write::<Machine>(name)?;
        let Some(machine) = key.value_mut() else {
            return reply_missing_key(context);
        };
        let rules = rules_for(context);
        let forced = if force { Force::Yes } else { Force::No };
        let Some(state) = machine.resolve_move(target.bytes(), forced, rules) else {
            return refuse(context, rules);
        };
        if rules == Rules::Legacy {
            machine.enter(state, reason);
            replicate_move(context, name, machine, force);
        } else {
            machine.enter(state, Some(reason.unwrap_or_default()));
            context.replicate_verbatim();
        }
        stats::MOVES_DONE.increment();
        key.commit(c"sm.mutate");
        context.reply_ok();
        Ok(())
    }
}

#[cold]
fn refuse(context: Context<'_>, rules: Rules) -> Result<(), CommandError> {
    fail_if_replicated(context, "no such move")?;
    stats::MOVES_REFUSED.increment();
    if rules == Rules::Legacy {
        return Err(CommandError::EdgeTransition);
    }
    context.reply_null();
    Ok(())
}

/// Checks a reason and returns it as text. It must be text because SM.GET writes it into a
/// document.
fn check_reason<'a>(context: Context<'_>, reason: Str<'a>) -> Result<&'a str, CommandError> {
    let bytes = reason.bytes();
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|error| CommandError::ReasonNotText(error.valid_up_to()))?;
    let limit = config::limits().allow_reason(bytes.len());
    // A move without a reason needs no memory, so it is allowed over `maxmemory`.
    let short_of_memory = !text.is_empty() && context.is_out_of_memory();
    if (limit.is_err() || short_of_memory) && !context.is_exempt_from_limits() {
        limit?;
        return Err(CommandError::OutOfMemory);
    }
    // The limit of the format applies to every sender.
    Limits::NONE.allow_reason(bytes.len())?;
    Ok(text)
}
