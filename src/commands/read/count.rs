//! `SM.COUNT name [REVISION n]`

use redis_state_core::count_by_state;

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options;
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::store::INTERNER;

/// Replies with how many machines are in each state of the definitions of a name.
pub struct Count;

impl Command for Count {
    fn run<'a>(
        context: Context<'a>,
        _keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let name = arguments.required()?;
        let revision = match arguments.flag("REVISION")? {
            true => Some(options::revision(&mut arguments)?),
            false => None,
        };
        // A name is text, so what isn't is unknown.
        let name = std::str::from_utf8(name.bytes()).unwrap_or_default();
        let definitions = INTERNER.named(name, revision);
        let counts = count_by_state(&definitions);
        context.reply_map(counts.len());
        for (state, count) in counts {
            context.reply_bytes(state);
            context.reply_integer(count.cast_signed());
        }
        Ok(())
    }
}
