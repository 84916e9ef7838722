//! `SM.TEMPLATE`

use redis_state_core::Rules;

use crate::commands::Command;
use crate::config;
use crate::errors::CommandError;
use crate::server::context::{Args, Context};

/// An empty document to fill in.
pub struct Template;

impl Command for Template {
    const NAME: &'static str = "SM.TEMPLATE";

    fn run(context: Context<'_>, _args: Args<'_>) -> Result<(), CommandError> {
        context.reply_bytes(match config::dialect() {
            Rules::Documented | Rules::Replayed => br#"{"current":"","map":{},"initial":""}"#,
            Rules::Legacy => br#"{"current":"","map":{},"initial":"","reason":""}"#,
        });
        Ok(())
    }
}
