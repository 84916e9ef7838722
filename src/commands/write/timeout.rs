//! `SM.TIMEOUT key`

use redis_state_core::{Checked, Machine, Options, Outcome, Request};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options::Given;
use crate::commands::write::due;
use crate::commands::write::moves::reply_verdict;
use crate::deadlines;
use crate::errors::CommandError;
use crate::replication::{fail_if_replicated, reply_missing_key};
use crate::server::context::Context;
use crate::server::key::{Keys, WriteKey};
use crate::server::strings::Str;

/// Fires a machine's timer, if it is due. The server itself calls this when the time has come.
pub struct Timeout;

impl Command for Timeout {
    const MOMENT_ARGUMENTS: usize = 2;

    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let name = arguments.required()?;
        let given = Given::read(context, &mut arguments, &[])?;
        let mut key = keys.write::<Machine>(name)?;
        let Some(machine) = key.value_mut() else {
            return reply_missing_key(context);
        };
        if given.moment.is_some() {
            return replay(context, key, name, &given);
        }
        if context.is_replicated_or_replayed() {
            return fail_if_replicated(context, "a timeout without its time");
        }
        // If nothing is due, the hint that led here may be wrong.
        let handle = machine.deadline_handle();
        deadlines::settle(context, name, machine, handle);
        let (mut key, last) = due::fire(context, key, name, context.now())?;
        match (last, key.value_mut()) {
            (Some(last), _) => reply_verdict(context, &last.verdict()),
            (None, Some(machine)) => reply_verdict(context, &machine.verdict(Outcome::Refused)),
            (None, None) => context.reply_null(),
        }
        Ok(())
    }
}

/// Makes a timer's move that was made elsewhere, or by an earlier process.
fn replay(
    context: Context<'_>,
    mut key: WriteKey<'_, Machine>,
    name: Str<'_>,
    given: &Given<'_>,
) -> Result<(), CommandError> {
    let (Some(machine), Some(moment)) = (key.value_mut(), &given.moment) else {
        return reply_missing_key(context);
    };
    let before = machine.deadline_handle();
    let request = Request::Timeout {
        next_from: given.next_from,
    };
    let options = Options::default();
    let planned = match machine.check(request, &options, &moment.as_core(true))? {
        Checked::Go(planned) => planned,
        Checked::Answer(_) => return fail_if_replicated(context, "no timer in this state"),
    };
    let outcome = machine.apply(&planned).outcome;
    deadlines::settle(context, name, machine, before);
    reply_verdict(context, &machine.verdict(outcome));
    context.replicate_verbatim();
    let is_deleted = outcome == Outcome::Deleted;
    if is_deleted {
        key.delete();
    }
    key.commit_and_reopen(c"sm.timeout", 1, is_deleted)?;
    Ok(())
}
