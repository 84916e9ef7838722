//! `SM.SET key json [current]`

use redis_state_core::{DocumentError, Limits, Machine, Parsed, Rules, parse_machine};

use crate::commands::Command;
use crate::commands::arguments::Arguments;
use crate::config;
use crate::errors::CommandError;
use crate::replication::rules_for;
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::stats;
use crate::store::INTERNER;

/// Stores the machine that a document describes.
pub struct Set;

impl Command for Set {
    fn run<'a>(
        context: Context<'a>,
        mut keys: Keys<'a>,
        mut arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let (name, json) = (arguments.required()?, arguments.required()?);
        let current = arguments.optional().map(|current| current.bytes());
        let mut key = keys.write::<Machine>(name)?;
        let parsed = parse(context, json.bytes(), current)?;
        let counter = if parsed.recognised {
            &stats::DOCUMENTS_RECOGNISED
        } else {
            &stats::DOCUMENTS_PARSED
        };
        counter.increment();
        // Replicas and replays must get the same machine from the document, whatever their configs.
        let rewritten = (!parsed.documented).then(|| parsed.machine.render(Rules::Documented));
        key.put(parsed.machine);
        match rewritten {
            None => context.replicate_verbatim(),
            Some(document) => context.replicate(c"SM.SET", name, &[&document]),
        }
        key.commit(c"sm.set");
        context.reply_ok();
        Ok(())
    }
}

fn parse(
    context: Context<'_>,
    json: &[u8],
    current: Option<&[u8]>,
) -> Result<Parsed, CommandError> {
    let rules = rules_for(context);
    let parsed = parse_machine(&INTERNER, json, current, rules, &config::limits());
    let parsed = parsed.or_else(|why| parse_exempt(context, json, current, why));
    Ok(parsed?)
}

/// Parses a refused document again if it was accepted elsewhere (replicated, replayed, or sent by
/// another module's replicated command): without limits, and in the first two cases by the rules
/// for replayed commands. Otherwise returns the first error.
#[cold]
fn parse_exempt(
    context: Context<'_>,
    json: &[u8],
    current: Option<&[u8]>,
    why: DocumentError,
) -> Result<Parsed, DocumentError> {
    let rules = if context.is_replicated_or_replayed() {
        Rules::Replayed
    } else if why.limit().is_some() && context.is_exempt_from_limits() {
        rules_for(context)
    } else {
        return Err(why);
    };
    parse_machine(&INTERNER, json, current, rules, &Limits::NONE)
}
