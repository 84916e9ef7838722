//! A stack of values that grows by blocks.

/// How many values are in a block.
const BLOCK: usize = 512;

/// Values by number, from 0 on. It grows and shrinks by blocks of [`BLOCK`], so that a million values
/// take no room for a second million, and none is copied to make room.
#[derive(Debug)]
pub(super) struct Blocks<T> {
    blocks: Vec<Vec<T>>,
    count: usize,
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            count: 0,
        }
    }
}

impl<T> Blocks<T> {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<&T> {
        self.blocks.get(at / BLOCK)?.get(at % BLOCK)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.blocks.get_mut(at / BLOCK)?.get_mut(at % BLOCK)
    }

    pub(super) fn push(&mut self, value: T) {
        let at = self.count / BLOCK;
        if at == self.blocks.len() {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        if let Some(block) = self.blocks.get_mut(at) {
            block.push(value);
            self.count += 1;
        }
    }

    /// Takes the last value. One empty block is kept, so that a stack that goes up and down at a
    /// block's edge doesn't allocate each time.
    pub(super) fn pop(&mut self) -> Option<T> {
        let last = self.count.checked_sub(1)?;
        let value = self.blocks.get_mut(last / BLOCK)?.pop()?;
        self.count = last;
        self.blocks.truncate(last.div_ceil(BLOCK) + 1);
        Some(value)
    }

    /// Returns the bytes of the blocks.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_shrinks_by_blocks() {
        let mut blocks = Blocks::default();
        for value in 0..3 * BLOCK {
            blocks.push(value);
        }
        assert_eq!((blocks.len(), blocks.bytes()), (3 * BLOCK, 3 * BLOCK * 8));
        assert!((0..3 * BLOCK).all(|at| blocks.get(at) == Some(&at)));
        assert_eq!(blocks.get(3 * BLOCK), None);
        for value in (BLOCK..3 * BLOCK).rev() {
            assert_eq!(blocks.pop(), Some(value));
        }
        assert_eq!(blocks.bytes(), 2 * BLOCK * 8);
        blocks.push(7);
        assert_eq!(blocks.get_mut(BLOCK), Some(&mut 7));
        for _ in 0..=BLOCK {
            assert!(blocks.pop().is_some());
        }
        assert_eq!(blocks.pop(), None);
    }
}
