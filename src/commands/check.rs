//! `SM.CHECK`, in test builds: whether the machines by state, as they are counted, are those of a walk
//! over all keys.
//!
//! Nothing else happens meanwhile but frees in the background, which are counted until they are done:
//! a test asks again.

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;

use redis_state_core::{Interned, Machine, StateId};

use crate::commands::arguments::Arguments;
use crate::commands::{Command, Described};
use crate::errors::CommandError;
use crate::server::command::CommandSpec;
use crate::server::context::Context;
use crate::server::key::Keys;
use crate::server::scan::Cursor;
use crate::store::INTERNER;

/// Replies with the number of machines. An error says what differs.
pub struct Check;

/// Not in `commands.json`, because users don't have it.
pub const SPEC: CommandSpec = CommandSpec {
    name: Check::C_NAME,
    summary: c"Compares the counts with a walk over all keys. For tests.",
    complexity: c"O(N) where N is the number of keys",
    since: c"2.0.0",
    arity: 1,
    flags: c"readonly",
    acl_categories: &["read", "slow", "dangerous"],
    key_flags: &[],
    history: &[],
    tips: c"",
    arguments: &[],
};

impl Described for Check {
    const NAME: &'static str = "SM.CHECK";
    const C_NAME: &'static CStr = c"SM.CHECK";
    const MAX_ARGUMENTS: usize = 1;
    const WRITES: bool = false;
    const SINCE: &'static str = "2.0.0";
}

impl Command for Check {
    fn run<'a>(
        context: Context<'a>,
        _keys: Keys<'a>,
        _arguments: Arguments<'a>,
    ) -> Result<(), CommandError> {
        let walk = Walk::of(context);
        let machines = walk.machines;
        match walk.find_difference() {
            None => context.reply_integer(machines.cast_signed()),
            Some(what) => context.reply_error(&format!("ERR {what}")),
        }
        Ok(())
    }
}

/// The machines of all databases by definition and state, each counted as it is met.
#[derive(Default)]
struct Walk {
    definitions: HashMap<*const Interned, (Arc<Interned>, HashMap<StateId, u64>)>,
    machines: u64,
}

impl Walk {
    fn of(context: Context<'_>) -> Self {
        let (mut walk, own) = (Self::default(), context.database());
        for database in 0.. {
            if !context.select(database) {
                break;
            }
            let mut cursor = Cursor::new();
            while cursor.step(context, |_, machine| walk.meet(machine)) {}
        }
        context.select(own);
        walk
    }

    fn meet(&mut self, machine: &mut Machine) {
        let definition = machine.definition();
        let new = || (Arc::clone(definition), HashMap::new());
        let (_, states) = self
            .definitions
            .entry(Arc::as_ptr(definition))
            .or_insert_with(new);
        *states.entry(machine.current()).or_default() += 1;
        self.machines += 1;
    }

    /// Returns what is counted otherwise.
    fn find_difference(self) -> Option<String> {
        for (definition, states) in self.definitions.values() {
            let met = |state| states.get(&state).copied().unwrap_or(0);
            for (state, (_, counted)) in definition.state_ids().zip(definition.counts_by_state()) {
                if counted != met(state) {
                    let (name, met) = (definition.name(state), met(state));
                    return Some(format!(
                        "{counted} machines in {name:?}, a walk meets {met}"
                    ));
                }
            }
        }
        // The definitions of the walk are held by their machines alone from here on.
        let (definitions, machines) = (self.definitions.len(), self.machines);
        drop(self.definitions);
        let stats = INTERNER.stats();
        let counted = (stats.definitions, stats.machines as u64);
        let differs = counted != (definitions, machines);
        differs.then(|| {
            format!(
                "{counted:?} in all, a walk meets {:?}",
                (definitions, machines)
            )
        })
    }
}
