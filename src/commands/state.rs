//! `SM.STATE key [LIST]`

use redis_state_core::Machine;

use crate::commands::{Command, is_option};
use crate::errors::CommandError;
use crate::server::context::{Args, Context};

/// The current state, or the states that have an entry in the map.
pub struct State;

impl Command for State {
    const NAME: &'static str = "SM.STATE";

    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let (Some(name), true) = (args.get(1), args.len() <= 3) else {
            return Err(CommandError::WrongArity);
        };
        let wants_list = is_option(args.get(2), "LIST", Self::NAME)?;
        match context.open(name).machine()? {
            None => context.reply_null(),
            Some(machine) if wants_list => reply_list(context, machine),
            Some(machine) => {
                context.reply_array(1);
                context.reply_bytes(machine.current_name_bytes());
            }
        }
        Ok(())
    }
}

fn reply_list(context: Context<'_>, machine: &Machine) {
    let definition = machine.definition();
    context.reply_array(definition.row_count());
    for state in definition.row_states() {
        context.reply_bytes(definition.name_bytes(state));
    }
}
