//! Names of states and events in what a machine remembers: by number, or by their text where a
//! redefinition has taken them away.

use super::error::PartError;
use super::wire::{Cursor, put_varint};
use crate::definition::{Definition, EventId, StateId};

/// A state or an event that a machine remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    /// One of the definition, by its number.
    Known(u32),
    /// One that the definition lacks.
    Text(&'a str),
}

impl<'a> Name<'a> {
    /// Returns the name of a state.
    pub(crate) fn state(self, definition: &'a Definition) -> &'a [u8] {
        match self {
            Self::Known(state) => definition.name_bytes(state),
            Self::Text(text) => text.as_bytes(),
        }
    }

    /// Returns the name of an event.
    pub(crate) fn event(self, definition: &'a Definition) -> &'a [u8] {
        match self {
            Self::Known(event) => definition.event_name_bytes(event),
            Self::Text(text) => text.as_bytes(),
        }
    }

    /// Appends the name: twice its number; or, as text, twice its length, plus one, and the text.
    #[inline(always)]
    pub(super) fn put(self, out: &mut Vec<u8>) {
        match self {
            Self::Known(number) => put_varint(u64::from(number) << 1, out),
            Self::Text(text) => {
                put_varint(((text.len() as u64) << 1) | 1, out);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    #[inline(always)]
    pub(super) fn take(cursor: &mut Cursor<'a>) -> Result<Self, PartError> {
        let head = cursor.varint32()?;
        if head & 1 == 0 {
            return Ok(Self::Known(head >> 1));
        }
        Self::take_text(head, cursor)
    }

    fn take_text(head: u32, cursor: &mut Cursor<'a>) -> Result<Self, PartError> {
        let text = cursor.take((head >> 1) as usize)?;
        let text = std::str::from_utf8(text).map_err(|_| PartError::Text)?;
        Ok(Self::Text(text))
    }

    /// Checks that this is how a state is written where the definition is this one.
    pub(super) fn check_state(self, definition: &Definition) -> Result<(), PartError> {
        let states = definition.state_count();
        match self {
            Self::Known(state) if state as usize >= states => {
                Err(PartError::State { state, states })
            }
            Self::Text(text) if definition.find_state(text.as_bytes()).is_some() => {
                Err(PartError::NameIsKnown)
            }
            _ => Ok(()),
        }
    }

    /// Checks that this is how an event is written where the definition is this one.
    pub(super) fn check_event(self, definition: &Definition) -> Result<(), PartError> {
        let events = definition.event_count();
        match self {
            Self::Known(event) if event as usize > events => {
                Err(PartError::Event { event, events })
            }
            Self::Text(text) if definition.find_event(text.as_bytes()).is_some() => {
                Err(PartError::NameIsKnown)
            }
            _ => Ok(()),
        }
    }
}

/// Finds the names of one definition in another.
#[derive(Clone, Copy)]
pub(super) struct Translation<'a> {
    pub(super) old: &'a Definition,
    pub(super) new: &'a Definition,
}

impl<'a> Translation<'a> {
    /// Returns a remembered state as the new definition knows it. `most` bounds a text.
    pub(super) fn state(self, name: Name<'a>, most: usize) -> Name<'a> {
        let find = |name: &[u8]| self.new.find_state(name);
        Self::name(text(name.state(self.old)), most, find)
    }

    /// Returns a remembered event as the new definition knows it. `most` bounds a text.
    pub(super) fn event(self, name: Name<'a>, most: usize) -> Name<'a> {
        let find = |name: &[u8]| self.new.find_event(name);
        Self::name(text(name.event(self.old)), most, find)
    }

    /// A name that was cut can be another one of the definition. It is that one then, so that what
    /// stands as text is never a name of the definition.
    fn name(text: &'a str, most: usize, find: impl Fn(&[u8]) -> Option<u32>) -> Name<'a> {
        let short = super::wire::cut(text, most);
        let known = find(text.as_bytes()).or_else(|| find(short.as_bytes()));
        known.map_or(Name::Text(short), Name::Known)
    }
}

/// Returns a name as text, which every name of a definition is.
pub(super) fn text(name: &[u8]) -> &str {
    std::str::from_utf8(name).unwrap_or_default()
}

/// Returns the name of a state that the definition has.
pub(super) fn known_state<'a>(state: StateId) -> Name<'a> {
    Name::Known(state)
}

/// Returns the name of an event; none for the moves without a name.
pub(super) fn known_event<'a>(event: EventId) -> Option<Name<'a>> {
    (event != 0).then_some(Name::Known(event))
}
