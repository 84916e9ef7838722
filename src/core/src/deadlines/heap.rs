//! Numbers in order of a moment: a heap in which each knows its place.

use super::blocks::Blocks;

/// How many children a place of the heap has. Four are beside each other in memory, so a heap of four
/// looks at fewer lines of it than one of two.
const CHILDREN: usize = 4;

/// Stands for no place.
pub(super) const NOWHERE: u32 = u32::MAX;

/// The moments of numbers, and where each is in the heap.
pub(super) trait Moments {
    fn moment(&self, number: u32) -> u64;
    fn place(&self, number: u32) -> u32;
    fn set_place(&mut self, number: u32, place: u32);
}

/// The heap. The number with the earliest moment is first.
#[derive(Debug, Default)]
pub(super) struct Heap(Blocks<u32>);

impl Heap {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn first(&self) -> Option<u32> {
        self.0.get(0).copied()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    pub(super) fn push(&mut self, number: u32, all: &mut impl Moments) {
        let place = self.0.len();
        self.0.push(number);
        self.rise(number, place, all);
    }

    /// Takes a number out.
    pub(super) fn remove(&mut self, number: u32, all: &mut impl Moments) {
        let place = all.place(number) as usize;
        if self.0.get(place) != Some(&number) {
            return;
        }
        all.set_place(number, NOWHERE);
        let Some(last) = self.0.pop() else { return };
        if last != number {
            self.settle_at(last, place, all);
        }
    }

    /// Finds the place of a number whose moment has changed.
    pub(super) fn settle(&mut self, number: u32, all: &mut impl Moments) {
        let place = all.place(number) as usize;
        if self.0.get(place) == Some(&number) {
            self.settle_at(number, place, all);
        }
    }

    fn settle_at(&mut self, number: u32, place: usize, all: &mut impl Moments) {
        let parent = place
            .checked_sub(1)
            .and_then(|below| self.0.get(below / CHILDREN));
        if parent.is_some_and(|&parent| all.moment(number) < all.moment(parent)) {
            self.rise(number, place, all);
        } else {
            self.sink(number, place, all);
        }
    }

    fn rise(&mut self, number: u32, mut place: usize, all: &mut impl Moments) {
        let moment = all.moment(number);
        while let Some(above) = place.checked_sub(1).map(|below| below / CHILDREN) {
            let Some(&parent) = self.0.get(above) else {
                break;
            };
            if all.moment(parent) <= moment {
                break;
            }
            self.put(parent, place, all);
            place = above;
        }
        self.put(number, place, all);
    }

    fn sink(&mut self, number: u32, mut place: usize, all: &mut impl Moments) {
        let moment = all.moment(number);
        loop {
            let children = CHILDREN * place + 1..CHILDREN * (place + 1) + 1;
            let children = children.filter_map(|at| self.0.get(at).map(|&child| (at, child)));
            let least = children.min_by_key(|&(_, child)| all.moment(child));
            let Some((at, child)) = least.filter(|&(_, child)| all.moment(child) < moment) else {
                break;
            };
            self.put(child, place, all);
            place = at;
        }
        self.put(number, place, all);
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "fewer than 2^32 - 1 numbers"
    )]
    fn put(&mut self, number: u32, place: usize, all: &mut impl Moments) {
        if let Some(slot) = self.0.get_mut(place) {
            *slot = number;
            all.set_place(number, place as u32);
        }
    }
}
