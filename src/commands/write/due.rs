//! A timer that is due fires before anything else happens to its machine.

use redis_state_core::{Fired, Machine, Outcome, Verdict};

use crate::config;
use crate::deadlines;
use crate::errors::CommandError;
use crate::server::context::Context;
use crate::server::key::WriteKey;
use crate::server::strings::Str;

/// What the last of the timers did that were due.
pub struct Last {
    pub outcome: Outcome,
    pub state: Vec<u8>,
    pub version: u32,
}

impl Last {
    pub fn verdict(&self) -> Verdict<'_> {
        Verdict {
            outcome: self.outcome,
            state: &self.state,
            version: self.version,
        }
    }
}

/// Fires the timers of a machine that are due at `now`: makes each move, replicates it and publishes
/// it. Returns the key as it is then, perhaps without a machine, and what the last timer did.
///
/// # Errors
///
/// If a subscriber to keyspace events has put another type under the key meanwhile.
pub fn fire<'k>(
    context: Context<'_>,
    mut key: WriteKey<'k, Machine>,
    name: Str<'_>,
    now: u64,
) -> Result<(WriteKey<'k, Machine>, Option<Last>), CommandError> {
    let Some(machine) = key.value_mut() else {
        return Ok((key, None));
    };
    if machine.deadline().is_none_or(|due| due.at > now) {
        return Ok((key, None));
    }
    let before = machine.deadline_handle();
    let (mut times, mut last) = (0, None);
    let is_there = machine.fire_due(now, |_, fired| {
        times += 1;
        replicate(context, name, &fired);
        deadlines::note_fired(now.saturating_sub(fired.at));
        last = Some(Last {
            outcome: fired.verdict.outcome,
            state: fired.verdict.state.to_vec(),
            version: fired.verdict.version,
        });
    });
    deadlines::settle(context, name, machine, before);
    if !is_there {
        key.delete();
    }
    let key = key.commit_and_reopen(c"sm.timeout", times, !is_there)?;
    Ok((key, last))
}

/// Fires the timers that are due at `now` before a client's write of that moment. Nothing fires before a
/// write that was made elsewhere or by an earlier process: what fired there comes as a command of its own.
///
/// # Errors
///
/// As [`fire`].
#[inline]
pub fn fire_first<'k>(
    context: Context<'_>,
    mut key: WriteKey<'k, Machine>,
    name: Str<'_>,
    now: u64,
) -> Result<WriteKey<'k, Machine>, CommandError> {
    let Some(due) = key.value_mut().and_then(|machine| machine.deadline()) else {
        return Ok(key);
    };
    if due.at > now || !config::fires_timers() || context.is_replicated_or_replayed() {
        return Ok(key);
    }
    let (key, _) = fire(context, key, name, now)?;
    Ok(key)
}

/// Replicates a timer's move with its time; and from when the next one counts, if that is another.
fn replicate(context: Context<'_>, name: Str<'_>, fired: &Fired<'_>) {
    let at = format!("AT {}", fired.at);
    let from = fired.next_from.map(|ms| format!("FROM {ms}"));
    let more = [Some(at), from];
    let more: Vec<&[u8]> = more.iter().flatten().map(String::as_bytes).collect();
    context.replicate(c"SM.TIMEOUT", name, &more);
}
