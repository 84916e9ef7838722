//! `SM.SET key json [current]`

use redis_state_core::{Machine, Options, Rules};

use crate::commands::arguments::Arguments;
use crate::commands::options;
use crate::commands::write::documents::parse_by_compat;
use crate::commands::{Command, Described};
use crate::deadlines;
use crate::errors::CommandError;
use crate::moment::Moment;
use crate::replication::replicate_positional;
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::server::strings::Str;

/// Stores the machine of a document.
pub struct Set;

impl Command for Set {
    const MOMENT_ARGUMENTS: usize = 1;

    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let (name, json) = (arguments.required()?, arguments.required()?);
        let current = arguments.optional();
        let given = options::trailing_moment(context, &mut arguments)?;
        let mut key = keys.write::<Machine>(name)?;
        let parsed = parse_by_compat(context, json.bytes(), current.map(|name| name.bytes()))?;
        // Another server must read the document as this one did, whatever its configuration.
        let rewritten = (!parsed.documented).then(|| parsed.machine.render(Rules::Documented));
        let old = key.value_mut().map(|machine| &*machine);
        let machines = [Some(&parsed.machine), old];
        let mut machines = machines.iter().flatten();
        let is_timed = machines.any(|machine| machine.definition().is_timed());
        let is_first = given.is_none();
        let is_remembered = parsed.machine.definition().history_limit() > 0;
        let now = || Moment::now(context, is_remembered);
        let moment = is_timed.then(|| given.unwrap_or_else(now));
        let stored = in_place_of(parsed.machine, old, moment.as_ref())?;
        key.put(stored);
        if let Some(machine) = key.value_mut() {
            deadlines::settle(context, name, machine, None);
        }
        match (rewritten, moment.filter(|_| is_first)) {
            (Some(document), _) => context.replicate(c"SM.SET", name, &[&document]),
            (None, None) => context.replicate_verbatim(),
            (None, Some(moment)) => {
                let current = current.map_or(&b""[..], Str::bytes);
                let rest = [json.bytes(), current];
                replicate_positional(context, Self::C_NAME, name, &rest, &moment);
            }
        }
        key.commit(c"sm.set");
        context.reply_ok();
        Ok(())
    }
}

/// Returns a machine that was read from a document as it is stored: as a new one, or as the next
/// version of the one before.
fn in_place_of(
    new: Machine,
    old: Option<&Machine>,
    moment: Option<&Moment<'_>>,
) -> Result<Machine, CommandError> {
    Ok(match (old, moment) {
        (None, None) => new,
        (Some(old), None) => new.continue_version(old),
        (None, Some(moment)) => new.begin(&Options::default(), &moment.as_core(false))?,
        (Some(old), Some(moment)) => new.replace(old, &moment.as_core(false)),
    })
}
