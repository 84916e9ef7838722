//! The one path of all moves, from the key to the reply.

use std::borrow::Cow;

use redis_state_core::{
    Checked, Context as Now, Force, Machine, Options, Outcome, Request, Rules, Verdict,
};

use crate::commands::Described;
use crate::errors::CommandError;
use crate::replication::{self, Moment, fail_if_replicated, reply_missing_key};
use crate::server::context::{Args, Context, Str};
use crate::server::key::Keys;
use crate::stats;

/// How a command tells its result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// As an array of the outcome, the state and the version.
    Verdict,
    /// As OK, or nil for a refused move: the commands of version 1.0.
    Status,
}

/// A move that a command asks for.
pub struct Asked<'a> {
    pub key: Str<'a>,
    pub request: Request<'a>,
    pub options: Options<'a>,
    /// The moment of the move, if it was made before.
    pub moment: Option<Moment<'a>>,
    pub reply: Reply,
    /// The keyspace event.
    pub event: &'static std::ffi::CStr,
}

impl Asked<'_> {
    /// Returns whether the caller's rules are those of the old module.
    fn is_legacy(&self) -> bool {
        matches!(
            self.request,
            Request::Reset(Rules::Legacy)
                | Request::Mutate {
                    rules: Rules::Legacy,
                    ..
                }
        )
    }

    /// Returns whether the time of the move is stored.
    #[inline]
    fn needs_time(&self, machine: &Machine) -> bool {
        let is_new_timed = match self.request {
            Request::Redefine { to, .. } => to.definition().is_timed(),
            _ => false,
        };
        machine.definition().is_timed() || is_new_timed
    }
}

/// Makes a move: checks it, refuses it if memory is short, applies it, replicates it and replies.
///
/// # Errors
///
/// If the key holds something else, the request is wrong, memory is short, or a replicated move can't
/// be made here.
#[inline]
pub fn make<'a, C: Described>(
    context: Context<'a>,
    mut keys: Keys<'a>,
    args: Args<'a>,
    asked: Asked<'a>,
) -> Result<(), CommandError> {
    let mut key = keys.write::<Machine>(asked.key)?;
    let Some(machine) = key.value_mut() else {
        return reply_missing_key(context);
    };
    let moment = if asked.needs_time(machine) {
        Some(Moment::of(context, asked.moment.as_ref()))
    } else {
        None
    };
    let mut now = Now {
        now: moment.as_ref().map_or(0, |moment| moment.at),
        user: moment.as_ref().map_or(b"", |moment| &moment.user),
        replayed: asked.moment.is_some(),
    };
    let planned = match check(context, machine, &asked, &mut now)? {
        Checked::Go(planned) => planned,
        Checked::Answer(verdict) => return answer(context, &asked, verdict),
    };
    if asked.options.need_memory() && asked.reply == Reply::Verdict {
        check_memory(context)?;
    }
    machine.apply(&planned);
    let at = planned.is_timed().then(|| Moment {
        at: planned.at(),
        user: Cow::Borrowed(now.user),
    });
    let outcome = match asked.request {
        Request::Redefine { .. } => Outcome::Redefined,
        _ => Outcome::Moved,
    };
    if asked.is_legacy() {
        replication::replicate_legacy(context, asked.key, machine, &asked.request, at.is_some());
    } else if asked.moment.is_some() {
        context.replicate_verbatim();
    } else {
        replicate(context, C::C_NAME, args, &asked, machine, at.as_ref());
    }
    stats::MOVES_DONE.increment();
    reply(context, asked.reply, &machine.verdict(outcome));
    key.commit(asked.event);
    Ok(())
}

/// Replicates a move that was made here first.
#[inline]
fn replicate(
    context: Context<'_>,
    command: &std::ffi::CStr,
    args: Args<'_>,
    asked: &Asked<'_>,
    machine: &Machine,
    moment: Option<&Moment<'_>>,
) {
    let (Request::Mutate { force, .. }, Some(moment)) = (asked.request, moment) else {
        return replication::replicate(context, command, args, moment);
    };
    let all: [&[u8]; 3] = [
        machine.current_name_bytes(),
        machine.reason().as_bytes(),
        b"FORCE",
    ];
    let rest = if force == Force::Yes {
        &all[..]
    } else {
        &all[..2]
    };
    replication::replicate_positional(context, command, asked.key, rest, moment);
}

/// Checks a request. A condition doesn't stop one that was replicated or replayed: it was met where
/// the move was made.
#[inline]
fn check<'m, 'r>(
    context: Context<'_>,
    machine: &'m Machine,
    asked: &Asked<'r>,
    now: &mut Now<'r>,
) -> Result<Checked<'m, 'r>, CommandError> {
    let checked = machine.check(asked.request, &asked.options, now);
    match checked {
        Ok(Checked::Go(planned)) => Ok(Checked::Go(planned)),
        stopped => check_again(context, machine, asked, now, stopped),
    }
}

#[cold]
fn check_again<'m, 'r>(
    context: Context<'_>,
    machine: &'m Machine,
    asked: &Asked<'r>,
    now: &mut Now<'r>,
    stopped: Result<Checked<'m, 'r>, redis_state_core::MoveError>,
) -> Result<Checked<'m, 'r>, CommandError> {
    if now.replayed || !context.is_replicated_or_replayed() {
        return Ok(stopped?);
    }
    now.replayed = true;
    Ok(machine.check(asked.request, &asked.options, now)?)
}

/// Refuses what needs memory when there is none left.
///
/// # Errors
///
/// If so, unless the command was accepted elsewhere.
#[cold]
pub fn check_memory(context: Context<'_>) -> Result<(), CommandError> {
    if context.is_out_of_memory() && !context.is_exempt_from_limits() {
        return Err(CommandError::OutOfMemory);
    }
    Ok(())
}

/// Replies to a request that changes nothing.
///
/// # Errors
///
/// If the move is refused although it was made elsewhere, or by the rules of the old module.
#[cold]
pub fn answer(
    context: Context<'_>,
    asked: &Asked<'_>,
    verdict: Verdict<'_>,
) -> Result<(), CommandError> {
    if verdict.outcome == Outcome::Refused {
        fail_if_replicated(context, "no such move")?;
        stats::MOVES_REFUSED.increment();
        if asked.is_legacy() {
            return Err(CommandError::EdgeTransition);
        }
    }
    reply(context, asked.reply, &verdict);
    Ok(())
}

#[inline]
pub fn reply(context: Context<'_>, reply: Reply, verdict: &Verdict<'_>) {
    match reply {
        Reply::Verdict => reply_verdict(context, verdict),
        Reply::Status if verdict.outcome == Outcome::Refused => context.reply_null(),
        Reply::Status => context.reply_ok(),
    }
}

/// Replies with the outcome, the state and the version.
#[inline]
pub fn reply_verdict(context: Context<'_>, verdict: &Verdict<'_>) {
    context.reply_array(3);
    context.reply_bytes(verdict.outcome.as_str().as_bytes());
    context.reply_bytes(verdict.state);
    context.reply_integer(verdict.version.into());
}
