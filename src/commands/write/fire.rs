//! `SM.FIRE key event [TO state] [options]`

use redis_state_core::Request;

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options;
use crate::commands::write::moves;
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::Keys;

/// Moves a machine by an event.
pub struct Fire;

impl Command for Fire {
    const MOMENT_ARGUMENTS: usize = 1;

    #[inline]
    fn run<'a>(
        context: Context<'a>,
        keys: Keys<'a>,
        arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let request = |event, to| Request::Fire { event, to };
        moves::run::<Self>(context, keys, arguments, options::FIRE, c"sm.fire", request)
    }
}
