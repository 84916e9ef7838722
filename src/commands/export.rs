//! `SM.EXPORT key MERMAID|DOT`

use redis_state_core::Diagram;

use crate::commands::{Command, unknown_option};
use crate::errors::CommandError;
use crate::server::context::{Args, Context, Str};

/// A machine as a diagram's text.
pub struct Export;

impl Command for Export {
    const NAME: &'static str = "SM.EXPORT";

    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let [_, name, format] = args.exactly().ok_or(CommandError::WrongArity)?;
        let diagram = parse(format)?;
        match context.open(name).machine()? {
            None => context.reply_null(),
            Some(machine) => context.reply_bytes(diagram.draw(machine).as_bytes()),
        }
        Ok(())
    }
}

fn parse(format: Str<'_>) -> Result<Diagram, CommandError> {
    let is = |name: &str| format.bytes().eq_ignore_ascii_case(name.as_bytes());
    if is("MERMAID") {
        return Ok(Diagram::Mermaid);
    }
    if is("DOT") {
        return Ok(Diagram::Dot);
    }
    Err(unknown_option(format, Export::NAME, "MERMAID or DOT"))
}
