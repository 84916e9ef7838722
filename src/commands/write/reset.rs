//! `SM.RESET key`

use redis_state_core::{Machine, Rules};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::errors::CommandError;
use crate::replication::{replicate_move, reply_missing_key, rules_for};
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::stats;

/// Moves a machine back to its initial state.
pub struct Reset;

impl Command for Reset {
    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let name = arguments.required()?;
        let mut key = keys.write::<Machine>(name)?;
        let Some(machine) = key.value_mut() else {
            return reply_missing_key(context);
        };
        let initial = machine.definition().initial();
        let has_reason = !machine.reason().is_empty();
        let keeps_reason = has_reason && rules_for(context) == Rules::Legacy;
        let changes = machine.current() != initial || (has_reason && !keeps_reason);
        if changes {
            if keeps_reason {
                machine.enter(initial, None);
                replicate_move(context, name, machine, true);
            } else {
                machine.enter(initial, Some(""));
                context.replicate_verbatim();
            }
            stats::MOVES_DONE.increment();
            key.commit(c"sm.reset");
        }
        context.reply_ok();
        Ok(())
    }
}
