//! `SM.CAN key state`

use redis_state_core::Force;

use crate::commands::Command;
use crate::config;
use crate::errors::CommandError;
use crate::server::context::{Args, Context};

/// Whether a move is allowed, without making it.
pub struct Can;

impl Command for Can {
    const NAME: &'static str = "SM.CAN";

    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let [_, name, target] = args.exactly().ok_or(CommandError::WrongArity)?;
        match context.open(name).machine()? {
            None => context.reply_null(),
            Some(machine) => {
                let target = machine.resolve_move(target.bytes(), Force::No, config::dialect());
                context.reply_integer(target.is_some().into());
            }
        }
        Ok(())
    }
}
