//! A machine is counted in its definition, in the state in which it is: everything that makes a machine,
//! puts it elsewhere or drops it is here.

use std::sync::Arc;

use super::Machine;
use super::body::{Body, Position};
use crate::definition::StateId;
use crate::interner::Interned;

impl Machine {
    pub(crate) fn new(definition: Arc<Interned>, current: StateId) -> Self {
        Self::counted(definition, Body::Plain(Position::new(current, 1)))
    }

    fn counted(definition: Arc<Interned>, body: Body) -> Self {
        definition.counts().add(body.position().state());
        Self { definition, body }
    }

    /// Puts the machine in a state of its definition, at a version.
    #[inline(always)]
    pub(super) fn set_position(&mut self, state: StateId, version: u32) {
        self.definition.counts().shift(self.current(), state);
        self.body.set_position(Position::new(state, version));
    }

    /// Puts the machine in a state of another definition, at a version.
    pub(super) fn redefine(&mut self, definition: &Arc<Interned>, state: StateId, version: u32) {
        self.definition.counts().remove(self.current());
        definition.counts().add(state);
        self.definition = Arc::clone(definition);
        self.body.set_position(Position::new(state, version));
    }
}

impl Clone for Machine {
    fn clone(&self) -> Self {
        Self::counted(Arc::clone(&self.definition), self.body.clone())
    }
}

impl Drop for Machine {
    #[inline]
    fn drop(&mut self) {
        self.definition.counts().remove(self.current());
    }
}
