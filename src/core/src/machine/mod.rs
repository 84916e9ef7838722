//! A machine: the value of one key.
//!
//! `moves` is the one way in which it changes, `life` how it begins, `counted` who counts it. What it has beside its state is
//! packed, in the bytes in which it is stored: `texts` holds the variable parts, of which `ids` and
//! `history` know the layout, `body` chooses how much room a machine needs at all.

// Parts from outside come through here: an index needs a reason.
#![warn(clippy::indexing_slicing)]

mod body;
mod counted;
mod error;
mod history;
mod ids;
mod life;
mod moves;
mod names;
mod request;
mod stored;
mod texts;
mod timers;
mod times;
mod wire;

use std::sync::Arc;

pub use self::body::BlockMover;
use self::body::Body;
pub(crate) use self::error::PartError;
pub use self::history::{HistoryEntry, MAX_ENTRY_REASON_BYTES, MAX_USER_BYTES, MoveKind};
pub use self::ids::{MAX_ID_BYTES, MAX_IDS};
pub use self::moves::{Checked, Planned};
pub use self::request::{
    Context, Force, GivenTimer, MoveError, Options, Outcome, Request, Verdict,
};
pub(crate) use self::stored::{StoredParts, StoredTimes};
pub use self::timers::{Fired, MAX_STEPS};
pub use self::times::{Deadline, MAX_TIME};
pub(crate) use self::wire::{Cursor, put_bytes, put_varint};
use crate::deadlines::Handle;
use crate::definition::{DefinitionParts, NameTables, StateId};
use crate::document::{self, Reason, Written};
use crate::interner::{Interned, Interner};
use crate::prefetch::prefetch;
use crate::rules::Rules;

/// Most bytes of the request ids and of the history of one machine, each.
pub const MAX_PART_BYTES: usize = u16::MAX as usize;

/// A definition, the current state and version, the reason of the last move; where asked for:
/// request ids, times, a history.
///
/// Three words and no more: parts that few machines have are behind one pointer.
#[derive(Debug)]
pub struct Machine {
    definition: Arc<Interned>,
    body: Body,
}

/// Returns the version after this one. Zero is skipped.
#[inline]
fn next_version(version: u32) -> u32 {
    version.wrapping_add(1).max(1)
}

/// Returns the version before this one.
fn version_before(version: u32) -> u32 {
    match version.wrapping_sub(1) {
        0 => u32::MAX,
        before => before,
    }
}

impl Machine {
    /// Makes a machine whose only state has the empty name.
    pub fn blank(interner: &Interner) -> Self {
        let (parts, names) = DefinitionParts::blank();
        #[expect(clippy::expect_used, reason = "a constant, covered by a test")]
        let definition = interner
            .intern(&parts, || NameTables::of_states(names))
            .expect("the blank definition is sound");
        Self::new(definition, 0)
    }

    /// Returns the definition that this machine shares with others.
    pub fn definition(&self) -> &Arc<Interned> {
        &self.definition
    }

    /// Returns the current state.
    #[inline]
    pub fn current(&self) -> StateId {
        self.body.position().state()
    }

    /// Returns the version: 1 for a new machine, one more for each change. Never 0.
    #[inline]
    pub fn version(&self) -> u32 {
        self.body.position().version()
    }

    /// Returns the name of the current state.
    pub fn current_name(&self) -> &str {
        self.definition.name(self.current())
    }

    /// Returns the name of the current state as bytes, for replies.
    #[inline(always)]
    pub fn current_name_bytes(&self) -> &[u8] {
        self.definition.name_bytes(self.current())
    }

    /// Returns the reason of the last move; empty if it gave none.
    #[inline]
    pub fn reason(&self) -> &str {
        self.body.reason()
    }

    /// Returns the version that the next change leads to.
    pub fn next_version(&self) -> u32 {
        next_version(self.version())
    }

    /// Returns when the machine entered its state, in ms since 1970, if it is timed.
    pub fn since(&self) -> Option<u64> {
        self.body.times().map(|times| times.since)
    }

    /// Returns when the timer of the current state is due, if it is going.
    pub fn deadline(&self) -> Option<Deadline> {
        self.body.times()?.deadline()
    }

    /// Returns where the deadline is in an index. It is neither stored nor copied.
    pub fn deadline_handle(&self) -> Option<Handle> {
        self.body.handle()
    }

    /// Asks the processor to bring near what a change of the history looks at, and doesn't wait.
    #[inline]
    pub fn prefetch_history(&self) {
        prefetch(self.body.history());
    }

    /// Notes where the deadline is in an index.
    pub fn set_deadline_handle(&mut self, handle: Option<Handle>) {
        self.body.set_handle(handle);
    }

    /// Returns the time before which nothing can happen any more: that of the last change, 0 if the
    /// machine is not timed.
    fn last_time(&self) -> u64 {
        let since = self.since().unwrap_or(0);
        since.max(history::last(self.body.history()))
    }

    /// Returns the last moves, newest first, as far as the definition wants them remembered.
    pub fn history(&self) -> impl Iterator<Item = HistoryEntry<'_>> {
        history::entries(self.body.history(), &self.definition, self.version())
    }

    /// Returns how many moves are remembered.
    pub fn history_count(&self) -> usize {
        history::count(self.body.history())
    }

    /// Returns the state and the version that the request of that ID led to, if it is known.
    pub fn known_id(&self, token: &str) -> Option<(&[u8], u32)> {
        let known = ids::find(self.body.ids(), token)?;
        Some((known.state.state(&self.definition), known.version))
    }

    /// Returns the state of that name if this machine may move to it now: if there is a transition
    /// from the current state, or the move is forced and the state is known. What counts as known is
    /// up to the rules.
    #[inline]
    pub fn resolve_move(&self, name: &[u8], force: Force, rules: Rules) -> Option<StateId> {
        let target = self.definition.find_state(name)?;
        let is_known = rules != Rules::Legacy || self.definition.has_row(target);
        let is_allowed = force == Force::Yes || self.definition.allows(self.current(), target);
        (is_known && is_allowed).then_some(target)
    }

    /// Moves to a state of this machine's definition. `None` keeps the reason as it is.
    ///
    /// For machines that are not timed: nothing here knows the time, so a history gets no entry.
    #[inline]
    pub fn enter(&mut self, state: StateId, reason: Option<&str>) {
        debug_assert!((state as usize) < self.definition.state_count());
        debug_assert!(!self.definition.is_timed());
        self.go(state, reason);
    }

    /// Sets the reason; an empty one is none. No change by itself.
    #[inline]
    pub(crate) fn set_reason(&mut self, reason: &str) {
        self.body.set_reason(reason);
    }

    /// Returns the states reachable in one move, in document order, each once. By [`Rules::Legacy`]
    /// only those with an entry of their own, as in [`resolve_move`](Self::resolve_move).
    pub fn next(&self, rules: Rules) -> impl Iterator<Item = StateId> + '_ {
        let definition = &self.definition;
        definition
            .next(self.current())
            .filter(move |&state| rules != Rules::Legacy || definition.has_row(state))
    }

    /// Writes the document of this machine in normal form. By [`Rules::Legacy`] `reason` is always
    /// in it.
    pub fn render(&self, rules: Rules) -> Vec<u8> {
        let mut out = Vec::new();
        let end = self.write(rules, &mut out).end;
        out.truncate(end);
        out
    }

    /// Writes the same document for a caller who asks again and again: into a buffer that is used
    /// for all machines (what it held before does not matter and is not cleared), and the body,
    /// which this definition's machines have in common, is cached.
    #[expect(
        clippy::indexing_slicing,
        reason = "where the document was just written"
    )]
    pub fn render_cached<'a>(&self, rules: Rules, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let written = self.write(rules, scratch);
        if self.definition.body().is_none() {
            self.definition.keep_body(&scratch[written.body]);
        }
        &scratch[..written.end]
    }

    fn write(&self, rules: Rules, scratch: &mut Vec<u8>) -> Written {
        let reason = Reason {
            text: self.reason(),
            always: rules == Rules::Legacy,
        };
        let body = self.definition.body();
        document::write(&self.definition, body, self.current(), reason, scratch)
    }

    /// Shows each heap block of this machine but its own to `mover`, for defragmentation. The
    /// definition stays where it is, because other machines point to it.
    pub fn relocate(&mut self, mover: &mut impl BlockMover) {
        self.body.relocate(mover);
    }

    /// Returns a machine that is not timed in another state.
    #[must_use]
    pub fn in_state(&self, state: StateId) -> Self {
        let mut other = self.clone();
        other.set_position(state, self.version());
        other
    }

    /// Returns the heap blocks of this machine without its definition: address and bytes asked for.
    pub fn blocks(&self) -> impl Iterator<Item = (*const u8, usize)> + '_ {
        let own = (std::ptr::from_ref(self).cast(), size_of::<Self>());
        let rare = self.body.blocks().filter(|(_, bytes)| *bytes > 0);
        std::iter::once(own).chain(rare)
    }

    /// Gives all that makes two machines differ to `add`: the same bytes on every node, whatever the
    /// path there.
    pub fn digest_parts<R>(&self, add: impl FnOnce(&[&[u8]]) -> R) -> R {
        let (mut times, parts) = (Vec::new(), self.stored_parts());
        if let Some(known) = parts.times {
            known.put(&mut times);
        }
        add(&[
            self.definition.archive(),
            &parts.current.to_le_bytes(),
            &parts.version.to_le_bytes(),
            parts.reason.as_bytes(),
            parts.ids,
            &times,
            parts.history,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_three_words() {
        assert_eq!(size_of::<Machine>(), 24);
    }
}
