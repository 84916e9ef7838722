//! `SM.LINT key`

use crate::commands::Command;
use crate::errors::CommandError;
use crate::server::context::{Args, Context};

/// What looks wrong with a machine: rows of severity, code, state, message.
pub struct Lint;

impl Command for Lint {
    const NAME: &'static str = "SM.LINT";

    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let [_, name] = args.exactly().ok_or(CommandError::WrongArity)?;
        let mut key = context.open(name);
        let Some(machine) = key.machine()? else {
            context.reply_null();
            return Ok(());
        };
        let findings = machine.lint();
        context.reply_array(findings.len());
        for finding in findings {
            context.reply_array(4);
            context.reply_bytes(finding.severity.name().as_bytes());
            context.reply_bytes(finding.code.as_bytes());
            context.reply_bytes(machine.definition().name_bytes(finding.state));
            context.reply_bytes(finding.message.as_bytes());
        }
        Ok(())
    }
}
