//! What a timer does when it is due.

use super::Machine;
use super::moves::Checked;
use super::request::{Context, MoveError, Options, Outcome, Request, Verdict};
use super::times::{Deadline, MAX_TIME};
use crate::definition::{Definition, StateId};

/// How many overdue timers of one machine fire in a row, each counting from the one before. The one
/// after that counts from now.
pub const MAX_STEPS: u32 = 16;

/// What [`Machine::fire_due`] did in one step.
#[derive(Debug, Clone, Copy)]
pub struct Fired<'m> {
    /// `moved` or `deleted`.
    pub verdict: Verdict<'m>,
    /// The time of the move: when the timer was due.
    pub at: u64,
    /// From when the next deadline counts, if not from `at`.
    pub next_from: Option<u64>,
}

impl Machine {
    /// Fires the timers that are due, each as a move of its own, at most [`MAX_STEPS`]. Shows each
    /// to `each`, after it was made. Returns whether the machine is still there: if not, the caller
    /// deletes the key.
    pub fn fire_due(&mut self, now: u64, mut each: impl FnMut(&Self, Fired<'_>)) -> bool {
        for step in 1..=MAX_STEPS {
            let next_from = (step == MAX_STEPS).then_some(now);
            let request = Request::Timeout { next_from };
            let (options, context) = (
                Options::default(),
                Context {
                    now,
                    ..Context::default()
                },
            );
            let Ok(Checked::Go(planned)) = self.check(request, &options, &context) else {
                break;
            };
            let at = planned.at();
            let outcome = self.apply(&planned).outcome;
            let verdict = self.verdict(outcome);
            each(
                self,
                Fired {
                    verdict,
                    at,
                    next_from,
                },
            );
            if outcome == Outcome::Deleted {
                return false;
            }
        }
        true
    }
}

/// Returns the deadline of a state that is entered at `at`: the one that is given, else `kept`, else
/// the definition's, counted from `from`.
///
/// # Errors
///
/// If one is given and the state has no timer.
pub(super) fn deadline(
    definition: &Definition,
    state: StateId,
    options: &Options<'_>,
    at: u64,
    kept: Option<Deadline>,
    from: u64,
) -> Result<Option<Deadline>, MoveError> {
    let Some(timer) = definition.timer(state) else {
        return match options.timer {
            Some(_) => Err(MoveError::NoTimer(definition.name_bytes(state).into())),
            None => Ok(None),
        };
    };
    let given = options.timer.map(|given| Deadline {
        at: given.due(at),
        is_given: true,
    });
    let default = timer.ms.map(|ms| Deadline {
        at: from.saturating_add(ms).min(MAX_TIME),
        is_given: false,
    });
    Ok(given.or(kept).or(default))
}
