//! `SM.SET key json [current]`

use redis_state_core::{Limits, Parsed, Rules, parse_machine};

use crate::commands::{Command, dialect_for};
use crate::config;
use crate::datatype::INTERNER;
use crate::errors::CommandError;
use crate::server::context::{Args, Context};
use crate::stats;

/// Stores the machine of a document.
pub struct Set;

impl Command for Set {
    const NAME: &'static str = "SM.SET";

    fn run(context: Context<'_>, args: Args<'_>) -> Result<(), CommandError> {
        let (Some(name), Some(json), true) = (args.get(1), args.get(2), args.len() <= 4) else {
            return Err(CommandError::WrongArity);
        };
        let mut key = context.open_for_writing(name);
        key.check_type()?;
        let current = args.get(3).map(|current| current.bytes());
        let read = read(context, json.bytes(), current)?;
        stats::count(if read.recognised {
            &stats::DOCUMENTS_RECOGNISED
        } else {
            &stats::DOCUMENTS_PARSED
        });
        // Another server must read the document as this one did, whatever its configuration.
        let rewritten = (!read.documented).then(|| read.machine.render(Rules::Documented));
        key.put(read.machine);
        match rewritten {
            None => context.replicate_verbatim(),
            Some(document) => context.replicate(c"SM.SET", name, &[&document]),
        }
        context.signal_modified(name);
        drop(key);
        context.notify(c"sm.set", name);
        context.reply_ok();
        Ok(())
    }
}

fn read(context: Context<'_>, json: &[u8], current: Option<&[u8]>) -> Result<Parsed, CommandError> {
    let dialect = dialect_for(context);
    let read = parse_machine(&INTERNER, json, current, dialect, &config::limits());
    let read = match read {
        // A local limit must not refuse what the primary did.
        Err(why) if why.limit().is_some() && context.obeys() => {
            parse_machine(&INTERNER, json, current, dialect, &Limits::NONE)
        }
        read => read,
    };
    Ok(read?)
}
