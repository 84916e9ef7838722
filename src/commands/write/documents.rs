//! Reading the document of a command that writes.

use redis_state_core::{DocumentError, Limits, Parsed, Rules, parse_machine};

use crate::config;
use crate::replication::rules_for;
use crate::server::context::Context;
use crate::stats;
use crate::store::INTERNER;

/// Parses a document by the given rules. What was accepted elsewhere is read without the limits of
/// this node.
///
/// # Errors
///
/// If the document is not a machine by these rules, or exceeds a limit.
pub fn parse(
    context: Context<'_>,
    json: &[u8],
    current: Option<&[u8]>,
    rules: Rules,
) -> Result<Parsed, DocumentError> {
    let parsed = parse_machine(&INTERNER, json, current, rules, &config::limits());
    let parsed = parsed.or_else(|why| parse_exempt(context, json, current, rules, why))?;
    let counter = if parsed.recognised {
        &stats::DOCUMENTS_RECOGNISED
    } else {
        &stats::DOCUMENTS_PARSED
    };
    counter.increment();
    Ok(parsed)
}

/// Parses a refused document once more, without the checks that only a client's documents must
/// pass.
#[cold]
fn parse_exempt(
    context: Context<'_>,
    json: &[u8],
    current: Option<&[u8]>,
    rules: Rules,
    why: DocumentError,
) -> Result<Parsed, DocumentError> {
    let rules = if context.is_replicated_or_replayed() {
        Rules::Replayed
    } else if why.limit().is_some() && context.is_exempt_from_limits() {
        rules
    } else {
        return Err(why);
    };
    parse_machine(&INTERNER, json, current, rules, &Limits::NONE)
}

/// Parses the document of a frozen command, by the rules for this call.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_by_compat(
    context: Context<'_>,
    json: &[u8],
    current: Option<&[u8]>,
) -> Result<Parsed, DocumentError> {
    parse(context, json, current, rules_for(context))
}
