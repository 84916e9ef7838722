//! How a machine begins, and how a document takes the place of one.

use super::Machine;
use super::history::{self, Event, MoveKind};
use super::ids::{self, IdKind, Known};
use super::moves::push_history;
use super::names::{self, Translation};
use super::next_version;
use super::request::{Context, MoveError, Options};
use super::texts::Buffer;
use super::timers::deadline;
use super::times::{MAX_TIME, Times};

impl Machine {
    /// Returns a machine that was just read from a document as one that begins now, where there was
    /// none. It is at version 1. An ID among the options is remembered as that of an `SM.NEW`.
    ///
    /// A machine that isn't timed needs this only for its options.
    ///
    /// # Errors
    ///
    /// If a timer is given and the state has none.
    pub fn begin(
        mut self,
        options: &Options<'_>,
        context: &Context<'_>,
    ) -> Result<Self, MoveError> {
        let at = context.now.min(MAX_TIME);
        let times = first_times(&self, options, at)?;
        if times.is_none() && options.id.is_none() {
            if let Some(reason) = options.reason {
                self.body.set_reason(reason);
            }
            return Ok(self);
        }
        let reason = options.reason.unwrap_or(self.reason()).to_owned();
        let token = options.id.map(|token| Known {
            kind: IdKind::New,
            token,
            subject: None,
            to: None,
            state: names::known_state(self.current()),
            version: 1,
        });
        let new = self.event(MoveKind::New, at, &reason, options, context);
        let mut buffer = Buffer::take();
        let draft = buffer.write(
            &reason,
            |out| {
                if let Some(token) = token {
                    ids::push(&[], &token, out);
                }
            },
            |out| push_history(&[], None, &new, &self.definition, out),
        );
        self.body.set_rare(times, draft);
        Ok(self)
    }

    /// Returns a machine that was read from a document as one that takes the place of `old`: the
    /// version goes on, the history too, with one more entry; all else is that of a new machine.
    #[must_use]
    pub fn replace(mut self, old: &Self, context: &Context<'_>) -> Self {
        if !self.definition.is_timed() {
            return self.continue_version(old);
        }
        let at = context.now.clamp(old.last_time(), MAX_TIME);
        let options = Options::default();
        // No timer is given, so none can be wrong.
        let times = first_times(&self, &options, at).unwrap_or_default();
        let reason = self.reason().to_owned();
        let names = Translation {
            old: &old.definition,
            new: &self.definition,
        };
        let set = Event {
            from: history::translate_state(old.current(), names),
            ..self.event(MoveKind::Set, at, &reason, &options, context)
        };
        let before = old.body.history();
        let mut buffer = Buffer::take();
        let draft = buffer.write(
            &reason,
            |_| {},
            |out| {
                push_history(before, Some(names), &set, &self.definition, out);
            },
        );
        self.body.set_rare(times, draft);
        self.continue_version(old)
    }

    /// Returns this machine at the version after that of `old`.
    #[must_use]
    pub fn continue_version(mut self, old: &Self) -> Self {
        let version = next_version(old.version());
        self.set_position(self.current(), version);
        self
    }

    fn event<'a>(
        &self,
        kind: MoveKind,
        at: u64,
        reason: &'a str,
        options: &Options<'a>,
        context: &Context<'a>,
    ) -> Event<'a> {
        let current = names::known_state(self.current());
        Event {
            kind,
            at,
            from: current,
            to: current,
            event: None,
            user: context.user,
            by: options.by,
            reason,
            id: options.id.unwrap_or_default(),
        }
    }
}

/// Returns the times of a machine that begins at `at`.
fn first_times(
    machine: &Machine,
    options: &Options<'_>,
    at: u64,
) -> Result<Option<Times>, MoveError> {
    let definition = machine.definition();
    if !definition.is_timed() && options.timer.is_none() {
        return Ok(None);
    }
    let deadline = deadline(definition, machine.current(), options, at, None, at)?;
    Ok(Some(Times::new(at, deadline)))
}
