//! `SM.DEFINITIONS`

use redis_state_core::Interned;

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::read::fields::Fields;
use crate::errors::CommandError;
use crate::server::alloc::block_size;
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::store::INTERNER;

/// Replies with the definitions that have a name, by name and revision.
pub struct Definitions;

impl Command for Definitions {
    fn run<'a>(
        context: Context<'a>,
        _keys: Keys<'a>,
        _arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let definitions = INTERNER.all_named();
        context.reply_array(definitions.len());
        for definition in &definitions {
            reply_definition(context, definition);
        }
        Ok(())
    }
}

fn reply_definition(context: Context<'_>, definition: &Interned) {
    let fields = Fields(context);
    let name = definition.label().unwrap_or_default();
    let bytes = definition.memory(block_size);
    context.reply_map(6);
    fields.text("name", name.as_bytes());
    fields.number("revision", definition.revision().map(u64::from));
    fields.number("machines", Some(definition.machines()));
    fields.number("states", Some(definition.state_count() as u64));
    fields.number("transitions", Some(definition.transition_count() as u64));
    fields.number("bytes", Some(bytes as u64));
}
