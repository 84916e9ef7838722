//! Which keys have a deadline, in the order in which they are due.
//!
//! The truth is in the machines: this holds *hints*, each a name and the moment from which on it is
//! worth to look at the machine of that name. A hint has a [`Handle`], which the machine keeps. No
//! hint points to a machine, so nothing dangles whatever becomes of it, and a handle that is no longer
//! good does nothing.
//!
//! A hint that gets a later moment keeps its place in the order: a lease that is renewed again and again
//! costs one write. It goes to its place once the earlier moment comes ([`Deadlines::settle_first`]).
//!
//! A machine can leave its name without a word about where it went. Its hint is *lost* then: it waits
//! outside of the order until somebody meets the machine and [heals](Deadlines::heal) it.

// Handles come from outside: an index needs a reason.
#![warn(clippy::indexing_slicing)]

mod blocks;
mod heap;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use self::blocks::Blocks;
use self::heap::{ENTRY_BYTES, Heap, NOWHERE, Places};
use crate::prefetch::prefetch;

/// The longest name that a hint holds itself. Longer ones are blocks of their own.
const INLINE_BYTES: usize = 22;

/// The first pause of a hint that is postponed, in ms. It doubles each time, up to [`MAX_PAUSE_MS`].
const FIRST_PAUSE_MS: u64 = 100;

/// The longest pause of a hint that is postponed, in ms.
const MAX_PAUSE_MS: u64 = 1000;

/// The bytes of a hint and its place in the order, without a long name.
const HINT_BYTES: usize = size_of::<Hint>() + ENTRY_BYTES;

/// Counts the hints of the process, so that no two have the same handle, in whichever index they are.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Where a hint is. It is good until the hint is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    number: u32,
    generation: NonZeroU32,
}

/// A hint that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueHint<'a> {
    /// Its handle.
    pub handle: Handle,
    /// The database of the key.
    pub database: i32,
    /// The name of the key.
    pub name: &'a [u8],
    /// The moment.
    pub moment: u64,
}

/// The hints of a process.
#[derive(Debug, Default)]
pub struct Deadlines {
    hints: Hints,
    order: Heap,
    /// The numbers of `hints` that are free.
    free: Blocks<u32>,
    /// For each space, the number that its database has now: two databases can change their numbers,
    /// and a hint's space stays.
    databases: Vec<i32>,
    lost: usize,
}

#[derive(Debug, Default)]
struct Hints(Blocks<Hint>);

#[derive(Debug)]
struct Hint {
    /// Not before the moment that it has in the order.
    moment: u64,
    /// `None` in a free one.
    generation: Option<NonZeroU32>,
    /// The place in the order; [`NOWHERE`] for one that is lost or free.
    place: u32,
    space: u32,
    /// How often it was postponed.
    pauses: u8,
    name: Name,
}

#[derive(Debug)]
enum Name {
    Short(u8, [u8; INLINE_BYTES]),
    Long(Box<[u8]>),
}

impl Name {
    fn new(name: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(room), Ok(length)) => {
                room.copy_from_slice(name);
                Self::Short(length, bytes)
            }
            _ => Self::Long(name.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => bytes.get(..(*length).into()).unwrap_or_default(),
            Self::Long(bytes) => bytes,
        }
    }

    /// Returns the bytes of its own block, if there is one.
    fn block_bytes(&self) -> usize {
        match self {
            Self::Short(..) => 0,
            Self::Long(bytes) => bytes.len(),
        }
    }
}

impl Places for Hints {
    #[inline]
    fn set_place(&mut self, number: u32, place: u32) {
        if let Some(hint) = self.0.get_mut(number as usize) {
            hint.place = place;
        }
    }
}

impl Deadlines {
    /// Returns the number of hints, the lost ones included.
    pub fn len(&self) -> usize {
        self.order.len() + self.lost
    }

    /// Returns whether there is no hint.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of lost hints.
    pub fn lost(&self) -> usize {
        self.lost
    }

    /// Returns the memory of one hint, in bytes; 0 if it is not there.
    pub fn bytes_of(&self, handle: Handle) -> usize {
        self.get(handle)
            .map_or(0, |hint| HINT_BYTES + hint.name.block_bytes())
    }

    /// Returns the moment at which to look for what is due: none of the hints that are not lost is due
    /// before it.
    pub fn first(&self) -> Option<u64> {
        self.order.first().map(|(_, moment)| moment)
    }

    /// Brings the first hint to its place, if its moment in the order has come and it has a later one.
    /// Returns whether that was so. As many calls as there are hints may be needed until
    /// [`first_due`](Self::first_due) has the answer.
    pub fn settle_first(&mut self, now: u64) -> bool {
        let Some((number, moment)) = self.order.first().filter(|&(_, moment)| moment <= now) else {
            return false;
        };
        let hint = self.hints.0.get(number as usize);
        let Some(later) = hint.map(|hint| hint.moment).filter(|&own| own > moment) else {
            return false;
        };
        self.order.change(0, later, &mut self.hints);
        true
    }

    /// Returns the first hint whose moment is `now` or before; none while [`Self::settle_first`] has
    /// something to do. It stays, so the caller changes, postpones or removes it next.
    pub fn first_due(&self, now: u64) -> Option<DueHint<'_>> {
        let (number, moment) = self.order.first().filter(|&(_, moment)| moment <= now)?;
        let hint = self.hints.0.get(number as usize)?;
        let generation = hint.generation?;
        let database = *self.databases.get(hint.space as usize)?;
        (hint.moment == moment).then_some(DueHint {
            handle: Handle { number, generation },
            database,
            name: hint.name.bytes(),
            moment,
        })
    }

    /// Adds a hint.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fewer than 2^32 hints fit in memory"
    )]
    pub fn insert(&mut self, database: i32, name: &[u8], moment: u64) -> Handle {
        let generation = next_generation();
        let hint = Hint {
            moment,
            generation: Some(generation),
            place: NOWHERE,
            space: self.space(database),
            pauses: 0,
            name: Name::new(name),
        };
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(free) = self.hints.0.get_mut(number as usize) {
                    *free = hint;
                }
                number
            }
            None => {
                self.hints.0.push(hint);
                self.hints.0.len() as u32 - 1
            }
        };
        self.order.push(number, moment, &mut self.hints);
        Handle { number, generation }
    }

    /// Asks the processor to bring a hint near, and doesn't wait.
    #[inline]
    pub fn prefetch(&self, handle: Handle) {
        if let Some(hint) = self.hints.0.get(handle.number as usize) {
            prefetch(hint);
        }
    }

    /// Changes the moment of a hint. Returns whether it is there.
    pub fn change(&mut self, handle: Handle, moment: u64) -> bool {
        let Some(hint) = self.get_mut(handle) else {
            return false;
        };
        hint.pauses = 0;
        self.set_moment(handle, moment)
    }

    fn set_moment(&mut self, handle: Handle, moment: u64) -> bool {
        let Some(hint) = self.get_mut(handle) else {
            return false;
        };
        let (place, before) = (hint.place, std::mem::replace(&mut hint.moment, moment));
        // One that is not earlier than before is not earlier than in the order either.
        if moment < before && self.order.moment(place).is_some_and(|first| moment < first) {
            self.order.change(place, moment, &mut self.hints);
        }
        true
    }

    /// Moves a hint to a later moment because nothing could be done, each time by more. Returns
    /// whether it is there.
    pub fn postpone(&mut self, handle: Handle, now: u64) -> bool {
        let Some(hint) = self.get_mut(handle) else {
            return false;
        };
        let pause = pause_ms(hint.pauses);
        hint.pauses = hint.pauses.saturating_add(1);
        let moment = now.saturating_add(pause);
        self.set_moment(handle, moment)
    }

    /// Returns whether a hint is there and was postponed since it was last changed.
    pub fn is_postponed(&self, handle: Handle) -> bool {
        self.get(handle).is_some_and(|hint| hint.pauses > 0)
    }

    /// Removes a hint. Returns whether it was there.
    pub fn remove(&mut self, handle: Handle) -> bool {
        let Some(hint) = self.get_mut(handle) else {
            return false;
        };
        hint.generation = None;
        hint.name = Name::new(b"");
        match hint.place {
            NOWHERE => self.lost -= 1,
            place => self.order.remove(place, &mut self.hints),
        }
        self.free.push(handle.number);
        self.give_back();
        true
    }

    /// Notes that the machine has left its name. Returns whether the hint is there.
    pub fn lose(&mut self, handle: Handle) -> bool {
        let Some(hint) = self.get_mut(handle) else {
            return false;
        };
        if hint.place != NOWHERE {
            let place = hint.place;
            self.order.remove(place, &mut self.hints);
            self.lost += 1;
        }
        true
    }

    #[inline]
    fn is_lost(&self, handle: Handle) -> bool {
        self.get(handle).is_some_and(|hint| hint.place == NOWHERE)
    }

    /// Gives a lost hint the name under which its machine was met. Returns whether it was lost.
    pub fn heal(&mut self, handle: Handle, database: i32, name: &[u8]) -> bool {
        if !self.is_lost(handle) {
            return false;
        }
        let space = self.space(database);
        let Some(hint) = self.get_mut(handle) else {
            return false;
        };
        hint.name = Name::new(name);
        hint.space = space;
        let moment = hint.moment;
        self.order.push(handle.number, moment, &mut self.hints);
        self.lost -= 1;
        true
    }

    /// Notes that two databases have changed their numbers.
    pub fn swap(&mut self, one: i32, other: i32) {
        for database in &mut self.databases {
            if *database == one {
                *database = other;
            } else if *database == other {
                *database = one;
            }
        }
    }

    /// Removes all hints. Their handles do nothing any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the space of a database.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "no more spaces than databases"
    )]
    fn space(&mut self, database: i32) -> u32 {
        let known = self.databases.iter().position(|&known| known == database);
        let space = known.unwrap_or_else(|| {
            self.databases.push(database);
            self.databases.len() - 1
        });
        space as u32
    }

    fn get(&self, handle: Handle) -> Option<&Hint> {
        let hint = self.hints.0.get(handle.number as usize);
        hint.filter(|hint| hint.generation == Some(handle.generation))
    }

    fn get_mut(&mut self, handle: Handle) -> Option<&mut Hint> {
        let hint = self.hints.0.get_mut(handle.number as usize);
        hint.filter(|hint| hint.generation == Some(handle.generation))
    }

    /// Gives the memory back once no hint is left.
    fn give_back(&mut self) {
        if self.is_empty() {
            (self.hints, self.order, self.free) = Default::default();
        }
    }
}

/// Returns the pause, in ms, after something that could not be done, and could not so many times
/// before: 100 at first, twice as long each time, a second at most.
#[must_use]
pub fn pause_ms(times_before: u8) -> u64 {
    (FIRST_PAUSE_MS << times_before.min(8)).min(MAX_PAUSE_MS)
}

fn next_generation() -> NonZeroU32 {
    loop {
        let next = GENERATION.fetch_add(1, Ordering::Relaxed);
        if let Some(generation) = NonZeroU32::new(next) {
            return generation;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_takes_48_bytes_and_a_place_12() {
        assert_eq!((size_of::<Hint>(), ENTRY_BYTES), (48, 12));
        assert_eq!(size_of::<Option<Handle>>(), 8);
    }

    /// Returns the memory of hints whose names are short.
    fn bytes(deadlines: &Deadlines) -> usize {
        deadlines.hints.0.bytes() + deadlines.order.bytes() + deadlines.free.bytes()
    }

    #[test]
    #[cfg_attr(
        miri,
        ignore = "takes Miri more than an hour; the property tests do the same, under valgrind"
    )]
    fn a_million_hints_take_60_bytes_each_and_none_when_they_have_gone() {
        let mut deadlines = Deadlines::default();
        let insert = |at: u64| {
            let name = format!("order:{at:08}");
            deadlines.insert(0, name.as_bytes(), at * 7919 % 1_000_003)
        };
        let handles: Vec<Handle> = (0..1_000_000).map(insert).collect();
        let taken = bytes(&deadlines) as f64 / 1e6;
        assert!((60.0..60.1).contains(&taken), "{taken} bytes a hint");
        assert!(handles.into_iter().all(|handle| deadlines.remove(handle)));
        assert_eq!(bytes(&deadlines), 0);
    }

    #[test]
    fn pauses_grow_to_a_second() {
        let mut deadlines = Deadlines::default();
        let handle = deadlines.insert(0, b"k", 5);
        for pause in [100, 200, 400, 800, 1000, 1000] {
            assert!(deadlines.postpone(handle, 10));
            assert_eq!(settled(&mut deadlines), Some(10 + pause));
        }
        assert!(deadlines.change(handle, 20));
        assert!(deadlines.postpone(handle, 20));
        assert_eq!(settled(&mut deadlines), Some(120), "a change begins anew");
    }

    /// Returns the first moment of all, once each hint that was put off is in its place.
    fn settled(deadlines: &mut Deadlines) -> Option<u64> {
        while deadlines.settle_first(u64::MAX) {}
        deadlines.first()
    }

    #[test]
    fn a_later_moment_leaves_the_order_alone_until_the_earlier_one_comes() {
        let mut deadlines = Deadlines::default();
        let (renewed, other) = (deadlines.insert(0, b"r", 10), deadlines.insert(0, b"o", 15));
        for moment in 20..40 {
            assert!(deadlines.change(renewed, moment));
            assert_eq!(deadlines.first(), Some(10));
        }
        assert!(!deadlines.settle_first(9));
        assert!(deadlines.settle_first(10) && !deadlines.settle_first(10));
        assert_eq!(
            (deadlines.first(), deadlines.first_due(14)),
            (Some(15), None)
        );
        assert_eq!(deadlines.first_due(15).map(|due| due.handle), Some(other));
        assert!(
            deadlines.change(renewed, 12),
            "an earlier one is seen at once"
        );
        assert_eq!(deadlines.first_due(12).map(|due| due.handle), Some(renewed));
    }
}
