//! What makes a machine anew where there is none: for an append-only file of commands.

use super::write::RecordWriter;
use crate::definition::StateId;
use crate::machine::Machine;
use crate::rules::Rules;

/// What makes a machine anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recreate<'a> {
    /// Commands that a person can read.
    Commands {
        /// The document for `SM.SET`, to be read by [`Rules::Replayed`].
        document: Vec<u8>,
        /// The state to force the machine to, and the reason to give, by `SM.MUTATE`.
        then_force: Option<(&'a [u8], &'a str)>,
    },
    /// The record for `SM.LOAD`, which is in no file.
    Record(Vec<u8>),
}

impl Machine {
    /// Returns what makes this machine anew: commands where they can say all of it, else its record.
    ///
    /// `SM.SET` makes a machine at version 1, and a forced move after it one at version 2. No command
    /// can say another version, request ids, times or a history.
    ///
    /// A document alone doesn't do at version 1 in two cases. The current state has the empty name,
    /// which a document cannot say, because an empty `current` means `initial`. Or the definition has
    /// a state that is nowhere in the map and not current, which a document can say only by naming it
    /// as the current one.
    pub fn recreate(&self) -> Recreate<'_> {
        let parts = self.stored_parts();
        let is_simple = parts.ids.is_empty() && parts.times.is_none();
        let commands = match parts.version {
            1 if is_simple => self.as_document(),
            2 if is_simple => Some(self.as_forced_move()),
            _ => None,
        };
        commands.unwrap_or_else(|| {
            let mut record = Vec::new();
            RecordWriter::new().write(self, &mut record);
            Recreate::Record(record)
        })
    }

    fn as_document(&self) -> Option<Recreate<'_>> {
        let definition = self.definition();
        let is_nameless = self.current_name_bytes().is_empty();
        let cannot_be_said = is_nameless && self.current() != definition.initial();
        if cannot_be_said || self.other_unlisted_state().is_some() {
            return None;
        }
        Some(Recreate::Commands {
            document: self.render(Rules::Documented),
            then_force: None,
        })
    }

    fn as_forced_move(&self) -> Recreate<'_> {
        // A state that only a current state can name has to be in the document even if the move leads
        // back to it.
        let definition = self.definition();
        let first = definition.unlisted_state();
        let mut first = self.in_state(first.unwrap_or(definition.initial()));
        first.set_reason("");
        Recreate::Commands {
            document: first.render(Rules::Documented),
            then_force: Some((self.current_name_bytes(), self.reason())),
        }
    }

    /// Returns the state that only the current state of a document can name, if it isn't this
    /// machine's.
    fn other_unlisted_state(&self) -> Option<StateId> {
        let unlisted = self.definition().unlisted_state();
        unlisted.filter(|&state| state != self.current())
    }
}
