//! The one way in which a machine moves: a request is checked, and what comes of it is applied.
//!
//! Between the two nothing has changed, so that the caller can still refuse, or do first what must
//! happen with the move or not at all.

use std::borrow::Cow;
use std::sync::Arc;

use super::history::{self, Event, MoveKind};
use super::ids::{self, IdKind, Known};
use super::names::{self, Name, Translation};
use super::request::{Context, Force, MoveError, Options, Outcome, Request, Verdict};
use super::texts::Buffer;
use super::timers::deadline;
use super::times::{MAX_TIME, Times};
use super::{Machine, next_version};
use crate::definition::{Definition, EventId, Fire, StateId, UNNAMED};
use crate::interner::Interned;
use crate::rules::Rules;

/// A request after its check.
#[derive(Debug)]
pub enum Checked<'m, 'r> {
    /// Nothing is to be done; this is the answer.
    Answer(Verdict<'m>),
    /// The change can be made.
    Go(Planned<'r>),
}

/// A change that passed its check, for the machine that it was checked for.
#[derive(Debug)]
pub struct Planned<'r> {
    step: Step<'r>,
    at: u64,
    times: Option<Times>,
    /// `None` keeps the old one.
    reason: Option<&'r str>,
    request: Request<'r>,
    options: Options<'r>,
    user: &'r [u8],
}

impl Planned<'_> {
    /// Returns the time of the move, in ms since 1970, for its replication. Matters if
    /// [`is_timed`](Self::is_timed).
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Returns whether the machine knows times after the move.
    pub fn is_timed(&self) -> bool {
        self.times.is_some()
    }

    /// Returns the state that will be entered, as its number in the definition that the machine has
    /// then.
    pub fn target(&self) -> Option<StateId> {
        match self.step {
            Step::Enter { target, .. } | Step::Redefine { target, .. } => Some(target),
            Step::Delete => None,
        }
    }
}

/// Where a request leads.
#[derive(Debug, Clone, Copy)]
enum Step<'r> {
    Enter {
        kind: MoveKind,
        event: EventId,
        target: StateId,
    },
    Redefine {
        definition: &'r Arc<Interned>,
        target: StateId,
    },
    /// A timer without a target.
    Delete,
}

impl Machine {
    /// Checks a request, in the one order of checks: a known ID, conditions, the transition, the
    /// timer that is given. Changes nothing. A timer that is due fires before, see
    /// [`fire_due`](Self::fire_due).
    ///
    /// # Errors
    ///
    /// If the request is wrong as such, see [`MoveError`].
    #[inline(always)]
    pub fn check<'r>(
        &self,
        request: Request<'r>,
        options: &Options<'r>,
        context: &Context<'r>,
    ) -> Result<Checked<'_, 'r>, MoveError> {
        if let Some(answer) = self.stop(request, options, context)? {
            return Ok(Checked::Answer(answer));
        }
        let Some(step) = self.find_step(request, context)? else {
            return Ok(Checked::Answer(self.verdict(Outcome::Refused)));
        };
        let reason = new_reason(request, options.reason);
        if matches!(request, Request::Reset(_)) && self.is_fresh(reason) {
            return Ok(Checked::Answer(self.verdict(Outcome::Unchanged)));
        }
        let at = self.time_of(request, context);
        Ok(Checked::Go(Planned {
            times: self.times_after(step, request, options, at)?,
            step,
            at,
            reason,
            request,
            options: *options,
            user: context.user,
        }))
    }

    /// Makes a move of a machine that isn't timed, asked without any option but a reason: what
    /// [`check`](Self::check) and [`apply`](Self::apply) do for it, in a fraction of the
    /// instructions. A timeout, `SM.NEW` and a redefinition are refused: they are no such moves.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    #[inline(always)]
    pub fn make_plain_move(
        &mut self,
        request: Request<'_>,
        reason: Option<&str>,
    ) -> Result<Outcome, MoveError> {
        debug_assert!(!self.definition.is_timed());
        let Some((_, _, target)) = self.find_move(request)? else {
            return Ok(Outcome::Refused);
        };
        let reason = new_reason(request, reason);
        if matches!(request, Request::Reset(_)) && self.is_fresh(reason) {
            return Ok(Outcome::Unchanged);
        }
        self.go(target, reason);
        Ok(Outcome::Moved)
    }

    /// Makes the change that [`check`](Self::check) planned for this very machine.
    #[inline]
    pub fn apply(&mut self, planned: &Planned<'_>) -> Verdict<'_> {
        let outcome = match planned.step {
            Step::Delete => Outcome::Deleted,
            Step::Redefine { .. } => {
                self.change(planned);
                Outcome::Redefined
            }
            Step::Enter { target, .. } => {
                if planned.times.is_some() || planned.options.id.is_some() {
                    self.change(planned);
                } else {
                    self.go(target, planned.reason);
                }
                Outcome::Moved
            }
        };
        self.verdict(outcome)
    }

    /// Returns the answer of that outcome.
    #[inline]
    pub fn verdict(&self, outcome: Outcome) -> Verdict<'_> {
        Verdict {
            outcome,
            state: self.current_name_bytes(),
            version: self.version(),
        }
    }

    /// Moves a machine that knows no times.
    #[inline]
    pub(super) fn go(&mut self, target: StateId, reason: Option<&str>) {
        let version = next_version(self.version());
        self.set_position(target, version);
        if let Some(reason) = reason {
            self.body.set_reason(reason);
        }
    }

    /// Returns the answer where the move isn't even looked at.
    #[inline]
    fn stop(
        &self,
        request: Request<'_>,
        options: &Options<'_>,
        context: &Context<'_>,
    ) -> Result<Option<Verdict<'_>>, MoveError> {
        if !context.replayed {
            if let Some(known) = options.id.and_then(|id| ids::find(self.body.ids(), id)) {
                return self.repeat(known, request).map(Some);
            }
            let is_state = |state| state == self.current_name_bytes();
            let is_version = |version| version == self.version();
            if !options.if_state.is_none_or(is_state) || !options.if_version.is_none_or(is_version)
            {
                return Ok(Some(self.verdict(Outcome::Conflict)));
            }
        }
        let exists = matches!(request, Request::New).then(|| self.verdict(Outcome::Exists));
        Ok(exists)
    }

    /// Answers a request whose ID is known.
    fn repeat<'m>(
        &'m self,
        known: Known<'m>,
        request: Request<'_>,
    ) -> Result<Verdict<'m>, MoveError> {
        if !self.is_same(&known, request) {
            return Err(MoveError::IdReused);
        }
        Ok(Verdict {
            outcome: Outcome::Repeated,
            state: known.state.state(self.definition()),
            version: known.version,
        })
    }

    fn is_same(&self, known: &Known<'_>, request: Request<'_>) -> bool {
        let definition = self.definition();
        let state = known.subject.map(|state| state.state(definition));
        match (known.kind, request) {
            (IdKind::Fire, Request::Fire { event, to }) => {
                known.subject.map(|name| name.event(definition)) == Some(event)
                    && known.to.map(|name| name.state(definition)) == to
            }
            (IdKind::Move, Request::Move(to)) | (IdKind::Force, Request::Force(to)) => {
                state == Some(to)
            }
            (IdKind::New, Request::New) | (IdKind::Redefine, Request::Redefine { .. }) => true,
            _ => false,
        }
    }

    /// Returns where a request leads; nowhere if it is refused.
    #[inline(always)]
    fn find_step<'r>(
        &self,
        request: Request<'r>,
        context: &Context<'_>,
    ) -> Result<Option<Step<'r>>, MoveError> {
        match request {
            Request::Timeout { .. } => Ok(self.find_timeout(context)),
            Request::Redefine { to, renames } => self.find_redefinition(to, renames).map(Some),
            _ => {
                let found = self.find_move(request)?;
                Ok(found.map(|(kind, event, target)| Step::Enter {
                    kind,
                    event,
                    target,
                }))
            }
        }
    }

    /// Returns the kind, the event and the target of a move that a caller asks for.
    #[inline(always)]
    fn find_move(
        &self,
        request: Request<'_>,
    ) -> Result<Option<(MoveKind, EventId, StateId)>, MoveError> {
        let definition = self.definition();
        let current = self.current();
        let (kind, target) = match request {
            Request::Fire { event, to } => {
                let found = self.find_event(event, to)?;
                return Ok(found.map(|(event, target)| (MoveKind::Move, event, target)));
            }
            Request::Move(to) => {
                let target = definition.find_state(to);
                let target = target.filter(|&to| definition.allows(current, to));
                (MoveKind::Move, target)
            }
            Request::Force(to) => (MoveKind::Force, definition.find_state(to)),
            Request::Mutate { to, force, rules } => {
                let kind = match force {
                    Force::No => MoveKind::Move,
                    Force::Yes => MoveKind::Force,
                };
                (kind, self.resolve_move(to, force, rules))
            }
            Request::Reset(_) => (MoveKind::Reset, Some(definition.initial())),
            Request::Timeout { .. } | Request::New | Request::Redefine { .. } => return Ok(None),
        };
        Ok(target.map(|target| (kind, UNNAMED, target)))
    }

    #[inline(always)]
    fn find_event(
        &self,
        event: &[u8],
        to: Option<&[u8]>,
    ) -> Result<Option<(EventId, StateId)>, MoveError> {
        let definition = self.definition();
        let Some(event) = definition.find_event(event) else {
            return Ok(None);
        };
        let fire = definition.fire(self.current(), event);
        let target = match to {
            Some(to) => definition.find_state(to).filter(|&to| fire.contains(to)),
            None => only_target(&fire, definition)?,
        };
        Ok(target.map(|target| (event, target)))
    }

    /// Returns where the timer leads, if it is due. What was done before was due then.
    fn find_timeout<'r>(&self, context: &Context<'_>) -> Option<Step<'r>> {
        let timer = self.definition().timer(self.current())?;
        if !context.replayed && self.deadline()?.at > context.now {
            return None;
        }
        Some(timer.target.map_or(Step::Delete, |target| Step::Enter {
            kind: MoveKind::Timeout,
            event: UNNAMED,
            target,
        }))
    }

    fn find_redefinition<'r>(
        &self,
        to: &'r Machine,
        renames: &[(&[u8], &[u8])],
    ) -> Result<Step<'r>, MoveError> {
        let definition = to.definition();
        let unknown = |new: &&(&[u8], &[u8])| definition.find_state(new.1).is_none();
        if let Some((_, new)) = renames.iter().find(unknown) {
            return Err(MoveError::UnknownRename((*new).into()));
        }
        let current = self.current_name_bytes();
        let renamed = renames.iter().find(|(old, _)| *old == current);
        let name = renamed.map_or(current, |(_, new)| new);
        let target = definition.find_state(name);
        let target = target.ok_or_else(|| MoveError::StateLost(name.into()))?;
        Ok(Step::Redefine { definition, target })
    }

    /// Returns whether a reset would change nothing.
    fn is_fresh(&self, reason: Option<&str>) -> bool {
        let definition = self.definition();
        let keeps_reason = reason.is_none_or(|reason| reason == self.reason());
        keeps_reason && self.current() == definition.initial() && !definition.is_timed()
    }

    /// Returns the time of a move: now, or, for a timer's, when it was due. Never before the last
    /// one.
    #[inline]
    fn time_of(&self, request: Request<'_>, context: &Context<'_>) -> u64 {
        let due = match request {
            Request::Timeout { .. } if !context.replayed => self.deadline(),
            _ => None,
        };
        let at = due.map_or(context.now, |due| due.at);
        at.clamp(self.last_time(), MAX_TIME)
    }

    /// Returns the times after a step.
    ///
    /// # Errors
    ///
    /// If a timer is given for a state that has none.
    #[inline(always)]
    fn times_after(
        &self,
        step: Step<'_>,
        request: Request<'_>,
        options: &Options<'_>,
        at: u64,
    ) -> Result<Option<Times>, MoveError> {
        let (definition, target): (&Definition, _) = match step {
            Step::Delete => return Ok(self.body.times()),
            Step::Enter { target, .. } => (self.definition(), target),
            Step::Redefine { definition, target } => (definition, target),
        };
        if !definition.is_timed() && options.timer.is_none() {
            return Ok(None);
        }
        let old = self.body.times();
        let (since, kept, from) = match (step, request) {
            (Step::Redefine { .. }, _) => {
                let since = old.map_or(at, |times| times.since);
                let kept = old.and_then(Times::deadline).filter(|old| old.is_given);
                (since, kept, since)
            }
            (_, Request::Timeout { next_from }) => (at, None, next_from.unwrap_or(at).max(at)),
            _ => (at, None, at),
        };
        let deadline = deadline(definition, target, options, at, kept, from)?;
        Ok(Some(Times::new(since, deadline)))
    }

    /// Makes a change that touches more than state, version and reason.
    #[inline]
    fn change(&mut self, planned: &Planned<'_>) {
        let version = next_version(self.version());
        let (kind, event, target, new) = match planned.step {
            Step::Enter {
                kind,
                event,
                target,
            } => (kind, event, target, None),
            Step::Redefine { definition, target } => {
                (MoveKind::Redefine, 0, target, Some(definition))
            }
            Step::Delete => return,
        };
        let definition: &Definition = new.unwrap_or(&self.definition);
        let names = new.map(|new| Translation {
            old: &self.definition,
            new,
        });
        let is_plain = new.is_none() && planned.options.id.is_none();
        if is_plain && definition.history_limit() == 0 {
            self.go(target, planned.reason);
            self.body.set_times(planned.times);
            return;
        }
        let change = Event {
            kind,
            at: planned.at,
            from: names.map_or(names::known_state(self.current()), |names| {
                history::translate_state(self.current(), names)
            }),
            to: names::known_state(target),
            event: names::known_event(event),
            user: planned.user,
            by: planned.options.by,
            reason: planned.options.reason.unwrap_or_default(),
            id: planned.options.id.unwrap_or_default(),
        };
        let mut buffer = Buffer::take();
        let draft = buffer.write(
            planned.reason.unwrap_or_else(|| self.reason()),
            |out| {
                let old = translated_ids(self.body.ids(), names);
                match known(planned, target, event, version) {
                    Some(new) => ids::push(&old, &new, out),
                    None => out.extend_from_slice(&old),
                }
            },
            |out| push_history(self.body.history(), names, &change, definition, out),
        );
        match new {
            Some(new) => self.redefine(new, target, version),
            None => self.set_position(target, version),
        }
        self.body.set_rare(planned.times, draft);
    }
}

/// Returns the reason after a move: a new one, empty without one, or `None` if the old one stays.
#[inline(always)]
fn new_reason<'r>(request: Request<'_>, given: Option<&'r str>) -> Option<&'r str> {
    match request {
        Request::Mutate {
            rules: Rules::Legacy,
            ..
        }
        | Request::Redefine { .. } => given,
        Request::Reset(Rules::Legacy) => None,
        _ => Some(given.unwrap_or_default()),
    }
}

/// Returns the one target of an event, if it leads anywhere. A target that is listed twice is one.
#[inline]
fn only_target(fire: &Fire<'_>, definition: &Definition) -> Result<Option<StateId>, MoveError> {
    let mut targets = fire.iter();
    let first = targets.next();
    if targets.all(|other| Some(other) == first) {
        return Ok(first);
    }
    let names = fire.iter().map(|state| definition.name_bytes(state));
    Err(MoveError::ambiguous(names))
}

/// Returns what is remembered of a request with an ID.
fn known<'a>(
    planned: &Planned<'a>,
    target: StateId,
    event: EventId,
    version: u32,
) -> Option<Known<'a>> {
    let token = planned.options.id?;
    let (kind, subject, to) = match planned.request {
        Request::Fire { to, .. } => (
            IdKind::Fire,
            Some(Name::Known(event)),
            to.map(|_| names::known_state(target)),
        ),
        Request::Move(_) => (IdKind::Move, Some(names::known_state(target)), None),
        Request::Force(_) => (IdKind::Force, Some(names::known_state(target)), None),
        Request::Redefine { .. } => (IdKind::Redefine, None, None),
        Request::New => (IdKind::New, None, None),
        Request::Mutate { .. } | Request::Reset(_) | Request::Timeout { .. } => return None,
    };
    Some(Known {
        kind,
        token,
        subject,
        to,
        state: names::known_state(target),
        version,
    })
}

/// Returns the request IDs as the definition after the change knows them.
fn translated_ids<'a>(ids: &'a [u8], names: Option<Translation<'_>>) -> Cow<'a, [u8]> {
    let Some(names) = names else {
        return ids.into();
    };
    let mut out = Vec::with_capacity(ids.len());
    ids::translate(ids, names, &mut out);
    out.into()
}

/// Appends the history after a change, as the definition after it knows it.
pub(super) fn push_history(
    old: &[u8],
    names: Option<Translation<'_>>,
    change: &Event<'_>,
    definition: &Definition,
    out: &mut Vec<u8>,
) {
    let limit = definition.history_limit();
    if limit == 0 {
        return;
    }
    match names {
        Some(names) => history::push(&history::translate(old, names), change, limit, out),
        None => history::push(old, change, limit, out),
    }
}
