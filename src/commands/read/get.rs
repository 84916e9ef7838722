//! `SM.GET key [REASON]`

use std::cell::RefCell;

use redis_state_core::Machine;

use crate::commands::Query;
use crate::commands::arguments::Arguments;
use crate::config;
use crate::errors::CommandError;
use crate::server::context::Context;

/// Replies with the document of a machine, or with the reason for its last move.
pub struct Get;

/// The part that the reply has.
pub enum Part {
    Document,
    Reason,
}

impl Query for Get {
    type Options<'a> = Part;

    fn options(arguments: &mut Arguments<'_>) -> Result<Part, CommandError> {
        let wants_reason = arguments.flag("REASON")?;
        Ok(if wants_reason {
            Part::Reason
        } else {
            Part::Document
        })
    }

    fn reply(context: Context<'_>, machine: &Machine, part: Part) {
        match part {
            Part::Document => reply_document(context, machine),
            Part::Reason => context.reply_bytes(machine.reason().as_bytes()),
        }
    }
}

/// The longest buffer that is kept for the next document: long enough for nearly every document,
/// and small compared with the memory of a server.
const MAX_SCRATCH_BYTES: usize = 1 << 20;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn reply_document(context: Context<'_>, machine: &Machine) {
    SCRATCH.with_borrow_mut(|scratch| {
        context.reply_bytes(machine.render_cached(config::rules(), scratch));
        if scratch.len() > MAX_SCRATCH_BYTES {
            *scratch = Vec::new();
        }
    });
}
