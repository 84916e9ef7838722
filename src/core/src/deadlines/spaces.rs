//! Which entries belong to which database, and in which order they are due there.
//!
//! An entry knows the number of its space, and a space knows the number of its database. So two
//! databases are swapped by two numbers, and a flushed one is cut loose with all that it had.

use std::collections::BTreeMap;

use super::heap::{Heap, Item, Places};

/// Stands for no deadline.
const NEVER: u64 = u64::MAX;

/// The last deadline that is not taken for none.
pub(super) const LAST: u64 = NEVER - 1;

#[derive(Debug)]
enum Space {
    /// The pending entries of a database.
    Open { database: u32, heap: Heap },
    /// Entries that lost their name.
    Lost { entries: usize },
    /// Entries that wait to be swept.
    Flushed { entries: usize },
    /// Nothing. The number may be given out again.
    Unused,
}

/// All spaces of an index.
#[derive(Debug)]
pub(super) struct Spaces {
    spaces: Vec<Space>,
    /// For each space, when its first entry is due: side by side, because whoever asks for the
    /// first of all reads all of these.
    firsts: Vec<u64>,
    by_database: BTreeMap<u32, u32>,
    unused: Vec<u32>,
    /// The space of the lost entries.
    lost: u32,
    /// Entries that wait to be swept, of all spaces.
    flushed: usize,
}

impl Default for Spaces {
    fn default() -> Self {
        Self {
            spaces: vec![Space::Lost { entries: 0 }],
            firsts: vec![NEVER],
            by_database: BTreeMap::new(),
            unused: Vec::new(),
            lost: 0,
            flushed: 0,
        }
    }
}

impl Spaces {
    /// Returns the space of a database, a new one if it has none.
    pub(super) fn of(&mut self, database: u32) -> u32 {
        if let Some(&space) = self.by_database.get(&database) {
            return space;
        }
        let heap = Heap::default();
        let space = self.add(Space::Open { database, heap });
        self.by_database.insert(database, space);
        space
    }

    /// Returns the database of a space that has one.
    pub(super) fn database(&self, space: u32) -> Option<u32> {
        match self.get(space)? {
            Space::Open { database, .. } => Some(*database),
            _ => None,
        }
    }

    /// Returns the entry that is due first, and its database.
    ///
    /// Linear in the databases that were ever used. One heap for all of them would make it constant,
    /// but a flush would leave its entries in there.
    pub(super) fn first(&self) -> Option<(u32, Item)> {
        let firsts = self.firsts.iter().zip(&self.spaces);
        match firsts.min_by_key(|(at, _)| **at)?.1 {
            Space::Open { database, heap } => Some((*database, heap.first()?)),
            _ => None,
        }
    }

    /// Returns what the heap of a space has in a place.
    pub(super) fn item(&self, space: u32, place: u32) -> Option<Item> {
        match self.get(space)? {
            Space::Open { heap, .. } => heap.get(place as usize),
            _ => None,
        }
    }

    /// Adds an entry to those that are pending in a space.
    pub(super) fn file(&mut self, space: u32, item: Item, places: &mut impl Places) {
        self.with_heap(space, |heap| heap.push(item, places));
    }

    /// Changes the deadline of a pending entry.
    pub(super) fn refile(&mut self, space: u32, place: u32, at: u64, places: &mut impl Places) {
        self.with_heap(space, |heap| heap.change(place as usize, at, places));
    }

    /// Takes an entry out of those that are pending. Returns what the heap had.
    pub(super) fn unfile(
        &mut self,
        space: u32,
        place: u32,
        places: &mut impl Places,
    ) -> Option<Item> {
        self.with_heap(space, |heap| heap.remove(place as usize, places))
            .flatten()
    }

    /// Counts an entry in among the lost ones, and returns their space.
    pub(super) fn lose(&mut self) -> u32 {
        if let Some(Space::Lost { entries }) = self.get_mut(self.lost) {
            *entries += 1;
        }
        self.lost
    }

    /// Counts one of the lost entries out.
    pub(super) fn found(&mut self) {
        if let Some(Space::Lost { entries }) = self.get_mut(self.lost) {
            *entries = entries.saturating_sub(1);
        }
    }

    pub(super) fn is_lost(&self, space: u32) -> bool {
        space == self.lost
    }

    /// Returns how many entries are lost.
    pub(super) fn lost(&self) -> usize {
        match self.get(self.lost) {
            Some(Space::Lost { entries }) => *entries,
            _ => 0,
        }
    }

    /// Gives each of two databases what the other has.
    pub(super) fn swap(&mut self, one: u32, other: u32) {
        let [left, right] = [one, other].map(|database| self.of(database));
        for (space, number) in [(left, other), (right, one)] {
            if let Some(Space::Open { database, .. }) = self.get_mut(space) {
                *database = number;
            }
            self.by_database.insert(number, space);
        }
    }

    /// Cuts the entries of a database loose.
    pub(super) fn flush(&mut self, database: u32) {
        if let Some(space) = self.by_database.remove(&database) {
            self.cut_loose(space);
        }
    }

    /// Cuts all entries loose, the lost ones too.
    pub(super) fn flush_all(&mut self) {
        for space in std::mem::take(&mut self.by_database).into_values() {
            self.cut_loose(space);
        }
        let before = self.lost;
        self.lost = self.add(Space::Lost { entries: 0 });
        self.cut_loose(before);
    }

    pub(super) fn is_flushed(&self, space: u32) -> bool {
        matches!(self.get(space), Some(Space::Flushed { .. }))
    }

    /// Returns how many entries wait to be swept.
    pub(super) fn flushed(&self) -> usize {
        self.flushed
    }

    /// Counts one out of those that wait to be swept in a space.
    pub(super) fn swept(&mut self, space: u32) {
        if let Some(Space::Flushed { entries }) = self.get_mut(space) {
            *entries = entries.saturating_sub(1);
            let is_empty = *entries == 0;
            self.flushed = self.flushed.saturating_sub(1);
            if is_empty {
                self.retire(space);
            }
        }
    }

    /// Returns about the bytes of the heap blocks.
    pub(super) fn memory(&self) -> usize {
        let heaps: usize = self.spaces.iter().map(Space::memory).sum();
        heaps
            + self.spaces.capacity() * size_of::<Space>()
            + self.firsts.capacity() * size_of::<u64>()
            + self.unused.capacity() * size_of::<u32>()
            // The tree has few nodes, and doesn't say what they take.
            + self.by_database.len() * 2 * size_of::<(u32, u32)>()
    }

    #[inline]
    fn get(&self, space: u32) -> Option<&Space> {
        self.spaces.get(space as usize)
    }

    #[inline]
    fn get_mut(&mut self, space: u32) -> Option<&mut Space> {
        self.spaces.get_mut(space as usize)
    }

    /// Changes the heap of a space that has one, and notes what comes first then.
    #[inline]
    fn with_heap<R>(&mut self, space: u32, change: impl FnOnce(&mut Heap) -> R) -> Option<R> {
        let Some(Space::Open { heap, .. }) = self.spaces.get_mut(space as usize) else {
            return None;
        };
        let result = change(heap);
        let now = heap.first().map_or(NEVER, Item::at);
        self.set_first(space, now);
        Some(result)
    }

    #[inline]
    fn set_first(&mut self, space: u32, at: u64) {
        if let Some(first) = self.firsts.get_mut(space as usize) {
            *first = at;
        }
    }

    fn add(&mut self, new: Space) -> u32 {
        if let Some(number) = self.unused.pop()
            && let Some(space) = self.get_mut(number)
        {
            *space = new;
            return number;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "each has a database or entries"
        )]
        let number = self.spaces.len() as u32;
        self.spaces.push(new);
        self.firsts.push(NEVER);
        number
    }

    /// Leaves the entries of a space to be swept. Drops its heap now: that takes no look at them.
    fn cut_loose(&mut self, number: u32) {
        let Some(space) = self.get_mut(number) else {
            return;
        };
        let entries = match space {
            Space::Open { heap, .. } => heap.len(),
            Space::Lost { entries } => *entries,
            Space::Flushed { .. } | Space::Unused => return,
        };
        *space = Space::Flushed { entries };
        self.flushed += entries;
        self.set_first(number, NEVER);
        if entries == 0 {
            self.retire(number);
        }
    }

    /// Keeps the number of a space without entries for the next that needs one.
    fn retire(&mut self, number: u32) {
        if let Some(space) = self.get_mut(number) {
            *space = Space::Unused;
            self.unused.push(number);
        }
    }
}

impl Space {
    fn memory(&self) -> usize {
        match self {
            Self::Open { heap, .. } => heap.memory(),
            Self::Lost { .. } | Self::Flushed { .. } | Self::Unused => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the heap puts an item does not matter here.
    struct Nobody;

    impl Places for Nobody {
        fn set_place(&mut self, _: u32, _: u32) {}
    }

    fn spaces(filed: &[(u32, u64)]) -> Spaces {
        let mut spaces = Spaces::default();
        for (slot, (database, at)) in (0..).zip(filed) {
            let space = spaces.of(*database);
            spaces.file(space, Item::new(*at, slot), &mut Nobody);
        }
        spaces
    }

    fn first(spaces: &Spaces) -> Option<(u32, u64)> {
        spaces.first().map(|(database, item)| (database, item.at()))
    }

    #[test]
    fn the_first_of_all_databases_is_first() {
        let mut spaces = spaces(&[(0, 30), (7, 20), (u32::MAX, 40)]);
        assert_eq!(first(&spaces), Some((7, 20)));
        spaces.flush(7);
        assert_eq!(first(&spaces), Some((0, 30)));
        spaces.flush_all();
        assert_eq!(first(&spaces), None);
    }

    #[test]
    fn the_last_deadline_is_one() {
        assert_eq!(first(&spaces(&[(3, LAST)])), Some((3, LAST)));
    }

    #[test]
    fn swapping_moves_the_numbers() {
        let mut spaces = spaces(&[(0, 1), (1, 2)]);
        spaces.swap(0, 1);
        assert_eq!(first(&spaces), Some((1, 1)));
        // With one that has nothing, and with itself.
        spaces.swap(1, 9);
        spaces.swap(9, 9);
        assert_eq!(first(&spaces), Some((9, 1)));
        let space = spaces.of(0);
        assert_eq!(spaces.item(space, 0).unwrap().at(), 2);
    }

    #[test]
    fn numbers_are_used_again_once_swept() {
        let mut spaces = spaces(&[(0, 1), (0, 2)]);
        let before = spaces.of(0);
        spaces.flush(0);
        assert!(spaces.is_flushed(before));
        assert_ne!(spaces.of(0), before);
        spaces.swept(before);
        assert_eq!(spaces.flushed(), 1);
        spaces.swept(before);
        assert!(!spaces.is_flushed(before));
        assert_eq!((spaces.flushed(), spaces.of(1)), (0, before));
        // Of one that had no entries, at once.
        spaces.flush(1);
        assert_eq!(spaces.of(2), before);
    }

    #[test]
    fn what_is_no_space_is_ignored() {
        let mut spaces = spaces(&[(0, 1)]);
        for space in [9, u32::MAX] {
            spaces.file(space, Item::new(1, 1), &mut Nobody);
            spaces.refile(space, 0, 1, &mut Nobody);
            assert!(spaces.unfile(space, 0, &mut Nobody).is_none());
            assert!(spaces.item(space, 0).is_none() && spaces.database(space).is_none());
            spaces.swept(space);
        }
        spaces.flush(5);
        assert_eq!((first(&spaces), spaces.flushed()), (Some((0, 1)), 0));
    }
}
