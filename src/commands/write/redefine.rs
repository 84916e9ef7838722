//! `SM.REDEFINE key json [RENAME old new]... [options]`

use redis_state_core::{Request, Rules};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::commands::options::{self, Given};
use crate::commands::write::documents::parse;
use crate::commands::write::moves::{self, Asked, Reply};
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::Keys;

/// Puts another definition under a live machine.
pub struct Redefine;

impl Command for Redefine {
    const MOMENT_ARGUMENTS: usize = 1;

    fn run<'a>(
        context: Context<'a>,
        keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let (key, json) = (arguments.required()?, arguments.required()?);
        let given = Given::read(context, &mut arguments, options::REDEFINE)?;
        let parsed = parse(context, json.bytes(), None, Rules::Documented)?;
        let asked = Asked {
            key,
            request: Request::Redefine {
                to: &parsed.machine,
                renames: &given.renames,
            },
            reply: Reply::Verdict,
            event: c"sm.redefine",
        };
        let args = arguments.all();
        moves::make::<Self>(context, keys, args, asked, given.options, given.moment)
    }
}
