//! When a timed machine entered its state, and when that state's timer is due.

use super::error::PartError;
use super::wire::{Cursor, put_varint};
use crate::definition::{Definition, StateId};
use crate::limits::MAX_MS;

/// The last millisecond that a machine can know.
pub const MAX_TIME: u64 = MAX_MS;

/// A deadline's mark that a move gave it.
const GIVEN: u64 = 1 << 63;

/// Stands for no deadline.
const NONE: u64 = u64::MAX;

/// When a timer is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// The moment, in ms since 1970.
    pub at: u64,
    /// Whether a move gave it by AFTER or DUE. Otherwise it comes from the definition.
    pub is_given: bool,
}

/// The times of a timed machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    /// When the machine entered its state, in ms since 1970.
    pub(super) since: u64,
    deadline: u64,
}

impl Times {
    /// The times of a machine that knows none.
    pub(super) const UNTIMED: Self = Self {
        since: NONE,
        deadline: NONE,
    };

    pub(super) fn new(since: u64, deadline: Option<Deadline>) -> Self {
        let pack = |deadline: Deadline| deadline.at | if deadline.is_given { GIVEN } else { 0 };
        Self {
            since,
            deadline: deadline.map_or(NONE, pack),
        }
    }

    pub(super) fn deadline(self) -> Option<Deadline> {
        (self.deadline != NONE).then_some(Deadline {
            at: self.deadline & !GIVEN,
            is_given: self.deadline & GIVEN != 0,
        })
    }

    /// Appends the time of entry; then 0 or, for a deadline, one more than twice its distance from
    /// there, and one more again if it was given.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        put_varint(self.since, out);
        let code = self.deadline().map_or(0, |deadline| {
            let distance = deadline.at.saturating_sub(self.since);
            1 + 2 * distance + u64::from(deadline.is_given)
        });
        put_varint(code, out);
    }

    pub(super) fn take(cursor: &mut Cursor<'_>) -> Result<Self, PartError> {
        let since = cursor.varint()?;
        let code = cursor.varint()?;
        if since > MAX_TIME {
            return Err(PartError::Times("the time of entry is beyond 2^53 - 1"));
        }
        let Some(code) = code.checked_sub(1) else {
            return Ok(Self::new(since, None));
        };
        let at = since.saturating_add(code / 2);
        if at > MAX_TIME {
            return Err(PartError::Times("the deadline is beyond 2^53 - 1"));
        }
        let is_given = code % 2 == 1;
        Ok(Self::new(since, Some(Deadline { at, is_given })))
    }

    /// Checks that a machine of this definition can have these times in this state.
    pub(super) fn check(self, definition: &Definition, state: StateId) -> Result<(), PartError> {
        let timer = definition.timer(state);
        let has_default = timer.is_some_and(|timer| timer.ms.is_some());
        match self.deadline() {
            Some(_) if timer.is_none() => {
                Err(PartError::Times("a deadline in a state without a timer"))
            }
            Some(deadline) if !deadline.is_given && !has_default => {
                Err(PartError::Times("a deadline that nobody gave"))
            }
            None if has_default => Err(PartError::Times("no deadline in a state with a timer")),
            _ => Ok(()),
        }
    }
}
