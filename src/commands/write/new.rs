//! `SM.NEW key json [STATE state] [ID token] [BY who] [REASON text] [AFTER ms | DUE unix-ms]`

use redis_state_core::{Checked, Machine, Outcome, Parsed, Request, Rules};

use crate::commands::arguments::Arguments;
use crate::commands::options::{self, Given};
use crate::commands::write::documents::parse;
use crate::commands::write::due;
use crate::commands::write::moves::reply_verdict;
use crate::commands::{Command, Described};
use crate::deadlines;
use crate::errors::CommandError;
use crate::moment::Moment;
use crate::replication::{fail_if_replicated, replicate_with_moment};
use crate::server::context::Context;
use crate::server::key::{Keys, WriteKey};
use crate::server::strings::{Args, Str};

/// Makes a machine where there is no key.
pub struct New;

impl Command for New {
    const MOMENT_ARGUMENTS: usize = 1;

    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let (name, json) = (arguments.required()?, arguments.required()?);
        let given = Given::read(context, &mut arguments, options::NEW)?;
        let parsed = read(context, json, &given)?;
        let mut key = keys.write::<Machine>(name)?;
        let mut has_timer = || key.value_mut().is_some_and(|old| old.deadline().is_some());
        // The clock costs more than this look.
        if given.moment.is_none() && has_timer() {
            key = due::fire_first(context, key, name, context.now())?;
        }
        match key.value_mut() {
            Some(machine) => exists(context, machine, &given),
            None => create(context, key, name, arguments.all(), given, parsed?),
        }
    }
}

/// Reads the document. A state of `STATE` that it doesn't have matters only where a machine is made:
/// this error is the inner one.
fn read(
    context: Context<'_>,
    json: Str<'_>,
    given: &Given<'_>,
) -> Result<Result<Parsed, CommandError>, CommandError> {
    let parsed = parse(context, json.bytes(), given.state, Rules::Documented);
    match parsed {
        Err(why) if given.state.is_some() => {
            match parse(context, json.bytes(), None, Rules::Documented) {
                Ok(_) => Ok(Err(why.into())),
                Err(_) => Err(why.into()),
            }
        }
        parsed => Ok(Ok(parsed?)),
    }
}

/// Replies that there is a machine already, or that this very request made it.
fn exists(context: Context<'_>, machine: &Machine, given: &Given<'_>) -> Result<(), CommandError> {
    fail_if_replicated(context, "there is a machine already")?;
    let now = redis_state_core::Context::default();
    let verdict = match machine.check(Request::New, &given.options, &now)? {
        Checked::Answer(verdict) => verdict,
        Checked::Go(_) => machine.verdict(Outcome::Exists),
    };
    reply_verdict(context, &verdict);
    Ok(())
}

fn create(
    context: Context<'_>,
    mut key: WriteKey<'_, Machine>,
    name: Str<'_>,
    args: Args<'_>,
    given: Given<'_>,
    parsed: Parsed,
) -> Result<(), CommandError> {
    let is_timed = parsed.machine.definition().is_timed();
    let is_first = given.moment.is_none();
    let is_remembered = parsed.machine.definition().history_limit() > 0;
    let now = || Moment::now(context, is_remembered);
    let moment = is_timed.then(|| given.moment.unwrap_or_else(now));
    let now = moment.as_ref().map(|moment| moment.as_core(false));
    let machine = parsed
        .machine
        .begin(&given.options, &now.unwrap_or_default())?;
    key.put(machine);
    if let Some(machine) = key.value_mut() {
        deadlines::settle(context, name, machine, None);
    }
    match moment {
        Some(moment) if is_first => {
            replicate_with_moment(context, New::C_NAME, args, &moment, &given.options);
        }
        _ => context.replicate_verbatim(),
    }
    if let Some(machine) = key.value_mut() {
        reply_verdict(context, &machine.verdict(Outcome::Created));
    }
    key.commit(c"sm.new");
    Ok(())
}
