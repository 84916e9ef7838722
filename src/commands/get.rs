//! `SM.GET key [REASON]`

use crate::commands::{Command, is_option};
use crate::config;
use crate::errors::CommandError;
use crate::server::context::{Args, Context};

/// The document of a machine, or the reason of its last move.
pub struct Get;

impl Command for Get {
    const NAME: &'static str = "SM.GET";

    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let (Some(name), true) = (args.get(1), args.len() <= 3) else {
            return Err(CommandError::WrongArity);
        };
        let wants_reason = is_option(args.get(2), "REASON", Self::NAME)?;
        match context.open(name).machine()? {
            None => context.reply_null(),
            Some(machine) if wants_reason => context.reply_bytes(machine.reason().as_bytes()),
            Some(machine) => context.reply_bytes(&machine.to_json(config::dialect())),
        }
        Ok(())
    }
}
