//! `SM.TEMPLATE`

use redis_state_core::Rules;

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::config;
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::Keys;

/// Replies with an empty document to fill in.
pub struct Template;

impl Command for Template {
    fn run<'a>(
        context: Context<'a>,
        _keys: Keys<'a>,
        _arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        context.reply_bytes(match config::rules() {
            Rules::Legacy => br#"{"current":"","map":{},"initial":"","reason":""}"#,
            _ => br#"{"current":"","map":{},"initial":""}"#,
        });
        Ok(())
    }
}
