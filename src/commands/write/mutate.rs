//! `SM.MUTATE key state [reason [FORCE]]`

use redis_state_core::{Force, Options, Request};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options;
use crate::commands::write::moves::{self, Asked, Reply};
use crate::errors::CommandError;
use crate::moment::Moment;
use crate::replication::rules_for;
use crate::server::context::Context;
use crate::server::key::Keys;

/// Moves a machine to another state.
pub struct Mutate;

impl Command for Mutate {
    const MOMENT_ARGUMENTS: usize = 1;

    #[inline]
    fn run<'a>(
        context: Context<'a>,
        keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let (key, target) = (arguments.required()?, arguments.required()?);
        let reason = arguments.optional();
        let (force, moment) = read_rest(context, &mut arguments)?;
        let reason = reason.map(|reason| options::reason(context, reason.bytes()));
        let reason = reason.transpose()?;
        if reason.is_some_and(|reason| !reason.is_empty()) {
            moves::check_memory(context)?;
        }
        let asked = Asked {
            key,
            request: Request::Mutate {
                to: target.bytes(),
                force,
                rules: rules_for(context),
            },
            reply: Reply::Status,
            event: c"sm.mutate",
        };
        let args = arguments.all();
        if moment.is_none() {
            return moves::make_plain::<Self>(context, keys, args, asked, reason);
        }
        let options = Options {
            reason,
            ..Options::default()
        };
        moves::make::<Self>(context, keys, args, asked, options, moment)
    }
}

/// Reads what follows the reason: `FORCE`, and the moment where the command is replicated.
#[inline]
fn read_rest<'a>(
    context: Context<'_>,
    arguments: &mut Arguments<'a>,
) -> Result<(Force, Option<Moment<'a>>), CommandError> {
    if arguments.is_at_end() {
        return Ok((Force::No, None));
    }
    let force = match arguments.peek() {
        Some(found) if found.bytes().starts_with(b"AT ") && context.is_replicated_or_replayed() => {
            Force::No
        }
        _ if arguments.flag("FORCE")? => Force::Yes,
        _ => Force::No,
    };
    Ok((force, options::trailing_moment(context, arguments)?))
}
