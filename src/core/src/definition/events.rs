//! The tables of definitions with events, `any` or timers, and what firing an event leads to.

use rkyv::rend::unaligned::u32_ule;

use super::parts::{ArchivedRareParts, DefinitionParts, EventId, NO_STATE, RareParts, StateId};
use super::places::Places;
use super::view::RareView;
use crate::hash;
use crate::probe::Probe;

/// The owner of the one list that `any` or `after` is.
const ONLY: u32 = 0;

/// The tables. None of them takes memory unless there is something to find.
#[derive(Debug)]
pub(super) struct EventTables {
    /// Finds events by name.
    names: Probe,
    /// Finds an event's group in a row.
    groups: Places,
    /// Finds an event in `any`.
    any: Places,
    /// Finds a state in `after`.
    timers: Places,
    /// For each target of `any`, the state and the event, sorted. Where the adjacency doesn't say it.
    leading: Box<[(StateId, EventId)]>,
}

impl EventTables {
    /// Makes the tables of parts that obey every rule, events having the given names; none where
    /// there is neither an event nor a timer.
    pub(super) fn of(parts: &DefinitionParts, names: Probe) -> Option<Box<Self>> {
        let rare = parts.rare.first()?;
        if rare.event_ends.is_empty() && rare.after_states.is_empty() {
            return None;
        }
        let (states, events) = (parts.name_ends.len(), rare.event_count() + 1);
        let whole = |list: &[u32]| std::iter::once(0..list.len());
        Some(Box::new(Self {
            names,
            groups: Places::of(&rare.group_events, rare.row_groups(), events),
            any: Places::of(&rare.any_events, whole(&rare.any_events), events),
            timers: Places::of(&rare.after_states, whole(&rare.after_states), states),
            leading: match parts.adjacency.is_empty() {
                true => leading(rare),
                false => Box::default(),
            },
        }))
    }

    /// Returns the event of that name, which is not empty.
    #[inline(always)]
    pub(super) fn find(&self, rare: RareView<'_>, name: &[u8]) -> Option<EventId> {
        let is_it = |event| rare.event_name(event) == name;
        self.names.find(hash::of_bytes(name), is_it)
    }

    /// Returns the group of an event in a state's own row, where rows have groups.
    #[inline(always)]
    pub(super) fn group(&self, rare: RareView<'_>, from: StateId, event: EventId) -> Option<usize> {
        let row = rare.groups_of(from);
        self.groups.find(rare.group_events(), from, row, event)
    }

    /// Returns where `any` has an event.
    #[inline]
    pub(super) fn any(&self, rare: RareView<'_>, event: EventId) -> Option<usize> {
        let events = rare.any_events();
        self.any.find(events, ONLY, 0..events.len(), event)
    }

    /// Returns where `after` has a state.
    #[inline]
    pub(super) fn timer(&self, rare: RareView<'_>, state: StateId) -> Option<usize> {
        let states = rare.timer_states();
        self.timers.find(states, ONLY, 0..states.len(), state)
    }

    /// Returns the events of `any` that lead to a state, for definitions without an adjacency.
    pub(super) fn leading_to(&self, to: StateId) -> impl Iterator<Item = EventId> + '_ {
        let start = self.leading.partition_point(|&(state, _)| state < to);
        let pairs = self.leading.get(start..).unwrap_or_default().iter();
        pairs
            .take_while(move |(state, _)| *state == to)
            .map(|&(_, event)| event)
    }

    /// Returns the heap blocks: address and bytes asked for.
    pub(super) fn blocks(&self) -> [(*const u8, usize); 6] {
        let table = |slots: &[u32]| (slots.as_ptr().cast(), size_of_val(slots));
        [
            (std::ptr::from_ref(self).cast(), size_of::<Self>()),
            table(self.names.block()),
            table(self.groups.block()),
            table(self.any.block()),
            table(self.timers.block()),
            (self.leading.as_ptr().cast(), size_of_val(&*self.leading)),
        ]
    }
}

/// Sorts the targets of `any`.
fn leading(rare: &RareParts) -> Box<[(StateId, EventId)]> {
    let mut pairs = Vec::with_capacity(rare.any_targets.len());
    for (&event, targets) in rare.any_events.iter().zip(rare.any()) {
        let targets = rare.any_targets.get(targets).unwrap_or_default();
        pairs.extend(targets.iter().map(|&to| (to, event)));
    }
    pairs.sort_unstable();
    pairs.into()
}

const _: () = assert!(size_of::<ArchivedRareParts>() == 108);

/// What firing an event leads to: states in document order. Empty if it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Fire<'a> {
    targets: &'a [u32_ule],
    /// A state that doesn't count among the targets; [`NO_STATE`] for none.
    without: StateId,
}

impl<'a> Fire<'a> {
    /// What leads nowhere.
    pub(super) const NONE: Fire<'static> = Fire {
        targets: &[],
        without: NO_STATE,
    };

    /// Returns the targets of an event in a state's own row.
    #[inline]
    pub(crate) fn own(targets: &'a [u32_ule]) -> Self {
        Self {
            targets,
            without: NO_STATE,
        }
    }

    /// Returns the targets of an event of `any`, fired in state `from`.
    #[inline]
    pub(super) fn any(targets: &'a [u32_ule], from: StateId) -> Self {
        Self::own(targets).without(from)
    }

    /// Leaves a state out.
    pub(super) fn without(self, state: StateId) -> Self {
        Self {
            without: state,
            ..self
        }
    }

    /// Returns the targets, in document order. Those of an array may repeat.
    pub fn iter(&self) -> impl Iterator<Item = StateId> + use<'a> {
        let without = self.without;
        let targets = self.targets.iter().map(|target| target.to_native());
        targets.filter(move |&target| target != without)
    }

    /// Returns whether the event is refused: no target is left. Constant time, because an event of
    /// `any` has no target twice.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Returns how many targets there are, repeats included. Linear in them.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns the target if there is exactly one. Constant time, unless an array repeats it.
    #[inline]
    pub fn only(&self) -> Option<StateId> {
        let mut targets = self.iter();
        let first = targets.next()?;
        targets.all(|target| target == first).then_some(first)
    }

    /// Returns whether the event leads to this state. Linear in the targets.
    #[inline]
    pub fn contains(&self, state: StateId) -> bool {
        state != self.without && self.targets.iter().any(|to| to.to_native() == state)
    }
}
