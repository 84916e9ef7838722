//! Which machines have a pending deadline, so that they can be fired in order.
//!
//! **Hints, not truth.** The deadline that counts is in the machine. An entry here says where to
//! look and when. Whoever fires opens the key first and looks: another value, another handle or a
//! later deadline means that the hint was out of date. So the data stay right if a hint is wrong.
//! No pointer leads from here to a machine, which may be freed on any thread at any time. The machine
//! keeps a [`Handle`], by which it finds its entry.
//!
//! **The life of an entry.** It is *pending* under the name of its key. If the key leaves its name,
//! the entry is [*lost*](Deadlines::lose): the server says neither whether the machine is freed next
//! or has a new name, nor which one. So it waits, out of the order, to be [forgotten](Deadlines::forget)
//! with its machine or [healed](Deadlines::heal) under the name where that is met again.
//!
//! **The parts.** `slab` has the entries, `spaces` which database each belongs to, `heap` their
//! order. An entry with a name of up to 22 bytes takes 40 bytes in the slab and 12 in the heap. Both
//! grow by blocks: what doubles has at times twice the room that it needs, and copies everything in
//! one step.
//!
//! **Flushes** cut a database's entries loose at once, whatever their number. They are gone for
//! every purpose. Their memory comes back bit by bit: with each [`insert`](Deadlines::insert), and
//! by [`sweep`](Deadlines::sweep), which a timer should call.

// Handles come from machines and may be out of date: an index needs a reason.
#![warn(clippy::indexing_slicing)]

mod freed;
mod handle;
mod heap;
mod name;
mod pause;
#[cfg(test)]
mod random;
mod slab;
mod spaces;

pub use self::freed::FreedQueue;
use self::handle::GENERATIONS;
pub use self::handle::Handle;
use self::heap::Item;
use self::name::Name;
pub use self::pause::Pause;
use self::slab::{Entry, Key, Slab};
use self::spaces::{LAST, Spaces};

/// How many slots are swept with each entry that comes in. More than one, so that a flush is done
/// with before as much has come in again; few, so that nobody notices.
const SWEPT_PER_INSERT: usize = 8;

/// An index of pending deadlines. Times are in ms, of whatever clock the machines' deadlines are.
///
/// A handle that is out of date, or of another index, is no error: nothing happens.
///
/// ```
/// use redis_state_core::Deadlines;
///
/// let mut deadlines = Deadlines::default();
/// let order = deadlines.insert(0, b"order:1", 1_000);
/// let lease = deadlines.insert(0, b"lease:9", 2_000);
/// deadlines.change(lease, 500);
/// assert_eq!(deadlines.first(), Some(500));
///
/// let due = deadlines.next_due(700).unwrap();
/// assert_eq!((due.database, due.name, due.handle), (0, &b"lease:9"[..], lease));
/// // It stays until the caller says what came of it: here the key is gone.
/// deadlines.remove(lease);
/// assert!(deadlines.next_due(700).is_none());
///
/// // RENAME order:1 order:2, of which the server says only that the old name is gone.
/// deadlines.lose(order);
/// assert_eq!(deadlines.first(), None);
/// deadlines.heal(order, 0, b"order:2");
/// assert_eq!(deadlines.next_due(1_000).unwrap().name, b"order:2");
/// ```
#[derive(Debug, Default)]
pub struct Deadlines {
    slab: Slab,
    spaces: Spaces,
    healed: u64,
    /// The slot to sweep next.
    broom: u32,
}

/// An entry that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due<'d> {
    /// The database that the key was in.
    pub database: u32,
    /// The name that the key had.
    pub name: &'d [u8],
    /// The deadline; after [`Deadlines::postpone`], when to try again.
    pub at: u64,
    /// The handle that the key's machine has, if it is the one that is meant.
    pub handle: Handle,
}

/// What the index knows of one machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint<'d> {
    /// The handle that the machine has.
    pub handle: Handle,
    /// The deadline; after [`Deadlines::postpone`], when to try again.
    pub at: u64,
    /// The database and the name of the key; `None` for a lost entry.
    pub key: Option<(u32, &'d [u8])>,
}

/// How many entries there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeadlineStats {
    /// Entries that wait for their deadline, or are due.
    pub pending: usize,
    /// Entries whose key left its name and was not met again.
    pub lost: usize,
    /// How often a lost entry got a name again, since the index was made.
    pub healed: u64,
}

impl Deadlines {
    /// Makes an empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a machine's deadline and returns the handle for the machine. O(log n).
    ///
    /// A deadline of `u64::MAX` is taken for one less. An index that has 2³² entries adds nothing,
    /// and returns a handle that is out of date.
    pub fn insert(&mut self, database: u32, name: &[u8], at: u64) -> Handle {
        if self.spaces.flushed() > 0 {
            self.sweep(SWEPT_PER_INSERT);
        }
        let generation = GENERATIONS.next();
        let space = self.spaces.of(database);
        let slot = self.slab.insert(Entry {
            key: Key::Named(Name::new(name)),
            generation,
            space,
            place: 0,
            pause: Pause::default(),
        });
        if let Some(slot) = slot {
            self.file(space, at, slot);
        }
        let slot = slot.unwrap_or(u32::MAX);
        Handle { slot, generation }
    }

    /// Changes the deadline. O(log n). A pause is over. A lost entry stays lost.
    pub fn change(&mut self, handle: Handle, at: u64) {
        let Some((space, place)) = self.locate(handle) else {
            return;
        };
        self.set_pause(handle, Pause::default());
        if self.spaces.is_lost(space) {
            let at = at.min(LAST);
            self.slab.set_key(handle.slot, Key::Lost { at }, space);
        } else {
            self.refile(space, place, at);
        }
    }

    /// Removes the entry of a machine that has no deadline any more, or is no more. O(log n).
    pub fn remove(&mut self, handle: Handle) {
        let Some((space, place)) = self.locate(handle) else {
            return;
        };
        if self.spaces.is_lost(space) {
            self.spaces.found();
        } else {
            self.spaces.unfile(space, place, &mut self.slab);
        }
        self.slab.remove(handle.slot);
    }

    /// Removes the entries of machines that were freed, lost or not: on some paths a server frees a
    /// value without saying first that it leaves its name.
    ///
    /// The handles come from a [`FreedQueue`], because other threads free machines too.
    pub fn forget(&mut self, freed: &[Handle]) {
        for &handle in freed {
            self.remove(handle);
        }
    }

    /// Notes that the machine's key left its name. It is deleted or was overwritten (then
    /// [`forget`](Self::forget) follows), or it has another name now, or is in another database.
    ///
    /// A lost entry is never due. It keeps its deadline, but belongs to no database: flushing the
    /// one where its key was does not touch it, because the key may have moved to another.
    pub fn lose(&mut self, handle: Handle) {
        let Some((space, place)) = self.locate(handle) else {
            return;
        };
        if let Some(item) = self.spaces.unfile(space, place, &mut self.slab) {
            let lost = self.spaces.lose();
            let key = Key::Lost { at: item.at() };
            self.slab.set_key(handle.slot, key, lost);
        }
    }

    /// Returns whether the machine's entry is lost: whoever meets it should
    /// [`heal`](Self::heal) it.
    #[inline]
    pub fn is_lost(&self, handle: Handle) -> bool {
        // Nearly always none is, and then the slab need not be asked.
        self.spaces.lost() > 0
            && self
                .slab
                .find(handle)
                .is_some_and(|entry| self.spaces.is_lost(entry.space))
    }

    /// Gives a lost entry the name under which its machine was met, and its place in the order. A
    /// pause is over. Returns whether it was lost; otherwise nothing happens.
    pub fn heal(&mut self, handle: Handle, database: u32, name: &[u8]) -> bool {
        let Some(&Key::Lost { at }) = self.find(handle).map(|entry| &entry.key) else {
            return false;
        };
        self.spaces.found();
        let space = self.spaces.of(database);
        let key = Key::Named(Name::new(name));
        self.slab.set_key(handle.slot, key, space);
        self.set_pause(handle, Pause::default());
        self.file(space, at, handle.slot);
        self.healed += 1;
        true
    }

    /// Returns the earliest deadline of those that are not lost.
    pub fn first(&self) -> Option<u64> {
        self.spaces.first().map(|(_, item)| item.at())
    }

    /// Returns the entry with the earliest deadline, if that is not after `now`.
    ///
    /// It stays where it is until the caller says what came of it: [`remove`](Self::remove),
    /// [`change`](Self::change) or [`postpone`](Self::postpone). Until then it is returned again.
    pub fn next_due(&self, now: u64) -> Option<Due<'_>> {
        let (database, item) = self.spaces.first()?;
        let entry = self.slab.get(item.slot())?;
        let Key::Named(name) = &entry.key else {
            return None;
        };
        let due = Due {
            database,
            name: name.as_bytes(),
            at: item.at(),
            handle: entry.handle(item.slot()),
        };
        (due.at <= now).then_some(due)
    }

    /// Lets an entry that was refused wait for its [`Pause`], which grows each time. Returns when
    /// it is due again.
    ///
    /// One that is not due any more was changed while it was tried: its deadline stays. `None` if
    /// the entry is lost or is no more.
    pub fn postpone(&mut self, handle: Handle, now: u64) -> Option<u64> {
        let (space, place) = self.locate(handle)?;
        let at = self.spaces.item(space, place)?.at();
        if at > now {
            return Some(at);
        }
        let pause = self.slab.pause_mut(handle.slot)?.grow();
        let again = now.saturating_add(pause).min(LAST);
        self.refile(space, place, again);
        Some(again)
    }

    /// Ends all pauses: what was refused is due at `now`. Linear in the entries.
    ///
    /// For a clock that was set back. Otherwise what was refused before would wait until the clock
    /// is there again.
    pub fn resume(&mut self, now: u64) {
        for slot in self.slab.slots() {
            let paused = self.slab.get(slot).filter(|entry| !entry.pause.is_none());
            let handle = paused.map(|entry| entry.handle(slot));
            if let Some(handle) = handle {
                self.change(handle, now);
            }
        }
    }

    /// Gives each of two databases what the other has, as `SWAPDB` does. Independent of the entries.
    pub fn swap(&mut self, one: u32, other: u32) {
        self.spaces.swap(one, other);
    }

    /// Drops the pending entries of a database. Lost ones stay: where their machines are is not
    /// known, and those that are flushed are freed, and so [forgotten](Self::forget).
    pub fn flush(&mut self, database: u32) {
        self.spaces.flush(database);
    }

    /// Drops all entries, lost ones too.
    pub fn flush_all(&mut self) {
        self.spaces.flush_all();
    }

    /// Gives memory of flushed entries back, looking at no more than so many slots. Returns whether
    /// there is more to do.
    pub fn sweep(&mut self, slots: usize) -> bool {
        // Nothing new is flushed meanwhile, so one tour is enough.
        let mut left = slots.min(self.slab.slots().len());
        while self.spaces.flushed() > 0 && left > 0 {
            left -= 1;
            let slot = self.broom;
            self.broom = self.slab.after(slot);
            if let Some(space) = self.slab.get(slot).map(|entry| entry.space)
                && self.spaces.is_flushed(space)
            {
                self.slab.remove(slot);
                self.spaces.swept(space);
            }
        }
        self.spaces.flushed() > 0
    }

    /// Returns what the index knows of a machine; `None` if nothing.
    pub fn get(&self, handle: Handle) -> Option<Hint<'_>> {
        self.find(handle)
            .and_then(|entry| self.hint(handle.slot, entry))
    }

    /// Shows all entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Hint<'_>> {
        self.slab
            .iter()
            .filter_map(|(slot, entry)| self.hint(slot, entry))
    }

    /// Returns how many entries there are.
    pub fn stats(&self) -> DeadlineStats {
        let lost = self.spaces.lost();
        DeadlineStats {
            pending: self.slab.len() - self.spaces.flushed() - lost,
            lost,
            healed: self.healed,
        }
    }

    /// Returns the bytes of the heap blocks, those of flushed entries that are not yet swept too.
    pub fn memory(&self) -> usize {
        self.slab.memory() + self.spaces.memory()
    }

    /// Returns the entry of a handle, unless it was flushed.
    #[inline]
    fn find(&self, handle: Handle) -> Option<&Entry> {
        let entry = self.slab.find(handle)?;
        (!self.spaces.is_flushed(entry.space)).then_some(entry)
    }

    /// Returns the space of a handle's entry, and its place there.
    #[inline]
    fn locate(&self, handle: Handle) -> Option<(u32, u32)> {
        self.find(handle).map(|entry| (entry.space, entry.place))
    }

    fn hint<'d>(&'d self, slot: u32, entry: &'d Entry) -> Option<Hint<'d>> {
        let (at, key) = match &entry.key {
            Key::Named(name) => {
                let item = self.spaces.item(entry.space, entry.place)?;
                let database = self.spaces.database(entry.space)?;
                (item.at(), Some((database, name.as_bytes())))
            }
            Key::Lost { at } if self.spaces.is_lost(entry.space) => (*at, None),
            Key::Lost { .. } => return None,
        };
        let handle = entry.handle(slot);
        Some(Hint { handle, at, key })
    }

    fn set_pause(&mut self, handle: Handle, new: Pause) {
        if let Some(pause) = self.slab.pause_mut(handle.slot) {
            *pause = new;
        }
    }

    fn file(&mut self, space: u32, at: u64, slot: u32) {
        let item = Item::new(at.min(LAST), slot);
        self.spaces.file(space, item, &mut self.slab);
    }

    fn refile(&mut self, space: u32, place: u32, at: u64) {
        self.spaces
            .refile(space, place, at.min(LAST), &mut self.slab);
    }
}
