//! `SM.INFO key`

use std::sync::Arc;

use redis_state_core::{Machine, StateId};

use crate::commands::Query;
use crate::commands::arguments::Arguments;
use crate::commands::read::fields::Fields;
use crate::errors::CommandError;
use crate::server::context::Context;

/// Replies with what there is to know of a machine, apart from its document.
pub struct Info;

impl Query for Info {
    type Options<'a> = ();

    fn options(_arguments: &mut Arguments<'_>) -> Result<(), CommandError> {
        Ok(())
    }

    fn reply(context: Context<'_>, machine: &Machine, (): ()) {
        let definition = machine.definition();
        let current = machine.current();
        let fields = Fields(context);
        context.reply_map(13);
        fields.text("name", definition.label().unwrap_or_default().as_bytes());
        fields.number("revision", definition.revision().map(u64::from));
        fields.text("state", machine.current_name_bytes());
        fields.number("version", Some(machine.version().into()));
        fields.number("since", machine.since());
        fields.number("due", machine.deadline().map(|deadline| deadline.at));
        fields.text("due-to", definition.name_bytes(due_to(machine)));
        fields.number("terminal", Some(definition.is_terminal(current).into()));
        fields.number("states", Some(definition.state_count() as u64));
        fields.number("transitions", Some(definition.transition_count() as u64));
        fields.number("history", Some(machine.history_count() as u64));
        fields.number("history-limit", Some(definition.history_limit().into()));
        // At once, where the sum of the counters would take time with the states. Nobody else holds it now.
        fields.number("machines", Some(Arc::strong_count(definition) as u64));
    }
}

/// Returns where the timer that is going leads. An ID that no state has, if there is none or it
/// deletes the key.
fn due_to(machine: &Machine) -> StateId {
    let timer = machine
        .deadline()
        .and(machine.definition().timer(machine.current()));
    timer.and_then(|timer| timer.target).unwrap_or(StateId::MAX)
}
