//! The one path of all moves, from the key to the reply.

use std::ffi::CStr;

use redis_state_core::{
    Checked, Context as Now, Force, Machine, MoveError, Options, Outcome, Request, Rules, Verdict,
};

use crate::commands::Described;
use crate::commands::arguments::Arguments;
use crate::commands::options::{Given, Word};
use crate::commands::write::due;
use crate::deadlines;
use crate::errors::CommandError;
use crate::moment::Moment;
use crate::replication::{
    fail_if_replicated, replicate_legacy, replicate_positional, replicate_with_moment,
    reply_missing_key,
};
use crate::server::context::Context;
use crate::server::key::{Keys, WriteKey};
use crate::server::strings::{Args, Str};
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
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub key: Str<'a>,
    pub request: Request<'a>,
    pub reply: Reply,
    /// The keyspace event.
    pub event: &'static CStr,
}

impl Asked<'_> {
    /// Returns whether the caller's rules are those of the old module.
    #[inline(always)]
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

    /// Returns whether a history gets the move.
    fn is_remembered(&self, machine: &Machine) -> bool {
        let definition = match self.request {
            Request::Redefine { to, .. } => to.definition(),
            _ => machine.definition(),
        };
        definition.history_limit() > 0
    }

    /// Returns whether the time of the move is stored.
    fn needs_time(&self, machine: &Machine) -> bool {
        let is_new_timed = match self.request {
            Request::Redefine { to, .. } => to.definition().is_timed(),
            _ => false,
        };
        machine.definition().is_timed() || is_new_timed
    }
}

/// Runs a command that has a key, what to do, and options. `request` makes the move of what to do and
/// of the option `TO`.
///
/// # Errors
///
/// As [`make`], and if an option is wrong.
#[inline(always)]
pub fn run<'a, C: Described>(
    context: Context<'a>,
    keys: Keys<'a>,
    mut arguments: Arguments<'a>,
    allowed: &'static [Word],
    event: &'static CStr,
    request: impl Fn(&'a [u8], Option<&'a [u8]>) -> Request<'a>,
) -> Result<(), CommandError> {
    let (key, what) = (arguments.required()?, arguments.required()?.bytes());
    let asked = |to| Asked {
        key,
        request: request(what, to),
        reply: Reply::Verdict,
        event,
    };
    let args = arguments.all();
    if arguments.is_at_end() {
        return make_plain::<C>(context, keys, args, asked(None), None);
    }
    let given = Given::read(context, &mut arguments, allowed)?;
    let asked = asked(given.to);
    make::<C>(context, keys, args, asked, given.options, given.moment)
}

/// Makes a move that is asked without options, but perhaps with a reason. Nearly all are, so this way
/// is short where the machine isn't timed.
///
/// # Errors
///
/// As [`make`].
#[inline(always)]
pub fn make_plain<'a, C: Described>(
    context: Context<'a>,
    mut keys: Keys<'a>,
    args: Args<'a>,
    asked: Asked<'a>,
    reason: Option<&'a str>,
) -> Result<(), CommandError> {
    let mut key = keys.write::<Machine>(asked.key)?;
    let Some(machine) = key.value_mut() else {
        return reply_missing_key(context);
    };
    if machine.definition().is_timed() {
        let options = Options {
            reason,
            ..Options::default()
        };
        return make_open::<C>(context, key, args, asked, options, None);
    }
    let outcome = machine.make_plain_move(asked.request, reason)?;
    if outcome != Outcome::Moved {
        return answer(context, &asked, machine.verdict(outcome));
    }
    if asked.is_legacy() {
        replicate_legacy(context, asked.key, machine, &asked.request);
    } else {
        context.replicate_verbatim();
    }
    finish(context, key, &asked, outcome);
    Ok(())
}

/// Makes a move: checks it, refuses it if memory is short, applies it, replicates it and replies.
/// `given` is its moment, if it was made before.
///
/// # Errors
///
/// If the key holds something else, the request is wrong, memory is short, or a replicated move can't
/// be made here.
pub fn make<'a, C: Described>(
    context: Context<'a>,
    mut keys: Keys<'a>,
    args: Args<'a>,
    asked: Asked<'a>,
    options: Options<'a>,
    given: Option<Moment<'a>>,
) -> Result<(), CommandError> {
    let key = keys.write::<Machine>(asked.key)?;
    make_open::<C>(context, key, args, asked, options, given)
}

/// Asks the processor to bring near what a move of a timed machine looks at, while the server is asked for
/// the user and the move is checked.
#[inline]
pub fn prefetch(machine: &Machine) {
    machine.prefetch_history();
    deadlines::prefetch(machine);
}

#[inline(never)]
fn make_open<'a, C: Described>(
    context: Context<'a>,
    mut key: WriteKey<'_, Machine>,
    args: Args<'a>,
    asked: Asked<'a>,
    options: Options<'a>,
    given: Option<Moment<'a>>,
) -> Result<(), CommandError> {
    let is_replayed = given.is_some();
    // The clock is looked at once, so no timer is due between the one that fires first and the move.
    let mut now = 0;
    let timed = key.value_mut().filter(|machine| asked.needs_time(machine));
    let is_timed = timed.inspect(|machine| prefetch(machine)).is_some();
    if is_timed && !is_replayed {
        now = context.now();
        key = due::fire_first(context, key, asked.key, now)?;
    }
    let Some(machine) = key.value_mut() else {
        return reply_missing_key(context);
    };
    let before = machine.deadline_handle();
    let mut moment = None;
    if asked.needs_time(machine) {
        let is_remembered = asked.is_remembered(machine);
        moment = Some(given.unwrap_or_else(|| Moment::at(now, context, is_remembered)));
    }
    let now = match &moment {
        Some(moment) => moment.as_core(is_replayed),
        None => Now {
            replayed: is_replayed,
            ..Now::default()
        },
    };
    let planned = match check(context, machine, &asked, &options, now)? {
        Checked::Go(planned) => planned,
        Checked::Answer(verdict) => return answer(context, &asked, verdict),
    };
    if options.need_memory() && asked.reply == Reply::Verdict {
        check_memory(context)?;
    }
    machine.apply(&planned);
    deadlines::settle(context, asked.key, machine, before);
    let outcome = match asked.request {
        Request::Redefine { .. } => Outcome::Redefined,
        _ => Outcome::Moved,
    };
    let (at, is_timed) = (planned.at(), planned.is_timed());
    let moment = moment.filter(|_| is_timed);
    let moment = moment.map(|moment| Moment { at, ..moment });
    if asked.is_legacy() {
        replicate_legacy(context, asked.key, machine, &asked.request);
    } else {
        let moment = moment.filter(|_| !is_replayed);
        match &moment {
            Some(moment) => {
                replicate_first::<C>(context, args, &asked, &options, machine, moment);
            }
            None => context.replicate_verbatim(),
        }
    }
    finish(context, key, &asked, outcome);
    Ok(())
}

/// Replicates a move that was made here first, with its moment.
fn replicate_first<C: Described>(
    context: Context<'_>,
    args: Args<'_>,
    asked: &Asked<'_>,
    options: &Options<'_>,
    machine: &Machine,
    moment: &Moment<'_>,
) {
    let Request::Mutate { force, .. } = asked.request else {
        return replicate_with_moment(context, C::C_NAME, args, moment, options);
    };
    let all: [&[u8]; 3] = [
        machine.current_name_bytes(),
        machine.reason().as_bytes(),
        b"FORCE",
    ];
    let rest = match force {
        Force::Yes => &all[..],
        Force::No => &all[..2],
    };
    replicate_positional(context, C::C_NAME, asked.key, rest, moment);
}

/// Checks a request. A condition doesn't stop one that was replicated or replayed: it was met where
/// the move was made.
#[inline(always)]
pub fn check<'m, 'r>(
    context: Context<'_>,
    machine: &'m Machine,
    asked: &Asked<'r>,
    options: &Options<'r>,
    now: Now<'r>,
) -> Result<Checked<'m, 'r>, CommandError> {
    match machine.check(asked.request, options, &now) {
        Ok(Checked::Go(planned)) => Ok(Checked::Go(planned)),
        stopped if now.replayed => Ok(stopped?),
        stopped => check_again(context, machine, asked, options, now, stopped),
    }
}

#[cold]
fn check_again<'m, 'r>(
    context: Context<'_>,
    machine: &'m Machine,
    asked: &Asked<'r>,
    options: &Options<'r>,
    now: Now<'r>,
    stopped: Result<Checked<'m, 'r>, MoveError>,
) -> Result<Checked<'m, 'r>, CommandError> {
    if !context.is_replicated_or_replayed() {
        return Ok(stopped?);
    }
    let now = Now {
        replayed: true,
        ..now
    };
    Ok(machine.check(asked.request, options, &now)?)
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
#[inline]
fn answer(
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

/// Replies to a move that was made, and tells who waits for such.
#[inline(always)]
fn finish(
    context: Context<'_>,
    mut key: WriteKey<'_, Machine>,
    asked: &Asked<'_>,
    outcome: Outcome,
) {
    stats::MOVES_DONE.increment();
    if let Some(machine) = key.value_mut() {
        reply(context, asked.reply, &machine.verdict(outcome));
    }
    key.commit(asked.event);
}

#[inline(always)]
fn reply(context: Context<'_>, reply: Reply, verdict: &Verdict<'_>) {
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
    reply_parts(context, verdict);
}

/// Replies with the parts of a verdict, within an array.
#[inline]
pub fn reply_parts(context: Context<'_>, verdict: &Verdict<'_>) {
    context.reply_bytes(verdict.outcome.as_str().as_bytes());
    context.reply_bytes(verdict.state);
    context.reply_integer(verdict.version.into());
}
