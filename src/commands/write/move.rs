//! `SM.MOVE key state [options]`

use redis_state_core::Request;

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options;
use crate::commands::write::moves;
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::Keys;

/// Moves a machine to a state by any transition that leads there.
pub struct Move;

impl Command for Move {
    const MOMENT_ARGUMENTS: usize = 1;

    #[inline]
    fn run<'a>(
        context: Context<'a>,
        keys: Keys<'a>,
        arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let request = |state, _| Request::Move(state);
        moves::run::<Self>(context, keys, arguments, options::MOVE, c"sm.move", request)
    }
}
