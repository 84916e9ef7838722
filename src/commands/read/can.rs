//! `SM.CAN key state`

use redis_state_core::{Force, Machine};

use crate::commands::Query;
use crate::commands::arguments::Arguments;
use crate::config;
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::strings::Str;

/// Replies with 1 if a move is allowed, otherwise with 0, and doesn't make it.
pub struct Can;

impl Query for Can {
    type Options<'a> = Str<'a>;

    fn options<'a>(arguments: &mut Arguments<'a>) -> Result<Str<'a>, CommandError> {
        arguments.required()
    }

    fn reply(context: Context<'_>, machine: &Machine, target: Str<'_>) {
        let target = machine.resolve_move(target.bytes(), Force::No, config::rules());
        context.reply_integer(target.is_some().into());
    }
}
