//! `SM.FORCE key state [options]`

use redis_state_core::Request;

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options::{self, Given};
use crate::commands::write::moves::{self, Asked, Reply};
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::Keys;

/// Moves a machine to any state of its definition.
pub struct Force;

impl Command for Force {
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
            request: Request::Force(state.bytes()),
            reply: Reply::Verdict,
            event: c"sm.force",
        };
        let args = arguments.all();
        if arguments.is_at_end() {
            return moves::make_plain::<Self>(context, keys, args, asked, None);
        }
        let given = Given::read(context, &mut arguments, options::MOVE)?;
        moves::make::<Self>(context, keys, args, asked, given.options, given.moment)
    }
}
