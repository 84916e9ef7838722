//! The parts of a machine as they are stored, and how they are checked.

use std::sync::Arc;

use super::error::PartError;
use super::texts::Buffer;
use super::times::Times;
use super::wire::Cursor;
use super::{Machine, history, ids};
use crate::definition::StateId;
use crate::interner::Interned;

/// What belongs to one machine. What is absent is empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredParts<'a> {
    pub(crate) current: StateId,
    pub(crate) version: u32,
    pub(crate) reason: &'a str,
    pub(crate) ids: &'a [u8],
    pub(crate) times: Option<StoredTimes>,
    pub(crate) history: &'a [u8],
}

/// The times of a machine, as they are stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredTimes(Times);

impl StoredTimes {
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    pub(crate) fn take(cursor: &mut Cursor<'_>) -> Result<Self, PartError> {
        Times::take(cursor).map(Self)
    }
}

impl Machine {
    /// Returns the parts to store.
    pub(crate) fn stored_parts(&self) -> StoredParts<'_> {
        StoredParts {
            current: self.current(),
            version: self.version(),
            reason: self.reason(),
            ids: self.body.ids(),
            times: self.body.times().map(StoredTimes),
            history: self.body.history(),
        }
    }

    /// Makes a machine of parts from outside.
    ///
    /// The state, the version and the reason were checked.
    ///
    /// # Errors
    ///
    /// The first part that no machine of this definition can have.
    pub(crate) fn of_parts(
        definition: Arc<Interned>,
        parts: &StoredParts<'_>,
    ) -> Result<Self, PartError> {
        let times = parts.times.map(|times| times.0);
        match times {
            Some(_) if !definition.is_timed() => {
                return Err(PartError::Times(
                    "the definition has neither timers nor a history",
                ));
            }
            None if definition.is_timed() => {
                return Err(PartError::Times("the definition has timers or a history"));
            }
            None => {}
            Some(times) => times.check(&definition, parts.current)?,
        }
        ids::check(parts.ids, &definition)?;
        check_history(&definition, parts)?;
        let copy = |part: &[u8], out: &mut Vec<u8>| out.extend_from_slice(part);
        let mut machine = Self::new(definition, parts.current);
        machine.set_position(parts.current, parts.version);
        if times.is_none() && parts.ids.is_empty() {
            machine.body.set_reason(parts.reason);
            return Ok(machine);
        }
        let mut buffer = Buffer::take();
        let draft = buffer.write(
            parts.reason,
            |out| copy(parts.ids, out),
            |out| copy(parts.history, out),
        );
        machine.body.set_rare(times, draft);
        Ok(machine)
    }
}

fn check_history(definition: &Interned, parts: &StoredParts<'_>) -> Result<(), PartError> {
    if parts.history.is_empty() {
        return match definition.history_limit() {
            0 => Ok(()),
            _ => Err(PartError::History(
                "there is none, but the definition has one",
            )),
        };
    }
    history::check(parts.history, definition, parts.current)?;
    let since = parts.times.map_or(0, |times| times.0.since);
    if since > history::last(parts.history) {
        return Err(PartError::History(
            "the state was entered after the last move",
        ));
    }
    Ok(())
}
