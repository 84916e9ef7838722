//! What makes a machine anew where there is none: for an append-only file of commands.

use super::Machine;
use crate::rules::Rules;

/// What makes a machine anew: a document, and at times a forced move after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recreate<'a> {
    /// The document, to be read by [`Rules::Replayed`].
    pub document: Vec<u8>,
    /// The state to force the machine to, and the reason to give, if the document alone does not
    /// lead there.
    pub then_force: Option<(&'a [u8], &'a str)>,
}

impl Machine {
    /// Returns what makes this machine anew.
    ///
    /// A forced move is needed in two cases. The current state has the empty name, which a document
    /// cannot say, because an empty `current` means `initial`. Or the definition has a state that is
    /// nowhere in the map and not current, which a document can say only by naming it as the current
    /// one.
    pub fn recreate(&self) -> Recreate<'_> {
        let definition = self.definition();
        let is_nameless = self.current_name_bytes().is_empty();
        let cannot_be_said = is_nameless && self.current() != definition.initial();
        let unlisted = definition.unlisted_state();
        let unlisted = unlisted.filter(|&state| state != self.current());
        if !cannot_be_said && unlisted.is_none() {
            return Recreate {
                document: self.render(Rules::Documented),
                then_force: None,
            };
        }
        let first = self.in_state(unlisted.unwrap_or(definition.initial()));
        Recreate {
            document: first.render(Rules::Documented),
            then_force: Some((self.current_name_bytes(), self.reason())),
        }
    }
}
