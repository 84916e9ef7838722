//! Which state leads to which, as bits: one load answers whether there is a transition.
//!
//! For each state that can move there is a row of ⌈states/64⌉ words, in which bit *t* says that a
//! caller's move leads to state *t*. These are the states with a row in the map; if there is `any`,
//! all. A state's bits are those of its row, and the targets of each event of `any` that its row
//! doesn't have an entry for, but for the state itself.
//!
//! Most machines are small, and a row is then one word. Of large ones the bits would take more than
//! everything else together, so these do without and search their rows (see
//! [`places`](super::places)).

use super::parts::{DefinitionParts, EventId, RareParts, StateId};

/// Up to this many states a row is one word, whatever else the definition has.
const ALWAYS_MAX_STATES: usize = 64;

const WORD_BITS: usize = u64::BITS as usize;

/// Returns the bits of parts that obey every rule; none if they would take too much.
///
/// Linear in the parts and the bits.
pub(super) fn of(parts: &DefinitionParts) -> Vec<u64> {
    let states = parts.name_ends.len();
    let rare = parts.rare.first();
    let any = rare.filter(|rare| !rare.any_events.is_empty());
    let rows = any.map_or(parts.row_ends.len(), |_| states);
    let any = any.map(|rare| Any::of(rare, states));
    let words = words_of(states);
    if states > ALWAYS_MAX_STATES {
        let overridden = any.as_ref().map_or(0, Any::count_overridden);
        let others = parts.vector_bytes();
        if 8 * words * rows > others || overridden > others.max(states * rows) {
            return Vec::new();
        }
    }
    let mut bits = vec![0; words * rows];
    set_rows(parts, &mut bits, words);
    if let Some(mut any) = any {
        any.add_to(&mut bits, words);
    }
    bits
}

/// Returns how many words a row of bits takes.
#[inline(always)]
pub(super) fn words_of(states: usize) -> usize {
    states.div_ceil(WORD_BITS)
}

/// Sets the bits of the map's rows.
#[expect(clippy::indexing_slicing, reason = "parts that obey every rule")]
fn set_rows(parts: &DefinitionParts, bits: &mut [u64], words: usize) {
    for (from, row) in parts.rows().enumerate() {
        let bits = &mut bits[from * words..][..words];
        for &to in &parts.targets[row] {
            set(bits, to);
        }
    }
}

/// The targets of `any`, counted so that one event can be left out quickly.
struct Any<'a> {
    rare: &'a RareParts,
    /// For each event, where it is in `any`.
    places: Vec<Option<usize>>,
    /// For each event of `any`, its targets.
    targets: Vec<&'a [StateId]>,
    /// For each state, how many events of `any` lead there.
    counts: Vec<u32>,
}

#[expect(clippy::indexing_slicing, reason = "parts that obey every rule")]
impl<'a> Any<'a> {
    fn of(rare: &'a RareParts, states: usize) -> Self {
        let mut places = vec![None; rare.event_count() + 1];
        for (place, &event) in rare.any_events.iter().enumerate() {
            places[event as usize] = Some(place);
        }
        let mut counts = vec![0; states];
        for &to in &rare.any_targets {
            counts[to as usize] += 1;
        }
        let targets = rare.any().map(|range| &rare.any_targets[range]).collect();
        Self {
            rare,
            places,
            targets,
            counts,
        }
    }

    /// Returns the targets of an event of `any`; none of another one.
    fn targets(&self, event: EventId) -> &'a [StateId] {
        self.places[event as usize].map_or(&[], |place| self.targets[place])
    }

    /// Returns how many targets of `any` the rows override, each as often as it is overridden: the
    /// work that leaving them out takes.
    fn count_overridden(&self) -> usize {
        let events = self.rare.group_events.iter();
        events.map(|&event| self.targets(event).len()).sum()
    }

    /// Adds the bits of `any` to those of the map.
    fn add_to(&mut self, bits: &mut [u64], words: usize) {
        let mut common = vec![0; words];
        let reached = (0..).zip(&self.counts).filter(|(_, count)| **count > 0);
        reached.for_each(|(to, _)| set(&mut common, to));
        let rare = self.rare;
        let mut rows = rare.row_groups();
        for (from, row) in (0..).zip(bits.chunks_exact_mut(words)) {
            let overridden = &rare.group_events[rows.next().unwrap_or(0..0)];
            self.leave_out(overridden, &mut common);
            let leads_to_itself = has(row, from);
            row.iter_mut()
                .zip(&common)
                .for_each(|(row, any)| *row |= any);
            if !leads_to_itself {
                row[from as usize / WORD_BITS] &= !mask(from);
            }
            self.put_back(overridden, &mut common);
        }
    }

    /// Takes the targets of events out of the common ones, unless another event leads there.
    fn leave_out(&mut self, events: &[EventId], common: &mut [u64]) {
        for &event in events {
            for &to in self.targets(event) {
                self.counts[to as usize] -= 1;
                if self.counts[to as usize] == 0 {
                    common[to as usize / WORD_BITS] &= !mask(to);
                }
            }
        }
    }

    fn put_back(&mut self, events: &[EventId], common: &mut [u64]) {
        for &event in events {
            for &to in self.targets(event) {
                self.counts[to as usize] += 1;
                set(common, to);
            }
        }
    }
}

/// A set of states. [`default`](Default::default) has no room, and no states.
#[derive(Debug, Clone, Default)]
pub(super) struct StateSet(Vec<u64>);

impl StateSet {
    pub(super) fn with_room_for(states: usize) -> Self {
        Self(vec![0; words_of(states)])
    }

    /// Puts a state in, and returns whether it is new.
    pub(super) fn insert(&mut self, state: StateId) -> bool {
        let Some(word) = self.0.get_mut(state as usize / WORD_BITS) else {
            return false;
        };
        let is_new = *word & mask(state) == 0;
        *word |= mask(state);
        is_new
    }

    pub(super) fn extend(&mut self, states: impl Iterator<Item = StateId>) {
        states.for_each(|state| {
            self.insert(state);
        });
    }
}

#[inline(always)]
pub(super) fn mask(state: StateId) -> u64 {
    1 << (state % u64::BITS)
}

#[expect(clippy::indexing_slicing, reason = "a row has a bit for every state")]
fn set(row: &mut [u64], state: StateId) {
    row[state as usize / WORD_BITS] |= mask(state);
}

#[expect(clippy::indexing_slicing, reason = "a row has a bit for every state")]
fn has(row: &[u64], state: StateId) -> bool {
    row[state as usize / WORD_BITS] & mask(state) != 0
}
