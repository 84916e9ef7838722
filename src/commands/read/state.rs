//! `SM.STATE key [LIST]`

use redis_state_core::Machine;

use crate::commands::Query;
use crate::commands::arguments::Arguments;
use crate::errors::CommandError;
use crate::server::context::Context;

/// Replies with the current state, or with the states that have an entry in the map.
pub struct State;

/// The states that the reply has.
pub enum Wanted {
    Current,
    List,
}

impl Query for State {
    type Options<'a> = Wanted;

    #[inline]
    fn options(arguments: &mut Arguments<'_>) -> Result<Wanted, CommandError> {
        let wants_list = arguments.flag("LIST")?;
        Ok(if wants_list {
            Wanted::List
        } else {
            Wanted::Current
        })
    }

    #[inline]
    fn reply(context: Context<'_>, machine: &Machine, wanted: Wanted) {
        match wanted {
            Wanted::Current => {
                context.reply_array(1);
                context.reply_bytes(machine.current_name_bytes());
            }
            Wanted::List => reply_list(context, machine),
        }
    }
}

fn reply_list(context: Context<'_>, machine: &Machine) {
    let definition = machine.definition();
    context.reply_array(definition.row_count());
    for state in definition.row_states() {
        context.reply_bytes(definition.name_bytes(state));
    }
}
