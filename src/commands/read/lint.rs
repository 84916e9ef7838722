//! `SM.LINT key`

use redis_state_core::Machine;

use crate::commands::Query;
use crate::commands::arguments::Arguments;
use crate::errors::CommandError;
use crate::server::context::Context;

/// Replies with likely mistakes in a machine: rows of severity, code, state, message.
pub struct Lint;

impl Query for Lint {
    type Options<'a> = ();

    fn options(_arguments: &mut Arguments<'_>) -> Result<(), CommandError> {
        Ok(())
    }

    fn reply(context: Context<'_>, machine: &Machine, (): ()) {
        let findings = machine.lint();
        context.reply_array(findings.len());
        for finding in findings {
            context.reply_array(4);
            context.reply_bytes(finding.severity.name().as_bytes());
            context.reply_bytes(finding.code.as_bytes());
            context.reply_bytes(finding.subject(machine.definition()));
            context.reply_bytes(finding.message.as_bytes());
        }
    }
}
