//! `SM.MOVE key state [options]`

use redis_state_core::Request;

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options::{self, Given};
use crate::commands::write::moves::{self, Asked, Reply};
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::Keys;

/// Moves a machine to a state by any transition that leads there.
pub struct Move;

impl Command for Move {
    const MOMENT_ARGUMENTS: usize = 3;

    #[inline]
    fn run<'a>(
        context: Context<'a>,
        keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let (key, state) = (arguments.required()?, arguments.required()?);
        let asked = Asked {
            key,
            request: Request::Move(state.bytes()),
            reply: Reply::Verdict,
            event: c"sm.move",
        };
        let args = arguments.all();
        if arguments.is_at_end() {
            return moves::make_plain::<Self>(context, keys, args, asked, None);
        }
        let given = Given::read(context, &mut arguments, options::MOVE)?;
        moves::make::<Self>(context, keys, args, asked, given.options, given.moment)
    }
}
