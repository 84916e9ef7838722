//! `SM.HISTORY key [COUNT n]`

use redis_state_core::{HistoryEntry, Machine};

use crate::commands::Query;
use crate::commands::arguments::Arguments;
use crate::commands::options;
use crate::errors::CommandError;
use crate::server::context::Context;

/// Replies with the last moves, the newest first.
pub struct History;

impl Query for History {
    type Options<'a> = usize;

    fn options(arguments: &mut Arguments<'_>) -> Result<usize, CommandError> {
        if arguments.flag("COUNT")? {
            return Ok(options::count(arguments)? as usize);
        }
        Ok(usize::MAX)
    }

    fn reply(context: Context<'_>, machine: &Machine, count: usize) {
        let entries: Vec<_> = machine.history().take(count).collect();
        context.reply_array(entries.len());
        for entry in entries {
            reply_entry(context, &entry);
        }
    }
}

fn reply_entry(context: Context<'_>, entry: &HistoryEntry<'_>) {
    let number = |name: &str, value: i64| {
        context.reply_bytes(name.as_bytes());
        context.reply_integer(value);
    };
    let text = |name: &str, value: &[u8]| {
        context.reply_bytes(name.as_bytes());
        context.reply_bytes(value);
    };
    context.reply_map(10);
    number("version", entry.version.into());
    number("at", entry.at.cast_signed());
    text("kind", entry.kind.as_str().as_bytes());
    text("from", entry.from.unwrap_or_default());
    text("event", entry.event);
    text("to", entry.to);
    text("user", entry.user);
    text("by", entry.by.as_bytes());
    text("reason", entry.reason.as_bytes());
    text("id", entry.id.as_bytes());
}
