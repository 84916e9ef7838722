//! How long what was refused has to wait.

/// The pause after the first refusal, in ms.
const SHORTEST_MS: u64 = 100;

/// The longest pause, in ms.
const LONGEST_MS: u64 = 1000;

/// Doublings after which the pause is the longest.
const MAX_DOUBLINGS: u8 = 4;

/// A pause that grows with each refusal: 100, 200, 400, 800 ms, then always one second.
///
/// Each entry of [`Deadlines`](super::Deadlines) has its own, for what is refused for one key, such
/// as an importing slot. What refuses every key, such as a disk that is full, is better met with one
/// for all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pause {
    refusals: u8,
}

impl Pause {
    /// Counts a refusal and returns how long to wait, in ms.
    pub fn grow(&mut self) -> u64 {
        let ms = SHORTEST_MS << self.refusals;
        self.refusals = MAX_DOUBLINGS.min(self.refusals + 1);
        ms.min(LONGEST_MS)
    }

    /// Returns whether nothing was refused.
    pub fn is_none(self) -> bool {
        self.refusals == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_a_second_and_no_further() {
        let mut pause = Pause::default();
        assert!(pause.is_none());
        let waited: Vec<u64> = (0..1000).map(|_| pause.grow()).collect();
        assert_eq!(waited[..6], [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(waited[999], 1000);
        assert!(!pause.is_none());
    }
}
