//! Numbers in order of a moment: a heap in which each number knows its place.

use super::blocks::Blocks;

/// How many children a place of the heap has. Four are beside each other in memory, so a heap of four
/// looks at fewer lines of it than one of two.
const CHILDREN: usize = 4;

/// Stands for no place.
pub(super) const NOWHERE: u32 = u32::MAX;

/// Where each number is in the heap.
pub(super) trait Places {
    fn set_place(&mut self, number: u32, place: u32);
}

/// A number and its moment. The moments stand here, beside each other, so that a number finds its place
/// without a look at what the others stand for.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// As two halves: a whole one would take four bytes more beside the number.
    moment: [u32; 2],
    number: u32,
}

impl Entry {
    #[expect(clippy::cast_possible_truncation, reason = "the low half")]
    fn new(number: u32, moment: u64) -> Self {
        let moment = [(moment >> 32) as u32, moment as u32];
        Self { moment, number }
    }

    #[inline]
    fn moment(self) -> u64 {
        let [high, low] = self.moment;
        u64::from(high) << 32 | u64::from(low)
    }
}

/// The heap. The number with the earliest moment is first.
#[derive(Debug, Default)]
pub(super) struct Heap(Blocks<Entry>);

/// The bytes of a number in the heap.
pub(super) const ENTRY_BYTES: usize = size_of::<Entry>();

impl Heap {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the first number and its moment.
    pub(super) fn first(&self) -> Option<(u32, u64)> {
        let first = self.0.get(0)?;
        Some((first.number, first.moment()))
    }

    /// Returns the moment of the number at a place.
    pub(super) fn moment(&self, place: u32) -> Option<u64> {
        self.0.get(place as usize).map(|entry| entry.moment())
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    pub(super) fn push(&mut self, number: u32, moment: u64, all: &mut impl Places) {
        let (entry, place) = (Entry::new(number, moment), self.0.len());
        self.0.push(entry);
        self.rise(entry, place, all);
    }

    /// Takes out what is at a place.
    pub(super) fn remove(&mut self, place: u32, all: &mut impl Places) {
        let place = place as usize;
        let Some(gone) = self.0.get(place).copied() else {
            return;
        };
        all.set_place(gone.number, NOWHERE);
        let Some(last) = self.0.pop() else { return };
        if last.number != gone.number {
            self.settle(last, place, all);
        }
    }

    /// Gives the number at a place another moment.
    pub(super) fn change(&mut self, place: u32, moment: u64, all: &mut impl Places) {
        let place = place as usize;
        if let Some(entry) = self.0.get(place) {
            self.settle(Entry::new(entry.number, moment), place, all);
        }
    }

    fn settle(&mut self, entry: Entry, place: usize, all: &mut impl Places) {
        let parent = place
            .checked_sub(1)
            .and_then(|below| self.0.get(below / CHILDREN));
        if parent.is_some_and(|parent| entry.moment() < parent.moment()) {
            self.rise(entry, place, all);
        } else {
            self.sink(entry, place, all);
        }
    }

    fn rise(&mut self, entry: Entry, mut place: usize, all: &mut impl Places) {
        while let Some(above) = place.checked_sub(1).map(|below| below / CHILDREN) {
            let Some(&parent) = self.0.get(above) else {
                break;
            };
            if parent.moment() <= entry.moment() {
                break;
            }
            self.put(parent, place, all);
            place = above;
        }
        self.put(entry, place, all);
    }

    fn sink(&mut self, entry: Entry, mut place: usize, all: &mut impl Places) {
        loop {
            let children = CHILDREN * place + 1..CHILDREN * (place + 1) + 1;
            let children = children.filter_map(|at| self.0.get(at).map(|&child| (at, child)));
            let least = children.min_by_key(|(_, child)| child.moment());
            let Some((at, child)) = least.filter(|(_, child)| child.moment() < entry.moment())
            else {
                break;
            };
            self.put(child, place, all);
            place = at;
        }
        self.put(entry, place, all);
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "fewer than 2^32 - 1 numbers"
    )]
    fn put(&mut self, entry: Entry, place: usize, all: &mut impl Places) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = entry;
            all.set_place(entry.number, place as u32);
        }
    }
}
