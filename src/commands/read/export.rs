//! `SM.EXPORT key MERMAID|DOT`

use redis_state_core::{Diagram, Machine};

use crate::commands::Query;
use crate::commands::arguments::Arguments;
use crate::errors::CommandError;
use crate::server::context::Context;

/// Replies with the text of a diagram of the machine.
pub struct Export;

impl Query for Export {
    type Options<'a> = Diagram;

    fn options(arguments: &mut Arguments<'_>) -> Result<Diagram, CommandError> {
        let formats = [("MERMAID", Diagram::Mermaid), ("DOT", Diagram::Dot)];
        arguments.one_of(&formats, "MERMAID or DOT")
    }

    fn reply(context: Context<'_>, machine: &Machine, diagram: Diagram) {
        context.reply_bytes(diagram.draw(machine).as_bytes());
    }
}
