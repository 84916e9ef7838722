//! `SM.EVENTS key`

use redis_state_core::Machine;

use crate::commands::Query;
use crate::commands::arguments::Arguments;
use crate::errors::CommandError;
use crate::server::context::Context;

/// Replies with what can be fired now: rows of an event and its targets.
pub struct Events;

impl Query for Events {
    type Options<'a> = ();

    fn options(_arguments: &mut Arguments<'_>) -> Result<(), CommandError> {
        Ok(())
    }

    fn reply(context: Context<'_>, machine: &Machine, (): ()) {
        let definition = machine.definition();
        let events: Vec<_> = definition.events(machine.current()).collect();
        context.reply_array(events.len());
        for (event, fire) in events {
            let targets: Vec<_> = fire.iter().collect();
            context.reply_array(1 + targets.len());
            context.reply_bytes(definition.event_name_bytes(event));
            for target in targets {
                context.reply_bytes(definition.name_bytes(target));
            }
        }
    }
}
