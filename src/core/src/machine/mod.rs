//! A machine: the value of one key.

mod extras;
mod recreate;

use std::sync::Arc;

pub use self::extras::Extras;
pub use self::recreate::Recreate;
use crate::definition::{DefinitionParts, StateId};
use crate::document::{self, Reason, Written};
use crate::interner::{Interned, Interner};
use crate::rules::Rules;

/// A definition, the current state, the reason of the last move.
///
/// Three words and no more: parts that few machines have are behind one pointer.
#[derive(Debug, Clone)]
pub struct Machine {
    definition: Arc<Interned>,
    extras: Option<Box<Extras>>,
    current: StateId,
}

/// Whether a move may go without a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// The definition has to have the transition.
    No,
    /// Any state that the rules know will do.
    Yes,
}

impl Machine {
    pub(crate) fn new(definition: Arc<Interned>, current: StateId) -> Self {
        Self {
            definition,
            extras: None,
            current,
        }
    }

    /// Makes a machine whose only state has the empty name.
    pub fn blank(interner: &Interner) -> Self {
        let (parts, names) = DefinitionParts::blank();
        #[expect(clippy::expect_used, reason = "a constant, covered by a test")]
        let definition = interner
            .intern(&parts, || names)
            .expect("the blank definition is sound");
        Self::new(definition, 0)
    }

    /// Returns the definition that this machine shares with others.
    pub fn definition(&self) -> &Arc<Interned> {
        &self.definition
    }

    /// Returns the current state.
    pub fn current(&self) -> StateId {
        self.current
    }

    /// Returns the name of the current state.
    pub fn current_name(&self) -> &str {
        self.definition.name(self.current)
    }

    /// Returns the name of the current state as bytes, for replies.
    #[inline(always)]
    pub fn current_name_bytes(&self) -> &[u8] {
        self.definition.name_bytes(self.current)
    }

    /// Returns the reason of the last move; empty if it gave none.
    #[inline]
    pub fn reason(&self) -> &str {
        self.extras.as_ref().map_or("", |extras| extras.reason())
    }

    /// Returns the state of that name if this machine may move to it now: if there is a transition
    /// from the current state, or the move is forced and the state is known. What counts as known is
    /// up to the rules.
    #[inline]
    pub fn resolve_move(&self, name: &[u8], force: Force, rules: Rules) -> Option<StateId> {
        let target = self.definition.find_state(name)?;
        let is_known = rules != Rules::Legacy || self.definition.has_row(target);
        let is_allowed = force == Force::Yes || self.definition.allows(self.current, target);
        (is_known && is_allowed).then_some(target)
    }

    /// Moves to a state of this machine's definition. `None` keeps the reason as it is.
    #[inline]
    pub fn enter(&mut self, state: StateId, reason: Option<&str>) {
        debug_assert!((state as usize) < self.definition.state_count());
        self.current = state;
        if let Some(reason) = reason {
            self.set_reason(reason);
        }
    }

    /// Sets the reason; an empty one is none.
    #[inline]
    pub fn set_reason(&mut self, reason: &str) {
        if self.extras.is_some() || !reason.is_empty() {
            Extras::set_reason(&mut self.extras, reason);
        }
    }

    /// Returns the states reachable in one move, in document order, each once. By [`Rules::Legacy`]
    /// only those with an entry of their own, as in [`resolve_move`](Self::resolve_move).
    pub fn next(&self, rules: Rules) -> impl Iterator<Item = StateId> + '_ {
        let definition = &self.definition;
        definition
            .next(self.current)
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
        document::write(&self.definition, body, self.current, reason, scratch)
    }

    /// Returns the allocation of the rare parts, for defragmentation.
    pub fn extras_mut(&mut self) -> Option<&mut Box<Extras>> {
        self.extras.as_mut()
    }

    /// Returns the same definition and reason in another state.
    #[must_use]
    pub fn in_state(&self, state: StateId) -> Self {
        let mut other = self.clone();
        other.current = state;
        other
    }

    /// Returns the heap blocks of this machine without its definition: address and bytes asked for.
    pub fn blocks(&self) -> impl Iterator<Item = (*const u8, usize)> + '_ {
        let own = (std::ptr::from_ref(self).cast(), size_of::<Self>());
        let extras = self.extras.iter().flat_map(|extras| extras.blocks());
        std::iter::once(own).chain(extras)
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
