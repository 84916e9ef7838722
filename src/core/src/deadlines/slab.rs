//! The entries, in blocks, each in a slot that it keeps for life.
//!
//! An entry cannot be moved, because its machine knows the slot and nothing leads from here to the
//! machine. So a block's memory goes back when the last of its entries goes. For this to happen,
//! new entries go into blocks that are in use.

use std::ops::Range;

use super::handle::{Generation, Handle};
use super::heap::Places;
use super::name::Name;
use super::pause::Pause;

/// Entries of a block: 10 KiB of them, a size that allocators give out without waste.
const BLOCK: usize = 256;

/// Room that the first block begins with, so that an index of few takes little.
const FEW: usize = 4;

/// Stands for no block, and for no entry of a block.
const NONE: u32 = u32::MAX;

/// One more block would have slots that 32 bits don't count.
const MAX_BLOCKS: usize = (NONE as usize) / BLOCK;

/// What the index knows of one machine.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) generation: Generation,
    pub(super) space: u32,
    /// Where the heap of its space has it.
    pub(super) place: u32,
    pub(super) pause: Pause,
}

impl Entry {
    /// Returns the handle that names this entry, given the slot that it is in.
    #[inline]
    pub(super) fn handle(&self, slot: u32) -> Handle {
        Handle {
            slot,
            generation: self.generation,
        }
    }
}

/// Where an entry's machine is.
#[derive(Debug)]
pub(super) enum Key {
    Named(Name),
    /// Nobody knows. The deadline is here, because no heap has it.
    Lost {
        at: u64,
    },
}

impl Key {
    fn memory(&self) -> usize {
        match self {
            Self::Named(name) => name.memory(),
            Self::Lost { .. } => 0,
        }
    }
}

#[derive(Debug)]
enum Slot {
    Taken(Entry),
    /// The next free slot of the same block.
    Free {
        next: u32,
    },
}

impl Slot {
    fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Taken(entry) => Some(entry),
            Self::Free { .. } => None,
        }
    }

    fn entry_mut(&mut self) -> Option<&mut Entry> {
        match self {
            Self::Taken(entry) => Some(entry),
            Self::Free { .. } => None,
        }
    }
}

#[derive(Debug)]
struct Block {
    /// Without a heap block if there is no entry.
    slots: Vec<Slot>,
    taken: u32,
    /// The first free slot below `slots.len()`.
    free: u32,
    /// The blocks beside this one in the list it is in.
    next: u32,
    previous: u32,
}

impl Block {
    fn new() -> Self {
        Self {
            slots: Vec::new(),
            taken: 0,
            free: NONE,
            next: NONE,
            previous: NONE,
        }
    }

    fn is_full(&self) -> bool {
        self.taken as usize == BLOCK
    }

    /// Puts an entry into a block that is not full, and returns where.
    fn insert(&mut self, entry: Entry, is_only: bool) -> u32 {
        self.taken += 1;
        let offset = self.free;
        if let Some(slot) = self.slots.get_mut(offset as usize) {
            if let Slot::Free { next } = *slot {
                self.free = next;
            }
            *slot = Slot::Taken(entry);
            return offset;
        }
        let used = self.slots.len();
        if used == self.slots.capacity() {
            let more = if is_only { used.max(FEW) } else { BLOCK };
            self.slots.reserve_exact(more.min(BLOCK - used));
        }
        self.slots.push(Slot::Taken(entry));
        #[expect(clippy::cast_possible_truncation, reason = "below BLOCK")]
        let offset = used as u32;
        offset
    }

    /// Takes an entry out, and lets go of the memory with the last one.
    fn remove(&mut self, offset: usize) -> Option<Entry> {
        let slot = self.slots.get_mut(offset)?;
        slot.entry()?;
        #[expect(clippy::cast_possible_truncation, reason = "below BLOCK")]
        let free = std::mem::replace(&mut self.free, offset as u32);
        let removed = std::mem::replace(slot, Slot::Free { next: free });
        self.taken -= 1;
        if self.taken == 0 {
            (self.slots, self.free) = (Vec::new(), NONE);
        }
        match removed {
            Slot::Taken(entry) => Some(entry),
            Slot::Free { .. } => None,
        }
    }
}

/// All entries of an index.
#[derive(Debug)]
pub(super) struct Slab {
    blocks: Vec<Block>,
    /// The first of the blocks with entries and with room, in a list.
    open: u32,
    /// The first of the blocks without entries, in another.
    bare: u32,
    len: usize,
    /// Bytes of the names that have a heap block.
    name_bytes: usize,
}

impl Default for Slab {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            open: NONE,
            bare: NONE,
            len: 0,
            name_bytes: 0,
        }
    }
}

fn split(slot: u32) -> (usize, usize) {
    (slot as usize / BLOCK, slot as usize % BLOCK)
}

impl Slab {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the entry in a slot, whoever it belongs to.
    #[inline]
    pub(super) fn get(&self, slot: u32) -> Option<&Entry> {
        let (block, offset) = split(slot);
        self.blocks.get(block)?.slots.get(offset)?.entry()
    }

    #[inline]
    fn get_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        let (block, offset) = split(slot);
        let slots = &mut self.blocks.get_mut(block)?.slots;
        slots.get_mut(offset)?.entry_mut()
    }

    /// Returns the entry of a handle, if it is in this slab.
    #[inline]
    pub(super) fn find(&self, handle: Handle) -> Option<&Entry> {
        let entry = self.get(handle.slot);
        entry.filter(|entry| entry.generation == handle.generation)
    }

    /// Returns the pause of an entry.
    pub(super) fn pause_mut(&mut self, slot: u32) -> Option<&mut Pause> {
        self.get_mut(slot).map(|entry| &mut entry.pause)
    }

    /// Says where an entry's machine is, and in which space that is.
    pub(super) fn set_key(&mut self, slot: u32, key: Key, space: u32) {
        let Some(entry) = self.get_mut(slot) else {
            return;
        };
        entry.space = space;
        let before = std::mem::replace(&mut entry.key, key);
        let now = entry.key.memory();
        self.name_bytes = self.name_bytes + now - before.memory();
    }

    /// Puts an entry in and returns its slot. There is none for the last few of 2³² entries.
    pub(super) fn insert(&mut self, entry: Entry) -> Option<u32> {
        let name_bytes = entry.key.memory();
        if self.open == NONE {
            let bare = self.bare_block()?;
            self.link(bare);
        }
        let number = self.open;
        let is_only = self.blocks.len() == 1;
        let block = self.blocks.get_mut(number as usize)?;
        let offset = block.insert(entry, is_only);
        if block.is_full() {
            self.unlink(number);
        }
        self.len += 1;
        self.name_bytes += name_bytes;
        #[expect(clippy::cast_possible_truncation, reason = "a constant")]
        let start = number * BLOCK as u32;
        Some(start + offset)
    }

    /// Takes the entry of a slot out.
    pub(super) fn remove(&mut self, slot: u32) -> Option<Entry> {
        let (number, offset) = split(slot);
        let block = self.blocks.get_mut(number)?;
        let was_full = block.is_full();
        let entry = block.remove(offset)?;
        let is_bare = block.taken == 0;
        self.len -= 1;
        self.name_bytes -= entry.key.memory();
        #[expect(clippy::cast_possible_truncation, reason = "of a slot")]
        let number = number as u32;
        if self.len == 0 {
            *self = Self::default();
        } else if is_bare {
            self.unlink(number);
            self.put_aside(number);
        } else if was_full {
            self.link(number);
        }
        Some(entry)
    }

    /// Returns the slot to visit after this one, of those that may have an entry: round and round.
    pub(super) fn after(&self, slot: u32) -> u32 {
        let (number, offset) = split(slot);
        let used = self.blocks.get(number).map_or(0, |block| block.slots.len());
        if offset + 1 < used {
            return slot + 1;
        }
        let next = if number + 1 < self.blocks.len() {
            number + 1
        } else {
            0
        };
        #[expect(clippy::cast_possible_truncation, reason = "of a block that is there")]
        let slot = (next * BLOCK) as u32;
        slot
    }

    /// Shows the slots and their entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.slots()
            .filter_map(|slot| self.get(slot).map(|entry| (slot, entry)))
    }

    /// Returns the numbers of the slots, with an entry or without.
    pub(super) fn slots(&self) -> Range<u32> {
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_BLOCKS")]
        let end = (self.blocks.len() * BLOCK) as u32;
        0..end
    }

    /// Returns the bytes of the heap blocks.
    pub(super) fn memory(&self) -> usize {
        let slots: usize = self.blocks.iter().map(|block| block.slots.capacity()).sum();
        let heads = self.blocks.capacity() * size_of::<Block>();
        slots * size_of::<Slot>() + heads + self.name_bytes
    }

    /// Returns the number of a block without entries, which is in no list.
    fn bare_block(&mut self) -> Option<u32> {
        let number = self.bare;
        if let Some(block) = self.blocks.get_mut(number as usize) {
            self.bare = std::mem::replace(&mut block.next, NONE);
            return Some(number);
        }
        let number = self.blocks.len();
        if number == MAX_BLOCKS {
            return None;
        }
        self.blocks.push(Block::new());
        u32::try_from(number).ok()
    }

    /// Puts a block without entries into their list.
    fn put_aside(&mut self, number: u32) {
        let next = std::mem::replace(&mut self.bare, number);
        if let Some(block) = self.blocks.get_mut(number as usize) {
            block.next = next;
        }
    }

    /// Puts a block at the head of the open ones.
    fn link(&mut self, number: u32) {
        let next = std::mem::replace(&mut self.open, number);
        if let Some(after) = self.blocks.get_mut(next as usize) {
            after.previous = number;
        }
        if let Some(block) = self.blocks.get_mut(number as usize) {
            (block.previous, block.next) = (NONE, next);
        }
    }

    /// Takes a block out of the open ones.
    fn unlink(&mut self, number: u32) {
        let Some(block) = self.blocks.get_mut(number as usize) else {
            return;
        };
        let previous = std::mem::replace(&mut block.previous, NONE);
        let next = std::mem::replace(&mut block.next, NONE);
        match self.blocks.get_mut(previous as usize) {
            Some(before) => before.next = next,
            None => self.open = next,
        }
        if let Some(after) = self.blocks.get_mut(next as usize) {
            after.previous = previous;
        }
    }
}

impl Places for Slab {
    #[inline]
    fn set_place(&mut self, slot: u32, place: u32) {
        if let Some(entry) = self.get_mut(slot) {
            entry.place = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::handle::GENERATIONS;
    use super::*;
    use crate::deadlines::random::Random;

    fn entry(name: &[u8]) -> Entry {
        Entry {
            key: Key::Named(Name::new(name)),
            generation: GENERATIONS.next(),
            space: 0,
            place: 0,
            pause: Pause::default(),
        }
    }

    fn fill(slab: &mut Slab, entries: usize) -> Vec<u32> {
        let insert = |_| slab.insert(entry(b"order:12345678")).unwrap();
        (0..entries).map(insert).collect()
    }

    /// Returns the numbers of a list of blocks.
    fn list(slab: &Slab, first: u32) -> Vec<usize> {
        let next = |&number: &u32| Some(slab.blocks.get(number as usize)?.next);
        let numbers = std::iter::successors(Some(first), next);
        let mut numbers: Vec<usize> = numbers
            .take_while(|&number| number != NONE)
            .map(|number| number as usize)
            .collect();
        numbers.sort_unstable();
        numbers
    }

    fn check(slab: &Slab) {
        let all = || slab.blocks.iter().enumerate();
        let open = all().filter(|(_, block)| block.taken > 0 && !block.is_full());
        assert!(open.map(|(number, _)| number).eq(list(slab, slab.open)));
        let bare = all().filter(|(_, block)| block.taken == 0);
        assert!(bare.map(|(number, _)| number).eq(list(slab, slab.bare)));
        for (_, block) in all() {
            let taken = block.slots.iter().filter(|slot| slot.entry().is_some());
            assert_eq!(taken.count(), block.taken as usize);
            assert_eq!(block.slots.capacity() == 0, block.taken == 0);
        }
        let names: usize = slab.iter().map(|(_, entry)| entry.key.memory()).sum();
        assert_eq!(slab.name_bytes, names);
    }

    #[test]
    fn a_slot_is_forty_bytes() {
        assert_eq!(size_of::<Slot>(), 40);
    }

    #[test]
    fn keeps_what_was_put_in_where_it_was_put() {
        const STEPS: usize = if cfg!(miri) { 300 } else { 20_000 };
        let (mut slab, mut random) = (Slab::default(), Random::new(3));
        let mut model: BTreeMap<u32, (Generation, Vec<u8>)> = BTreeMap::new();
        for step in 0..STEPS {
            // In turns more come than go and more go than come.
            let may_come = if (step * 4 / STEPS).is_multiple_of(2) {
                6
            } else {
                3
            };
            if random.below(8) < may_come {
                let name = vec![b'k'; random.below(40)];
                let entry = entry(&name);
                let generation = entry.generation;
                let slot = slab.insert(entry).unwrap();
                assert!(model.insert(slot, (generation, name)).is_none());
            } else if let Some((&slot, _)) = model.iter().nth(random.below(model.len().max(1))) {
                let (generation, _) = model.remove(&slot).unwrap();
                assert_eq!(slab.remove(slot).unwrap().generation, generation);
                assert!(slab.remove(slot).is_none());
            }
            if step % 500 == 0 {
                check(&slab);
            }
        }
        assert_eq!(slab.len(), model.len());
        let entries = slab.iter().map(|(slot, entry)| (slot, entry.generation));
        assert!(
            entries.eq(model
                .iter()
                .map(|(slot, (generation, _))| (*slot, *generation)))
        );
        for (slot, (generation, name)) in model {
            let found = slab.find(Handle { slot, generation }).unwrap();
            assert!(matches!(&found.key, Key::Named(known) if known.as_bytes() == name));
            slab.remove(slot).unwrap();
        }
        check(&slab);
        assert_eq!(slab.memory(), 0);
    }

    #[test]
    fn a_block_is_given_back_with_its_last_entry_and_used_again() {
        let mut slab = Slab::default();
        let slots = fill(&mut slab, 4 * BLOCK);
        let full = slab.memory();
        let gone = &slots[BLOCK..3 * BLOCK];
        for &slot in gone {
            slab.remove(slot).unwrap();
        }
        check(&slab);
        assert_eq!(slab.memory(), full - 2 * BLOCK * size_of::<Slot>());
        let mut again = fill(&mut slab, 2 * BLOCK);
        again.sort_unstable();
        assert_eq!(again, gone);
        assert_eq!(slab.memory(), full);
        check(&slab);
    }

    #[test]
    fn new_entries_go_into_blocks_in_use() {
        let mut slab = Slab::default();
        let slots = fill(&mut slab, 3 * BLOCK);
        for &slot in &slots[..2 * BLOCK] {
            if slot as usize != BLOCK {
                slab.remove(slot).unwrap();
            }
        }
        // The first block is bare now, and the second has one.
        for slot in fill(&mut slab, BLOCK - 1) {
            assert_eq!(split(slot).0, 1);
        }
        assert_eq!(split(fill(&mut slab, 1)[0]).0, 0);
    }

    #[test]
    fn few_entries_take_little() {
        let mut slab = Slab::default();
        fill(&mut slab, 1);
        assert!(slab.memory() <= 400, "{}", slab.memory());
    }

    #[test]
    fn grows_by_blocks() {
        let mut slab = Slab::default();
        let mut before = 0;
        for _ in 0..if cfg!(miri) { 3 } else { 40 } * BLOCK {
            fill(&mut slab, 1);
            // A block, and now and then the heads of the blocks.
            assert!(slab.memory() - before <= BLOCK * size_of::<Slot>() + 40 * 40);
            before = slab.memory();
        }
    }

    #[test]
    fn a_tour_visits_all_entries() {
        let mut slab = Slab::default();
        let slots = fill(&mut slab, 3 * BLOCK + 5);
        for &slot in &slots[BLOCK..2 * BLOCK] {
            slab.remove(slot).unwrap();
        }
        let tour = std::iter::successors(Some(0), |&slot| Some(slab.after(slot)));
        let visits = 2 * BLOCK + 5 + 1;
        let seen = tour.take(visits).filter(|&slot| slab.get(slot).is_some());
        assert!(seen.eq(slab.iter().map(|(slot, _)| slot)));
        assert_eq!(Slab::default().after(77), 0);
    }

    #[test]
    fn slots_that_do_not_exist_have_no_entry() {
        let mut slab = Slab::default();
        fill(&mut slab, 1);
        for slot in [1, 256, u32::MAX] {
            assert!(slab.get(slot).is_none());
            assert!(slab.remove(slot).is_none());
            slab.set_key(slot, Key::Lost { at: 1 }, 7);
            slab.set_place(slot, 7);
        }
        assert_eq!(slab.len(), 1);
        check(&slab);
    }
}
