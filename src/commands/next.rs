//! `SM.NEXT key`

use crate::commands::Command;
use crate::config;
use crate::errors::CommandError;
use crate::server::context::{Args, Context};

/// The states reachable in one move.
pub struct Next;

impl Command for Next {
    const NAME: &'static str = "SM.NEXT";

    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let [_, name] = args.exactly().ok_or(CommandError::WrongArity)?;
        let mut key = context.open(name);
        let Some(machine) = key.machine()? else {
            context.reply_null();
            return Ok(());
        };
        let definition = machine.definition();
        let next: Vec<_> = machine.next(config::dialect()).collect();
        context.reply_array(next.len());
        for state in next {
            context.reply_bytes(definition.name_bytes(state));
        }
        Ok(())
    }
}
