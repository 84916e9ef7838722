//! `SM.NEXT key`

use redis_state_core::Machine;

use crate::commands::Query;
use crate::commands::arguments::Arguments;
use crate::config;
use crate::errors::CommandError;
use crate::server::context::Context;

/// Replies with the states that can be reached in one move.
pub struct Next;

impl Query for Next {
    type Options<'a> = ();

    fn options(_arguments: &mut Arguments<'_>) -> Result<(), CommandError> {
        Ok(())
    }

    fn reply(context: Context<'_>, machine: &Machine, (): ()) {
        let next: Vec<_> = machine.next(config::rules()).collect();
        context.reply_array(next.len());
        for state in next {
            context.reply_bytes(machine.definition().name_bytes(state));
        }
    }
}
