//! The rules by which a call runs, the command that is replicated in place of another, and the
//! errors of replicated commands.
//!
//! A command is replicated only if it changed something, and in terms of the documented rules.

use redis_state_core::{Machine, Rules};

use crate::config;
use crate::errors::CommandError;
use crate::server::context::{Context, Str};

/// Returns the rules for this call. Replicated and replayed commands run by the documented rules,
/// because the primary wrote them for these rules.
#[inline]
pub fn rules_for(context: Context<'_>) -> Rules {
    match config::rules() {
        Rules::Legacy if !context.is_replicated_or_replayed() => Rules::Legacy,
        _ => Rules::Documented,
    }
}

/// Replicates the machine's current state and reason as a move, forced or not.
///
/// For `edge`, where a move or reset without a reason keeps the last reason. The documented rules
/// would clear it, so the replicated move states the reason.
#[cold]
pub fn replicate_move(context: Context<'_>, key: Str<'_>, machine: &Machine, forced: bool) {
    let args: &[&[u8]] = &[
        machine.current_name_bytes(),
        machine.reason().as_bytes(),
        b"FORCE",
    ];
    context.replicate(c"SM.MUTATE", key, if forced { args } else { &args[..2] });
}

/// Replies to a write whose key does not exist.
///
/// # Errors
///
/// For a client the reply is nil. For a replicated or replayed write a missing key means that the
/// data have diverged. Then it is an error, and `propagation-error-behavior` decides whether the
/// server stops.
#[cold]
pub fn reply_missing_key(context: Context<'_>) -> Result<(), CommandError> {
    fail_if_replicated(context, "no such key")?;
    context.reply_null();
    Ok(())
}

/// Fails if the command was replicated or replayed, because it succeeded on the primary.
///
/// # Errors
///
/// [`CommandError::Diverged`], if the command was replicated or replayed. `why` says why it can't
/// be applied here.
#[cold]
pub fn fail_if_replicated(context: Context<'_>, why: &'static str) -> Result<(), CommandError> {
    if context.is_replicated_or_replayed() {
        let replayed = context.is_loading_aof();
        return Err(CommandError::Diverged { why, replayed });
    }
    Ok(())
}
