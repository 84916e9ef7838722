//! A machine: the value of one key.

use std::sync::Arc;

use crate::archive::StateId;
use crate::definition::Definition;
use crate::dialect::Dialect;
use crate::json;

/// A definition, the current state, the reason of the last move.
///
/// Three words and no more: parts that few machines have are behind one pointer.
#[derive(Debug, Clone)]
pub struct Machine {
    definition: Arc<Definition>,
    extras: Option<Box<Extras>>,
    state: StateId,
}

/// What few machines have.
#[derive(Debug, Clone)]
pub struct Extras {
    /// Never empty.
    reason: Box<str>,
}

impl Extras {
    /// The reason's block, for who moves blocks in memory. The text has to stay as it is.
    pub fn reason_mut(&mut self) -> &mut Box<str> {
        &mut self.reason
    }
}

impl Machine {
    pub(crate) fn new(definition: Arc<Definition>, state: StateId) -> Self {
        Self {
            definition,
            extras: None,
            state,
        }
    }

    /// The definition that this machine shares with others.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The current state.
    pub fn state(&self) -> StateId {
        self.state
    }

    /// The name of the current state.
    pub fn state_name(&self) -> &str {
        self.definition.name(self.state)
    }

    /// The name of the current state as bytes, for replies.
    #[inline(always)]
    pub fn state_bytes(&self) -> &[u8] {
        self.definition.name_bytes(self.state)
    }

    /// The reason of the last move; empty if it gave none.
    #[inline]
    pub fn reason(&self) -> &str {
        self.extras.as_ref().map_or("", |extras| &extras.reason)
    }

    /// The state of that name, if this machine may move to it now: there has to be a transition
    /// from the current state, or force and a known state. What counts as known is up to the
    /// dialect.
    #[inline]
    pub fn target(&self, name: &[u8], force: bool, dialect: Dialect) -> Option<StateId> {
        let target = self.definition.state(name)?;
        let known = dialect == Dialect::Documented || self.definition.is_key(target);
        let allowed = force || self.definition.allows(self.state, target);
        (known && allowed).then_some(target)
    }

    /// Moves to a state of this machine's definition. `None` keeps the reason as it is.
    #[inline]
    pub fn enter(&mut self, state: StateId, reason: Option<&str>) {
        debug_assert!((state as usize) < self.definition.states());
        self.state = state;
        if let Some(reason) = reason {
            self.set_reason(reason);
        }
    }

    /// Sets the reason; an empty one is none.
    #[inline]
    pub fn set_reason(&mut self, reason: &str) {
        match (&mut self.extras, reason.is_empty()) {
            (None, true) => {}
            (extras, true) => *extras = None,
            (Some(extras), false) => extras.reason = reason.into(),
            (extras, false) => {
                *extras = Some(Box::new(Extras {
                    reason: reason.into(),
                }));
            }
        }
    }

    /// The states reachable in one move, in document order, each once. In [`Dialect::Edge`] only
    /// those with an entry of their own, as [`target`](Self::target) has it.
    pub fn next(&self, dialect: Dialect) -> impl Iterator<Item = StateId> + '_ {
        let definition = &self.definition;
        definition
            .next(self.state)
            .filter(move |&state| dialect == Dialect::Documented || definition.is_key(state))
    }

    /// The document of this machine in normal form. In [`Dialect::Edge`] `reason` is always there.
    pub fn to_json(&self, dialect: Dialect) -> Vec<u8> {
        let mut out = Vec::new();
        let end = self.write(dialect, &mut out).end;
        out.truncate(end);
        out
    }

    /// As [`to_json`](Self::to_json), for documents that are asked for again and again: into a
    /// buffer that is used for all of them (what it held before does not matter and is not
    /// cleared), and the part that this definition's machines have in common is kept.
    pub fn read_json<'a>(&self, dialect: Dialect, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let written = self.write(dialect, scratch);
        if self.definition.text().is_none() {
            self.definition.keep_text(&scratch[written.text]);
        }
        &scratch[..written.end]
    }

    fn write(&self, dialect: Dialect, scratch: &mut Vec<u8>) -> json::Written {
        let reason = json::Reason {
            text: self.reason(),
            always: dialect == Dialect::Edge,
        };
        json::write(&self.definition, self.state, reason, scratch)
    }

    /// What makes this machine anew where there is none: the document of an `SM.SET`, and whether a
    /// forced move to its current state, with its reason, has to follow.
    ///
    /// It has to in two cases: the current state has the empty name, which a document cannot say; or
    /// the definition has a state that is in no row, which a document can say only as the current
    /// one.
    pub fn to_commands(&self) -> (Vec<u8>, bool) {
        let definition = &self.definition;
        let nameless = self.state_bytes().is_empty() && self.state != definition.initial();
        let foreign = definition.foreign().filter(|&state| state != self.state);
        if !nameless && foreign.is_none() {
            return (self.to_json(Dialect::Documented), false);
        }
        let first = self.in_state(foreign.unwrap_or(definition.initial()));
        (first.to_json(Dialect::Documented), true)
    }

    /// The block of rare parts, for who moves blocks in memory.
    pub fn extras_mut(&mut self) -> Option<&mut Box<Extras>> {
        self.extras.as_mut()
    }

    /// The same definition and reason, in another state.
    pub fn in_state(&self, state: StateId) -> Self {
        let mut other = self.clone();
        other.state = state;
        other
    }

    /// The heap blocks of this machine but for its definition: address and bytes asked for.
    pub fn blocks(&self) -> impl Iterator<Item = (*const u8, usize)> + '_ {
        let extras = self.extras.iter().flat_map(|extras| {
            let own = (std::ptr::from_ref(&**extras).cast(), size_of::<Extras>());
            [own, (extras.reason.as_ptr(), extras.reason.len())]
        });
        std::iter::once((std::ptr::from_ref(self).cast(), size_of::<Self>())).chain(extras)
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
