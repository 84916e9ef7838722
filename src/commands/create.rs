//! `SM.CREATE key`

use redis_state_core::Machine;

use crate::commands::Command;
use crate::datatype::INTERNER;
use crate::errors::CommandError;
use crate::server::context::{Args, Context};

/// Stores a blank machine.
pub struct Create;

impl Command for Create {
    const NAME: &'static str = "SM.CREATE";

    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let [_, name] = args.exactly().ok_or(CommandError::WrongArity)?;
        let mut key = context.open_for_writing(name);
        key.check_type()?;
        key.put(Machine::blank(&INTERNER));
        context.replicate_verbatim();
        context.signal_modified(name);
        drop(key);
        context.notify(c"sm.create", name);
        context.reply_ok();
        Ok(())
    }
}
