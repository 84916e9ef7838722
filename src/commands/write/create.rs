//! `SM.CREATE key`

use redis_state_core::Machine;

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::store::INTERNER;

/// Stores a blank machine. Of a machine that was there the version goes on.
pub struct Create;

impl Command for Create {
    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let name = arguments.required()?;
        let mut key = keys.write::<Machine>(name)?;
        let blank = Machine::blank(&INTERNER);
        let blank = match key.value_mut() {
            Some(old) => blank.continue_version(old),
            None => blank,
        };
        key.put(blank);
        context.replicate_verbatim();
        key.commit(c"sm.create");
        context.reply_ok();
        Ok(())
    }
}
