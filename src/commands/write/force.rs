//! `SM.FORCE key state [options]`

use redis_state_core::Request;

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options;
use crate::commands::write::moves;
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::Keys;

/// Moves a machine to any state of its definition.
pub struct Force;

impl Command for Force {
    const MOMENT_ARGUMENTS: usize = 1;

    #[inline]
    fn run<'a>(
        context: Context<'a>,
        keys: Keys<'a>,
        arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let request = |state, _| Request::Force(state);
        moves::run::<Self>(
            context,
            keys,
            arguments,
            options::MOVE,
            c"sm.force",
            request,
        )
    }
}
