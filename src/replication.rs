//! The rules by which a call runs, what is replicated, and the errors of replicated commands.
//!
//! A command is replicated only if it changed something, and in terms of the documented rules. A
//! change of a machine that knows times is replicated with its [`Moment`], so that replicas and
//! replays store what the primary stored.

use std::ffi::CStr;

use redis_state_core::{Force, Machine, Options, RecordWriter, Request, Rules};

use crate::config;
use crate::emitted::Emitted;
use crate::errors::CommandError;
use crate::fields::with_text;
use crate::moment::Moment;
use crate::server::context::Context;
use crate::server::strings::{Args, OwnedStr, Str};

/// Returns the rules for this call. Replicated and replayed commands run by the documented rules,
/// because the primary wrote them for these rules.
#[inline]
pub fn rules_for(context: Context<'_>) -> Rules {
    match config::rules() {
        Rules::Legacy if !context.is_replicated_or_replayed() => Rules::Legacy,
        _ => Rules::Documented,
    }
}

/// Replicates a command as it came, with its moment. The texts of `BY` and `REASON` go with the moment.
pub fn replicate_with_moment(
    context: Context<'_>,
    command: &CStr,
    args: Args<'_>,
    moment: &Moment<'_>,
    options: &Options<'_>,
) {
    let own = args.from(1);
    let texts = usize::from(!options.by.is_empty()) + usize::from(options.reason.is_some());
    let write = |out: &mut Vec<u8>| moment.write(options.by, options.reason, out);
    with_text(write, |text| match own {
        // The key and what to do come first, and each option has its value.
        [key, what, rest @ ..] if texts > 0 && rest.len() == 2 * texts => {
            context.replicate_with(command, &[*key, *what], text);
        }
        [key, what, rest @ ..] if texts > 0 => {
            let kept = [&[*key, *what], &without_texts(rest)[..]].concat();
            context.replicate_with(command, &kept, text);
        }
        _ => context.replicate_with(command, own, text),
    });
}

/// Returns options without `BY` and `REASON`.
#[cold]
fn without_texts<'a>(mut options: &[Str<'a>]) -> Vec<Str<'a>> {
    let mut kept = Vec::with_capacity(options.len());
    while let [word, rest @ ..] = options {
        let values = if word.is_word("RENAME") { 2 } else { 1 };
        let (option, rest) = options.split_at(rest.len().min(values) + 1);
        if !word.is_word("BY") && !word.is_word("REASON") {
            kept.extend_from_slice(option);
        }
        options = rest;
    }
    kept
}

/// Replicates a command as it came, with the entry that it wrote. How many entries `MAXLEN` removes depends
/// on a config, which a replica may have otherwise, so it is said too.
///
/// This is one command, without an XADD beside it, so that a replica does all of it or nothing.
pub fn replicate_with_entry(
    context: Context<'_>,
    command: &CStr,
    args: Args<'_>,
    emitted: &Emitted<'_>,
) {
    let write = |out: &mut Vec<u8>| emitted.write(out);
    with_text(write, |text| {
        context.replicate_with_more(command, args, &OwnedStr::new(context, text));
    });
}

/// Replicates a command of version 1.0, whose arguments are told by their position, with all of
/// these and the moment.
pub fn replicate_positional(
    context: Context<'_>,
    command: &CStr,
    key: Str<'_>,
    rest: &[&[u8]],
    moment: &Moment<'_>,
) {
    let text = moment.to_text("", None);
    context.replicate(command, key, &[rest, &[&text[..]]].concat());
}

/// Replicates what a move by the rules of the old module made of a machine.
///
/// There, a move or reset without a reason keeps the last reason. The documented rules would clear
/// it, so the replicated move states the reason. A machine that knows times is replicated whole.
#[cold]
pub fn replicate_legacy(
    context: Context<'_>,
    key: Str<'_>,
    machine: &Machine,
    request: &Request<'_>,
) {
    if machine.definition().is_timed() {
        return replicate_whole(context, key, machine);
    }
    let is_plain_move = matches!(
        request,
        Request::Mutate {
            force: Force::No,
            ..
        }
    );
    let args: &[&[u8]] = &[
        machine.current_name_bytes(),
        machine.reason().as_bytes(),
        b"FORCE",
    ];
    let args = if is_plain_move { &args[..2] } else { args };
    context.replicate(c"SM.MUTATE", key, args);
}

/// Replicates a machine as its record.
fn replicate_whole(context: Context<'_>, key: Str<'_>, machine: &Machine) {
    let mut record = Vec::new();
    RecordWriter::new().write(machine, &mut record);
    context.replicate(c"SM.LOAD", key, &[&record]);
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
