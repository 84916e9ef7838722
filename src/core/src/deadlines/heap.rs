//! A heap of deadlines, in chunks.

/// Children of a node. With four, their deadlines lie in one or two cache lines, and the heap is
/// half as deep as with two.
const ARITY: usize = 4;

/// Items of a chunk: 12 KiB of them, a size that allocators give out without waste.
const CHUNK: usize = 1024;

/// Unused items before the root, so that the children of one node never lie in two chunks.
const LEAD: usize = ARITY - 1;

/// Room that the first chunk begins with, so that a heap of few takes little.
const FEW: usize = LEAD + 5;

/// Hears where the heap has put the item of a slot.
pub(super) trait Places {
    fn set_place(&mut self, slot: u32, place: u32);
}

/// A deadline and the slot of its entry, in 12 bytes.
///
/// The deadline is here and not in the slab, so that sifting reads the heap alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Item {
    at: [u8; 8],
    slot: u32,
}

impl Item {
    #[inline]
    pub(super) fn new(at: u64, slot: u32) -> Self {
        Self {
            at: at.to_ne_bytes(),
            slot,
        }
    }

    #[inline]
    pub(super) fn at(self) -> u64 {
        u64::from_ne_bytes(self.at)
    }

    #[inline]
    pub(super) fn slot(self) -> u32 {
        self.slot
    }
}

/// The earliest first. A place that is out of range is no error: nothing happens.
#[derive(Debug, Default)]
pub(super) struct Heap {
    /// All full but the last. None is empty.
    chunks: Vec<Vec<Item>>,
    len: usize,
}

impl Heap {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn first(&self) -> Option<Item> {
        self.get(0)
    }

    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<Item> {
        let at = place.checked_add(LEAD)?;
        self.chunks.get(at / CHUNK)?.get(at % CHUNK).copied()
    }

    pub(super) fn push(&mut self, item: Item, places: &mut impl Places) {
        let end = self.len;
        self.append(item);
        let place = self.rise(end, item.at(), places);
        self.put(place, item, places);
    }

    pub(super) fn remove(&mut self, place: usize, places: &mut impl Places) -> Option<Item> {
        let gone = self.get(place)?;
        let last = self.take_last()?;
        if place < self.len {
            self.settle(place, last, places);
        }
        Some(gone)
    }

    /// Changes the deadline of the item that is there.
    pub(super) fn change(&mut self, place: usize, at: u64, places: &mut impl Places) {
        if let Some(item) = self.get(place) {
            self.settle(place, Item::new(at, item.slot), places);
        }
    }

    /// Returns the bytes of the heap blocks.
    pub(super) fn memory(&self) -> usize {
        let items: usize = self.chunks.iter().map(Vec::capacity).sum();
        items * size_of::<Item>() + self.chunks.capacity() * size_of::<Vec<Item>>()
    }

    /// Puts an item where it belongs, given a hole: towards the root or away from it.
    #[inline]
    fn settle(&mut self, hole: usize, item: Item, places: &mut impl Places) {
        let place = self.rise(hole, item.at(), places);
        let place = if place == hole {
            self.sink(hole, item.at(), places)
        } else {
            place
        };
        self.put(place, item, places);
    }

    /// Moves the hole up until what is above it is not later, and returns where it is then.
    fn rise(&mut self, mut hole: usize, at: u64, places: &mut impl Places) -> usize {
        while let Some(above) = hole.checked_sub(1).map(|before| before / ARITY) {
            match self.get(above) {
                Some(item) if item.at() > at => self.put(hole, item, places),
                _ => break,
            }
            hole = above;
        }
        hole
    }

    /// Moves the hole down until nothing below it is earlier, and returns where it is then.
    fn sink(&mut self, mut hole: usize, at: u64, places: &mut impl Places) -> usize {
        while let Some((below, item)) = self.earliest_child(hole) {
            if item.at() >= at {
                break;
            }
            self.put(hole, item, places);
            hole = below;
        }
        hole
    }

    #[inline]
    fn earliest_child(&self, place: usize) -> Option<(usize, Item)> {
        let first = place * ARITY + 1;
        let at = first + LEAD;
        let chunk = self.chunks.get(at / CHUNK)?;
        let children = chunk.get(at % CHUNK..)?;
        let children = (first..).zip(children.iter().take(ARITY));
        let earliest = children.min_by_key(|(_, item)| item.at());
        earliest.map(|(place, item)| (place, *item))
    }

    #[inline]
    fn put(&mut self, place: usize, item: Item, places: &mut impl Places) {
        let at = place + LEAD;
        let chunk = self.chunks.get_mut(at / CHUNK);
        if let Some(spot) = chunk.and_then(|chunk| chunk.get_mut(at % CHUNK)) {
            *spot = item;
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "there are no more items than slots"
        )]
        places.set_place(item.slot, place as u32);
    }

    fn append(&mut self, item: Item) {
        self.len += 1;
        let has_room = |chunk: &&mut Vec<Item>| chunk.len() < CHUNK;
        if let Some(chunk) = self.chunks.last_mut().filter(has_room) {
            if chunk.len() == chunk.capacity() {
                chunk.reserve_exact(chunk.len().min(CHUNK - chunk.len()));
            }
            chunk.push(item);
            return;
        }
        let (room, lead) = match self.chunks.is_empty() {
            true => (FEW, LEAD),
            false => (CHUNK, 0),
        };
        let mut chunk = Vec::with_capacity(room);
        chunk.resize(lead, Item::default());
        chunk.push(item);
        self.chunks.push(chunk);
    }

    /// Takes the last item out, and lets go of a chunk that is empty then.
    fn take_last(&mut self) -> Option<Item> {
        let last = self.chunks.last_mut()?.pop();
        self.len = self.len.saturating_sub(1);
        if self.len == 0 {
            *self = Self::default();
        } else if self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deadlines::random::Random;

    /// By slot: where the heap says that it is.
    #[derive(Default)]
    struct Seen(Vec<Option<u32>>);

    impl Places for Seen {
        fn set_place(&mut self, slot: u32, place: u32) {
            let slot = slot as usize;
            self.0.resize(self.0.len().max(slot + 1), None);
            self.0[slot] = Some(place);
        }
    }

    /// A heap beside the plain list of what must be in it.
    #[derive(Default)]
    struct Pair {
        heap: Heap,
        seen: Seen,
        model: Vec<(u64, u32)>,
    }

    impl Pair {
        fn push(&mut self, at: u64, slot: u32) {
            self.heap.push(Item::new(at, slot), &mut self.seen);
            self.model.push((at, slot));
        }

        fn place(&self, slot: u32) -> usize {
            self.seen.0[slot as usize].unwrap() as usize
        }

        fn change(&mut self, nth: usize, at: u64) {
            let place = self.place(self.model[nth].1);
            self.heap.change(place, at, &mut self.seen);
            self.model[nth].0 = at;
        }

        fn remove(&mut self, nth: usize) {
            let (at, slot) = self.model.swap_remove(nth);
            let place = self.place(slot);
            let gone = self.heap.remove(place, &mut self.seen);
            assert_eq!(gone, Some(Item::new(at, slot)));
            self.seen.0[slot as usize] = None;
        }

        fn check(&self) {
            assert_eq!(self.heap.len(), self.model.len());
            let first = self.model.iter().map(|(at, _)| *at).min();
            assert_eq!(self.heap.first().map(Item::at), first);
            for &(at, slot) in &self.model {
                let place = self.place(slot);
                assert_eq!(self.heap.get(place), Some(Item::new(at, slot)));
                let above = place.checked_sub(1).map(|before| before / ARITY);
                assert!(above.is_none_or(|above| self.heap.get(above).unwrap().at() <= at));
            }
            assert_eq!(self.heap.get(self.model.len()), None);
        }
    }

    #[test]
    fn an_item_is_twelve_bytes() {
        assert_eq!(size_of::<Item>(), 12);
    }

    #[test]
    fn holds_what_a_list_holds() {
        const STEPS: u32 = if cfg!(miri) { 300 } else { 20_000 };
        let (mut pair, mut random) = (Pair::default(), Random::new(1));
        for step in 0..STEPS {
            let nth = random.below(pair.model.len().max(1));
            // Few distinct deadlines, so that many are equal.
            let at = random.below(50) as u64;
            match random.below(8) {
                0..=3 => pair.push(at, step),
                4 | 5 if nth < pair.model.len() => pair.change(nth, at),
                6 if nth < pair.model.len() => pair.remove(nth),
                _ => {}
            }
            if step % 100 == 0 {
                pair.check();
            }
        }
        while !pair.model.is_empty() {
            pair.remove(random.below(pair.model.len()));
            if pair.model.len().is_multiple_of(100) {
                pair.check();
            }
        }
        assert_eq!(pair.heap.memory(), 0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes there")]
    fn comes_out_in_order_across_chunks() {
        const ITEMS: u32 = 5000;
        let (mut heap, mut seen) = (Heap::default(), Seen::default());
        let mut random = Random::new(2);
        let mut all: Vec<u64> = (0..ITEMS).map(|_| random.below(1 << 40) as u64).collect();
        for (slot, at) in (0..).zip(&all) {
            heap.push(Item::new(*at, slot), &mut seen);
        }
        all.sort_unstable();
        let out = std::iter::from_fn(|| heap.remove(0, &mut seen)).map(Item::at);
        assert!(out.eq(all));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes minutes there")]
    fn grows_by_chunks_and_gives_them_back() {
        let (mut heap, mut seen) = (Heap::default(), Seen::default());
        let chunk = CHUNK * size_of::<Item>();
        let mut before = 0;
        for slot in 0..20_000 {
            heap.push(Item::new(u64::from(slot), slot), &mut seen);
            let now = heap.memory();
            assert!(now <= before + chunk + 1024, "{before} to {now}");
            before = now;
        }
        while heap.len() > CHUNK / 2 {
            heap.remove(0, &mut seen);
        }
        assert!(heap.memory() <= chunk + 1024);
    }

    #[test]
    fn a_place_out_of_range_changes_nothing() {
        let (mut heap, mut seen) = (Heap::default(), Seen::default());
        heap.push(Item::new(5, 0), &mut seen);
        for place in [1, CHUNK, usize::MAX / 8, usize::MAX] {
            assert_eq!(heap.remove(place, &mut seen), None);
            heap.change(place, 1, &mut seen);
        }
        assert_eq!((heap.len(), heap.first()), (1, Some(Item::new(5, 0))));
    }
}
