//! `SM.RESET key`

use redis_state_core::Rules;

use crate::commands::{Command, dialect_for, missing};
use crate::errors::CommandError;
use crate::server::context::{Args, Context};
use crate::stats;

/// Moves a machine back to its initial state.
pub struct Reset;

impl Command for Reset {
    const NAME: &'static str = "SM.RESET";

    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let [_, name] = args.exactly().ok_or(CommandError::WrongArity)?;
        let mut key = context.open_for_writing(name);
        let Some(machine) = key.machine()? else {
            return missing(context);
        };
        let initial = machine.definition().initial();
        let keeps_reason = dialect_for(context) == Rules::Legacy && !machine.reason().is_empty();
        if machine.current() != initial || (!machine.reason().is_empty() && !keeps_reason) {
            machine.enter(initial, (!keeps_reason).then_some(""));
            if keeps_reason {
                // Repeated elsewhere by the documented rules, a reset would clear the reason.
                let args: &[&[u8]] = &[
                    machine.current_name_bytes(),
                    machine.reason().as_bytes(),
                    b"FORCE",
                ];
                context.replicate(c"SM.MUTATE", name, args);
            } else {
                context.replicate_verbatim();
            }
            context.signal_modified(name);
            drop(key);
            stats::count(&stats::MOVES_DONE);
            context.notify(c"sm.reset", name);
        }
        context.reply_ok();
        Ok(())
    }
}
