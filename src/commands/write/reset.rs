//! `SM.RESET key`

use redis_state_core::{Options, Request};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options;
use crate::commands::write::moves::{self, Asked, Reply};
use crate::errors::CommandError;
use crate::replication::rules_for;
use crate::server::context::Context;
use crate::server::key::Keys;

/// Moves a machine back to its initial state.
pub struct Reset;

impl Command for Reset {
    const MOMENT_ARGUMENTS: usize = 1;

    fn run<'a>(
        context: Context<'a>,
        keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let key = arguments.required()?;
        let moment = options::trailing_moment(context, &mut arguments)?;
        let asked = Asked {
            key,
            request: Request::Reset(rules_for(context)),
            reply: Reply::Status,
            event: c"sm.reset",
        };
        moves::make::<Self>(
            context,
            keys,
            arguments.all(),
            asked,
            Options::default(),
            moment,
        )
    }
}
