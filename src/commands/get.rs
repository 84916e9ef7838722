//! `SM.GET key [REASON]`

use std::cell::RefCell;

use redis_state_core::Machine;

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
            Some(machine) => reply_document(context, machine),
        }
        Ok(())
    }
}

/// A buffer kept for the next document is at most so long: long enough for all but a few, and short
/// enough not to matter.
const KEPT: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn reply_document(context: Context<'_>, machine: &Machine) {
    SCRATCH.with_borrow_mut(|scratch| {
        context.reply_bytes(machine.render_cached(config::dialect(), scratch));
        if scratch.len() > KEPT {
            *scratch = Vec::new();
        }
    });
}
