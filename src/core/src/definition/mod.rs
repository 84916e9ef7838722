//! A definition: its archive, and the tables that answer from it in constant time.
//!
//! Everything here is pure and immutable. Who shares a definition, and what is cached beside it, is
//! the interner's business.

// Bytes from outside come through here first: an index needs a reason.
#![warn(clippy::indexing_slicing)]

mod adjacency;
mod archive;
mod check;
mod error;
mod events;
mod parts;
mod places;
mod repeats;
mod version1;
mod view;

use std::ops::Range;

use self::adjacency::StateSet;
pub(crate) use self::archive::ArchiveBytes;
pub use self::error::ArchiveError;
use self::events::EventTables;
pub use self::events::Fire;
pub(crate) use self::parts::{DefinitionParts, NO_STATE, RareParts, UNNAMED};
pub use self::parts::{EventId, StateId};
use self::places::{Places, is_long};
pub(crate) use self::repeats::first_repeat;
pub(crate) use self::view::{DefinitionView, RareView, nth_range};
use crate::escape;
use crate::hash;
use crate::probe::Probe;

/// The tables that find a definition's states and events by name.
#[derive(Debug)]
pub(crate) struct NameTables {
    pub(crate) states: Probe,
    pub(crate) events: Probe,
}

impl NameTables {
    /// Returns the table of the states, where no event has a name.
    pub(crate) fn of_states(states: Probe) -> Self {
        Self {
            states,
            events: Probe::with_room_for(0),
        }
    }
}

/// State names, transitions and the initial state; at times events, timers and a name.
#[derive(Debug)]
pub struct Definition {
    archive: ArchiveBytes,
    /// Finds states by name.
    names: Probe,
    /// Finds targets in rows, where the archive has no adjacency.
    rows: Places,
    needs_escapes: bool,
    is_timed: bool,
    /// Where there are events or timers.
    events: Option<Box<EventTables>>,
}

/// A state's timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// After how many milliseconds it is due, unless a move says otherwise. Without, there is a
    /// timer only when a move says so.
    pub ms: Option<u64>,
    /// Where it leads. Without a target it deletes the key.
    pub target: Option<StateId>,
}

impl Definition {
    /// Checks an archive from outside and makes a definition of it.
    ///
    /// # Errors
    ///
    /// The first rule that the bytes break.
    pub(crate) fn from_archive(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let (archive, parts) = ArchiveBytes::decode(bytes)?;
        let mut names = NameTables::of_states(parts.index_names()?);
        if let Some(rare) = parts.rare.first() {
            names.events = rare.index_names()?;
        }
        Ok(Self::new(archive, &parts, names))
    }

    /// Makes a definition of an archive and the parts that are in it. `names` finds its states and
    /// events by name.
    pub(crate) fn new(archive: ArchiveBytes, parts: &DefinitionParts, names: NameTables) -> Self {
        let rows = match parts.adjacency.is_empty() {
            true => Places::of(&parts.targets, parts.rows(), parts.name_ends.len()),
            false => Places::none(),
        };
        let events = parts.rare.iter().map(|rare| &rare.event_names);
        let is_timed = |rare: &RareParts| rare.history > 0 || !rare.after_states.is_empty();
        let mut texts = std::iter::once(&parts.names).chain(events);
        Self {
            names: names.states,
            rows,
            needs_escapes: texts.any(|names| escape::need_escapes(names)),
            is_timed: parts.rare.iter().any(is_timed),
            events: EventTables::of(parts, names.events),
            archive,
        }
    }

    /// Returns the archive: a canonical form, so equal bytes mean equal definitions.
    pub fn archive(&self) -> &[u8] {
        self.archive.as_slice()
    }

    /// Returns the number of states.
    pub fn state_count(&self) -> usize {
        self.view().state_count()
    }

    /// Returns the number of states with an entry of their own in the map. They have the lowest IDs.
    pub fn row_count(&self) -> usize {
        self.view().row_count()
    }

    /// Returns the number of transitions, repeats included. One of `any` counts once.
    pub fn transition_count(&self) -> usize {
        let any = self.view().rare().map_or(0, RareView::any_target_count);
        self.view().targets().len() + any
    }

    /// Returns all states, those with an entry of their own first.
    pub fn state_ids(&self) -> Range<StateId> {
        self.view().state_ids()
    }

    /// Returns the states with an entry of their own in the map, in document order.
    pub fn row_states(&self) -> Range<StateId> {
        self.view().row_states()
    }

    /// Returns the state in which a machine starts.
    #[inline]
    pub fn initial(&self) -> StateId {
        self.view().initial()
    }

    /// Returns the name of a state; empty for an ID that is not in the definition.
    #[inline]
    pub fn name(&self, state: StateId) -> &str {
        // Names were checked to be UTF-8, each on character boundaries: the fallback is never
        // taken, and costs less thought than `unsafe`.
        std::str::from_utf8(self.name_bytes(state)).unwrap_or_default()
    }

    /// Returns the name of a state as bytes, for replies; empty for an ID that is not in the
    /// definition.
    #[inline(always)]
    pub fn name_bytes(&self, state: StateId) -> &[u8] {
        self.view().name(state)
    }

    /// Returns the state of that name, in constant time.
    #[inline]
    pub fn find_state(&self, name: &[u8]) -> Option<StateId> {
        let view = self.view();
        self.names
            .find(hash::of_bytes(name), |state| view.name(state) == name)
    }

    /// Returns the number of events that have a name: 1 up to this.
    pub fn event_count(&self) -> usize {
        self.view().rare().map_or(0, RareView::event_count)
    }

    /// Returns the name of an event as bytes; empty for 0, and for a number that is not in the
    /// definition.
    #[inline]
    pub fn event_name_bytes(&self, event: EventId) -> &[u8] {
        let rare = self.view().rare();
        rare.map_or(&[], |rare| rare.event_name(event))
    }

    /// Returns the event of that name, in constant time. The empty name is that of the moves
    /// without one, in every definition.
    #[inline(always)]
    pub fn find_event(&self, name: &[u8]) -> Option<EventId> {
        if name.is_empty() {
            return Some(UNNAMED);
        }
        let rare = self.view().rare()?;
        self.events.as_ref()?.find(rare, name)
    }

    /// Returns where an event leads from a state, in constant time: by the state's own entry for
    /// it, else by that of `any`.
    #[inline(always)]
    pub fn fire(&self, from: StateId, event: EventId) -> Fire<'_> {
        if let Some(own) = self.own(from, event) {
            return own;
        }
        let place = || self.events.as_ref()?.any(self.view().rare()?, event);
        let (Some(place), true) = (place(), self.has_state(from)) else {
            return Fire::NONE;
        };
        let rare = self.view().rare();
        rare.map_or(Fire::NONE, |rare| Fire::any(rare.any(place).1, from))
    }

    /// Returns where an event leads by the state's own entry for it, which may refuse it; `None` if
    /// there is no such entry.
    #[inline(always)]
    pub(crate) fn own(&self, from: StateId, event: EventId) -> Option<Fire<'_>> {
        let view = self.view();
        match (view.rare(), &self.events) {
            (Some(rare), Some(tables)) if rare.has_groups() => {
                let group = tables.group(rare, from, event)?;
                Some(Fire::own(view.slice(rare.group(group).1)))
            }
            _ => {
                let row = view.row(from);
                (event == UNNAMED && !row.is_empty()).then(|| Fire::own(row))
            }
        }
    }

    /// Returns the entries of a state's own row, in document order, with those that refuse an event.
    pub(crate) fn groups(&self, from: StateId) -> impl Iterator<Item = (EventId, Fire<'_>)> {
        let view = self.view();
        let rare = view.rare().filter(|rare| rare.has_groups());
        let groups = rare.map_or(0..0, |rare| rare.groups_of(from));
        let group = move |rare: RareView<'_>, group| {
            let (event, targets) = rare.group(group);
            (event, Fire::own(view.slice(targets)))
        };
        let groups = groups.filter_map(move |at| rare.map(|rare| group(rare, at)));
        let row = view.row(from);
        let is_plain = rare.is_none() && !row.is_empty();
        groups.chain(is_plain.then(|| (UNNAMED, Fire::own(row))))
    }

    /// Returns the entries of `any`, in document order.
    pub(crate) fn any(&self) -> impl Iterator<Item = (EventId, Fire<'_>)> {
        let rare = self.view().rare();
        let entries = rare.map_or(0, |rare| rare.any_events().len());
        (0..entries).filter_map(move |place| {
            let (event, targets) = rare?.any(place);
            Some((event, Fire::own(targets)))
        })
    }

    /// Returns whether there are events that every state has unless its own row says otherwise.
    pub fn has_any(&self) -> bool {
        let rare = self.view().rare();
        rare.is_some_and(|rare| !rare.any_events().is_empty())
    }

    /// Returns the events that can be fired in a state, and where they lead: those of its own entry
    /// in document order, then those of `any`.
    pub fn events(&self, from: StateId) -> impl Iterator<Item = (EventId, Fire<'_>)> {
        let own = self.groups(from);
        own.filter(|(_, fire)| !fire.is_empty())
            .chain(self.inherited(from))
    }

    /// Returns the events of `any` that can be fired in a state.
    fn inherited(&self, from: StateId) -> impl Iterator<Item = (EventId, Fire<'_>)> {
        let any = self
            .any()
            .filter(move |&(event, _)| self.own(from, event).is_none());
        any.map(move |(event, fire)| (event, fire.without(from)))
            .filter(|(_, fire)| !fire.is_empty())
    }

    /// Returns whether a caller's move leads from one state to the other.
    ///
    /// Constant time, but for a large definition with `any`: there it takes up to as many steps as
    /// the row of `from` has events, and a search among the targets of `any`.
    #[inline]
    pub fn allows(&self, from: StateId, to: StateId) -> bool {
        let view = self.view();
        if !view.adjacency().is_empty() {
            return view.bit(from, to);
        }
        let row = view.row_range(from);
        let own = self.rows.find(view.targets(), from, row, to);
        own.is_some() || (self.events.is_some() && self.any_allows(from, to))
    }

    /// Returns whether an event of `any` leads from one state to the other, where there is no
    /// adjacency.
    fn any_allows(&self, from: StateId, to: StateId) -> bool {
        let Some(tables) = &self.events else {
            return false;
        };
        // A row that overrides all of them has at least as many events.
        let mut events = tables.leading_to(to);
        from != to && self.has_state(from) && events.any(|event| self.own(from, event).is_none())
    }

    fn has_state(&self, state: StateId) -> bool {
        (state as usize) < self.state_count()
    }

    /// Returns the targets of a state's own row, in document order, with the document's repeats.
    pub fn targets(&self, from: StateId) -> impl ExactSizeIterator<Item = StateId> + '_ {
        self.view()
            .row(from)
            .iter()
            .map(|target| target.to_native())
    }

    /// Returns the states reachable in one move of a caller, each once: the targets of the state's
    /// own row in document order, then those of `any`. Linear in these.
    pub fn next(&self, from: StateId) -> impl Iterator<Item = StateId> + '_ {
        let mut seen = StateSet::default();
        if self.has_any() {
            seen = StateSet::with_room_for(self.state_count());
            seen.extend(self.targets(from));
        }
        let any = self.inherited(from).flat_map(|(_, fire)| fire.iter());
        self.row_once(from)
            .chain(any.filter(move |&to| seen.insert(to)))
    }

    /// Returns the targets of a state's own row, in document order, each once.
    #[expect(clippy::indexing_slicing, reason = "a place in the row itself")]
    pub(crate) fn row_once(&self, from: StateId) -> impl Iterator<Item = StateId> + '_ {
        let view = self.view();
        let (range, targets) = (view.row_range(from), view.row(from));
        let mut seen = StateSet::default();
        if is_long(&range) && !view.adjacency().is_empty() {
            seen = StateSet::with_room_for(self.state_count());
        }
        let is_first = move |at: usize, to: StateId| {
            if !is_long(&range) {
                !targets[..at].iter().any(|before| before.to_native() == to)
            } else if view.adjacency().is_empty() {
                let first = self.rows.find(view.targets(), from, range.clone(), to);
                first == Some(range.start + at)
            } else {
                seen.insert(to)
            }
        };
        first_times(targets.iter().map(|target| target.to_native()), is_first)
    }

    /// Returns whether the map has an entry for this state.
    #[inline]
    pub fn has_row(&self, state: StateId) -> bool {
        (state as usize) < self.row_count()
    }

    /// Returns whether no move of a caller leads out of this state.
    pub fn is_terminal(&self, state: StateId) -> bool {
        self.view().row_range(state).is_empty() && self.inherited(state).next().is_none()
    }

    /// Returns the timer of a state, in constant time.
    pub fn timer(&self, state: StateId) -> Option<Timer> {
        let rare = self.view().rare()?;
        let place = self.events.as_ref()?.timer(rare, state)?;
        let (_, ms, target) = rare.timer(place)?;
        Some(Timer { ms, target })
    }

    /// Returns the states that have a timer, in document order, and their timers.
    pub fn timers(&self) -> impl Iterator<Item = (StateId, Timer)> + '_ {
        let rare = self.view().rare();
        let count = rare.map_or(0, |rare| rare.timer_states().len());
        (0..count).filter_map(move |place| {
            let (state, ms, target) = rare?.timer(place)?;
            Some((state, Timer { ms, target }))
        })
    }

    /// Returns whether the machines of this definition know times: whether it has timers or a
    /// history.
    #[inline]
    pub fn is_timed(&self) -> bool {
        self.is_timed
    }

    /// Returns how many moves a machine remembers; 0 for none.
    pub fn history_limit(&self) -> u8 {
        let history = self.view().rare().map_or(0, RareView::history);
        u8::try_from(history).unwrap_or(u8::MAX)
    }

    /// Returns the definition's own name, the `name` of its document, if it has one.
    pub fn label(&self) -> Option<&str> {
        let label = std::str::from_utf8(self.view().rare()?.label());
        label.ok().filter(|label| !label.is_empty())
    }

    /// Returns the definition's revision, if it has one.
    pub fn revision(&self) -> Option<u32> {
        self.view().rare()?.revision()
    }

    /// Returns the state that is no key and no target, of whatever kind, and not initial, if there
    /// is one: it was the current state of the document from which this definition was read. Linear
    /// in the document.
    pub fn unlisted_state(&self) -> Option<StateId> {
        let last = self.state_ids().last()?;
        let is_target = || self.view().targets().iter().any(|t| t.to_native() == last);
        let of_any = || self.any().any(|(_, fire)| fire.contains(last));
        let of_timer = || self.timers().any(|(_, timer)| timer.target == Some(last));
        let is_listed =
            self.has_row(last) || last == self.initial() || is_target() || of_any() || of_timer();
        (!is_listed).then_some(last)
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> DefinitionView<'_> {
        self.archive.view()
    }

    /// Returns whether a name in the document of this definition has to be escaped.
    pub(crate) fn needs_escapes(&self) -> bool {
        self.needs_escapes
    }

    /// Returns the heap blocks of this definition: address and bytes asked for.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (*const u8, usize)> + '_ {
        let table = |slots: &[u32]| (slots.as_ptr().cast(), size_of_val(slots));
        let archive = self.archive();
        let own = [
            (archive.as_ptr(), archive.len()),
            table(self.names.block()),
            table(self.rows.block()),
        ];
        let events = self.events.iter().flat_map(|tables| tables.blocks());
        own.into_iter().chain(events)
    }

    /// Returns how many bytes those blocks have together.
    pub(crate) fn block_bytes(&self) -> usize {
        self.blocks().map(|(_, bytes)| bytes).sum()
    }
}

/// Returns the items that `is_first` accepts, given their place.
fn first_times(
    items: impl Iterator<Item = StateId>,
    mut is_first: impl FnMut(usize, StateId) -> bool,
) -> impl Iterator<Item = StateId> {
    let items = items
        .enumerate()
        .filter(move |&(at, item)| is_first(at, item));
    items.map(|(_, item)| item)
}
