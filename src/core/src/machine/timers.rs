//! What a timer does when it is due.

use super::Machine;
use super::moves::Checked;
use super::request::{Context, Options, Outcome, Request, Verdict};

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
