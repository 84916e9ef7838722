//! `SM.LOAD key record`

use redis_state_core::{Machine, RECORD_VERSION, RecordReader};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::deadlines;
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::stats;
use crate::store::INTERNER;

/// Stores a machine from its record. An append-only file and a slot on its way have machines in this
/// form if no other command can say all of them, and so do moves of timed machines by the rules of
/// the old module. These moves keep the key's expiry, as all do; elsewhere the key is new.
pub struct Load;

impl Command for Load {
    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let (name, record) = (arguments.required()?, arguments.required()?);
        if !context.is_replicated_or_replayed() {
            return Err(CommandError::LoadFromClient);
        }
        // Not the reader of the file that is being loaded: the record stands alone.
        let decoded = RecordReader::new().decode(RECORD_VERSION, record.bytes(), &INTERNER);
        let machine = decoded.inspect_err(|_| stats::LOADS_REFUSED.increment())?;
        let mut key = keys.write::<Machine>(name)?;
        key.replace(machine);
        if let Some(machine) = key.value_mut() {
            deadlines::settle(context, name, machine, None);
        }
        context.replicate_verbatim();
        key.commit(c"sm.load");
        context.reply_ok();
        Ok(())
    }
}
