//! How a machine begins, and how a document takes the place of one.

use super::Machine;
use super::body::Position;
use super::history::{Event, MoveKind};
use super::ids::{self, IdKind, Known};
use super::moves::push_history;
use super::names::{self, Translation};
use super::next_version;
use super::request::{Context, MoveError, Options};
use super::texts::Texts;
use super::times::{Deadline, MAX_TIME, Times};
use crate::definition::Definition;

impl Machine {
    /// Returns a machine that was read from a document as one that begins now, where there was none:
    /// at version 1. An ID among the options is remembered as that of an `SM.NEW`.
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
        let texts = Texts::new(
            &reason,
            new.room(),
            |out| {
                if let Some(token) = token {
                    ids::push(&[], &token, out);
                }
            },
            |out| push_history(&[], None, &new, &self.definition, out),
        );
        self.body.set_position(Position::new(self.current(), 1));
        self.body.set_rare(times, texts);
        Ok(self)
    }

    /// Returns a machine that was read from a document as one that takes the place of `old`: the
    /// version goes on, the history too, with one more entry; all else is that of a new machine.
    #[must_use]
    pub fn replace(mut self, old: &Self, context: &Context<'_>) -> Self {
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
            from: super::history::translate_state(old.current(), names),
            ..self.event(MoveKind::Set, at, &reason, &options, context)
        };
        let room = old.body.history().len() + set.room();
        let history = old.body.history();
        let texts = Texts::new(
            &reason,
            room,
            |_| {},
            |out| {
                push_history(history, Some(names), &set, &self.definition, out);
            },
        );
        self.body.set_rare(times, texts);
        self.continue_version(old)
    }

    /// Returns this machine at the version after that of `old`.
    #[must_use]
    pub fn continue_version(mut self, old: &Self) -> Self {
        let version = next_version(old.version());
        self.body
            .set_position(Position::new(self.current(), version));
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
    let definition: &Definition = machine.definition();
    let state = machine.current();
    let Some(timer) = definition.timer(state) else {
        if options.timer.is_some() {
            return Err(MoveError::NoTimer(definition.name_bytes(state).into()));
        }
        return Ok(definition.is_timed().then(|| Times::new(at, None)));
    };
    let given = options.timer.map(|given| (given.due(at), true));
    let default = timer
        .ms
        .map(|ms| (at.saturating_add(ms).min(MAX_TIME), false));
    let deadline = given.or(default);
    let deadline = deadline.map(|(at, is_given)| Deadline { at, is_given });
    Ok(Some(Times::new(at, deadline)))
}
