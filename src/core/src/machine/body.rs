//! Where a machine is, and the parts that few machines have, in two words.
//!
//! Each kind of machine pays for what it has: one without rare parts for nothing, one with a reason
//! for the text, one with a pending timer for its times. The state's number has three bytes, so that
//! the fourth can say which kind it is.

use super::texts::{Buffer, Draft, Texts};
use super::times::Times;
use crate::deadlines::Handle;
use crate::definition::StateId;
use crate::limits::MAX_STATES;

const _: () = assert!(MAX_STATES <= 1 << 24, "a state's number has three bytes");

/// The state and the version.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    state: [u8; 3],
    version: [u8; 4],
}

impl Position {
    #[inline]
    pub(super) fn new(state: StateId, version: u32) -> Self {
        let [low, middle, high, _] = state.to_le_bytes();
        Self {
            state: [low, middle, high],
            version: version.to_ne_bytes(),
        }
    }

    #[inline(always)]
    pub(super) fn state(self) -> StateId {
        let [low, middle, high] = self.state;
        StateId::from_le_bytes([low, middle, high, 0])
    }

    #[inline(always)]
    pub(super) fn version(self) -> u32 {
        u32::from_ne_bytes(self.version)
    }
}

/// The position, and what else there is.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// Nothing.
    Plain(Position),
    /// A reason, not empty.
    Reasoned(Position, Box<Box<str>>),
    /// Times.
    Timed(Position, Box<Timing>),
    /// Any of them, request ids and a history.
    Full(Position, Box<Full>),
}

/// All that a machine can have beside its position.
#[derive(Debug, Clone)]
pub(super) struct Full {
    timing: Timing,
    texts: Texts,
}

/// The times, and where the deadline is in an index.
#[derive(Debug)]
pub(super) struct Timing {
    times: Times,
    handle: Option<Handle>,
}

impl Timing {
    fn new(times: Times) -> Self {
        let handle = None;
        Self { times, handle }
    }
}

impl Clone for Timing {
    /// Leaves the index out: it knows of one machine only, and that isn't the clone.
    fn clone(&self) -> Self {
        Self::new(self.times)
    }
}

impl Body {
    #[inline(always)]
    pub(super) fn position(&self) -> Position {
        match self {
            Self::Plain(position)
            | Self::Reasoned(position, _)
            | Self::Timed(position, _)
            | Self::Full(position, _) => *position,
        }
    }

    #[inline(always)]
    pub(super) fn set_position(&mut self, new: Position) {
        match self {
            Self::Plain(position)
            | Self::Reasoned(position, _)
            | Self::Timed(position, _)
            | Self::Full(position, _) => *position = new,
        }
    }

    #[inline]
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Plain(_) | Self::Timed(..) => "",
            Self::Reasoned(_, reason) => reason,
            Self::Full(_, full) => full.texts.reason(),
        }
    }

    pub(super) fn ids(&self) -> &[u8] {
        match self {
            Self::Full(_, full) => full.texts.ids(),
            _ => &[],
        }
    }

    pub(super) fn history(&self) -> &[u8] {
        match self {
            Self::Full(_, full) => full.texts.history(),
            _ => &[],
        }
    }

    /// Returns the times of a timed machine.
    pub(super) fn times(&self) -> Option<Times> {
        let times = match self {
            Self::Plain(_) | Self::Reasoned(..) => return None,
            Self::Timed(_, timing) => timing.times,
            Self::Full(_, full) => full.timing.times,
        };
        (times != Times::UNTIMED).then_some(times)
    }

    fn timing_mut(&mut self) -> Option<&mut Timing> {
        match self {
            Self::Plain(_) | Self::Reasoned(..) => None,
            Self::Timed(_, timing) => Some(timing),
            Self::Full(_, full) => Some(&mut full.timing),
        }
    }

    /// Returns where the deadline is in an index.
    pub(super) fn handle(&self) -> Option<Handle> {
        match self {
            Self::Plain(_) | Self::Reasoned(..) => None,
            Self::Timed(_, timing) => timing.handle,
            Self::Full(_, full) => full.timing.handle,
        }
    }

    /// Notes where the deadline is in an index. A machine without times has none there.
    pub(super) fn set_handle(&mut self, handle: Option<Handle>) {
        if let Some(timing) = self.timing_mut() {
            timing.handle = handle;
        }
    }

    /// Sets the reason; an empty one is none.
    #[inline]
    pub(super) fn set_reason(&mut self, reason: &str) {
        if !reason.is_empty() || !matches!(self, Self::Plain(_) | Self::Timed(..)) {
            self.replace_reason(reason);
        }
    }

    fn replace_reason(&mut self, reason: &str) {
        let position = self.position();
        match self {
            Self::Reasoned(..) if reason.is_empty() => *self = Self::Plain(position),
            Self::Reasoned(_, old) => **old = reason.into(),
            Self::Plain(_) => *self = Self::Reasoned(position, Box::new(reason.into())),
            Self::Full(_, full) if full.texts.reason() == reason => {}
            Self::Timed(..) | Self::Full(..) => {
                let mut buffer = Buffer::take();
                let copy = |part| move |out: &mut Vec<u8>| out.extend_from_slice(part);
                let draft = buffer.write(reason, copy(self.ids()), copy(self.history()));
                self.set_rare(self.times(), draft);
            }
        }
    }

    /// Sets the times without another change.
    pub(super) fn set_times(&mut self, times: Option<Times>) {
        match (self, times) {
            (Self::Timed(_, timing), Some(new)) => timing.times = new,
            (Self::Full(_, full), new) => full.timing.times = new.unwrap_or(Times::UNTIMED),
            (Self::Plain(_) | Self::Reasoned(..), None) => {}
            (body, new) => {
                let mut buffer = Buffer::take();
                let draft = buffer.write(body.reason(), |_| {}, |_| {});
                body.set_rare(new, draft);
            }
        }
    }

    /// Sets all rare parts, in the smallest form that holds them.
    pub(super) fn set_rare(&mut self, times: Option<Times>, draft: Draft<'_>) {
        let (position, handle) = (self.position(), self.handle());
        match (&mut *self, times) {
            (Self::Full(_, full), _)
                if !draft.is_empty() && (times.is_some() || !draft.is_reason_alone()) =>
            {
                full.timing.times = times.unwrap_or(Times::UNTIMED);
                full.texts.set(draft);
            }
            (Self::Timed(_, timing), Some(times)) if draft.is_empty() => timing.times = times,
            (body, Some(times)) if draft.is_empty() => {
                *body = Self::Timed(position, Box::new(Timing::new(times)));
            }
            (body, None) if draft.is_reason_alone() => {
                *body = Self::Plain(position);
                body.set_reason(draft.reason());
            }
            (body, times) => {
                let timing = Timing::new(times.unwrap_or(Times::UNTIMED));
                let texts = Texts::of(draft);
                *body = Self::Full(position, Box::new(Full { timing, texts }));
            }
        }
        self.set_handle(handle);
    }

    /// Shows each heap block to `mover`.
    pub(super) fn relocate(&mut self, mover: &mut impl BlockMover) {
        match self {
            Self::Plain(_) => {}
            Self::Reasoned(_, reason) => {
                mover.move_box(reason);
                mover.move_text(reason);
            }
            Self::Timed(_, timing) => mover.move_box(timing),
            Self::Full(_, full) => {
                mover.move_box(full);
                mover.move_bytes(full.texts.block_mut());
            }
        }
    }

    /// Returns the heap blocks: address and bytes asked for.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (*const u8, usize)> {
        fn block<T>(of: &T) -> (*const u8, usize) {
            (std::ptr::from_ref(of).cast(), size_of::<T>())
        }
        let slice = |bytes: &[u8]| (bytes.as_ptr(), bytes.len());
        let (own, texts) = match self {
            Self::Plain(_) => (None, None),
            Self::Reasoned(_, reason) => (Some(block(&**reason)), Some(slice(reason.as_bytes()))),
            Self::Timed(_, timing) => (Some(block(&**timing)), None),
            Self::Full(_, full) => (Some(block(&**full)), Some(slice(full.texts.block()))),
        };
        own.into_iter().chain(texts)
    }
}

/// Moves heap blocks to where the allocator would rather have them, during a defragmentation. What
/// is in them stays.
pub trait BlockMover {
    /// Moves the block of a box.
    fn move_box<T>(&mut self, owned: &mut Box<T>);
    /// Moves the block of a string. An empty one has none.
    fn move_text(&mut self, owned: &mut Box<str>);
    /// Moves the block of a byte string. An empty one has none.
    fn move_bytes(&mut self, owned: &mut Box<[u8]>);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_has_the_bytes_that_it_needs() {
        assert_eq!(size_of::<Body>(), 16);
        assert_eq!(size_of::<Times>(), 16);
        assert_eq!(size_of::<Timing>(), 24);
        assert_eq!(size_of::<Full>(), 48);
    }

    #[test]
    fn a_position_gives_back_what_was_put_in() {
        for state in [0, 1, 255, 256, 65_536, (1 << 24) - 1] {
            for version in [1, 2, u32::MAX] {
                let position = Position::new(state, version);
                assert_eq!((position.state(), position.version()), (state, version));
            }
        }
    }
}
