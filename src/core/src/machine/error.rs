//! What can be wrong with the stored parts of a machine.

use std::fmt;

use crate::definition::StateId;

/// A part of a machine that an encoder would not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartError {
    Short,
    Varint,
    Length(usize),
    Text,
    Trailing(usize),
    State { state: StateId, states: usize },
    Event { event: u32, events: usize },
    NameIsKnown,
    RequestKind(u8),
    Ids(&'static str),
    History(&'static str),
    Times(&'static str),
}

impl fmt::Display for PartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "record ends too early"),
            Self::Varint => write!(f, "damaged number in record"),
            Self::Length(got) => write!(f, "a text of {got} bytes where that is no length"),
            Self::Text => write!(f, "a text is not UTF-8"),
            Self::Trailing(got) => write!(f, "{got} bytes too many at the end of a part"),
            Self::State { state, states } => {
                write!(f, "state number {state}, but there are {states} states")
            }
            Self::Event { event, events } => {
                write!(f, "event number {event}, but there are {events} events")
            }
            Self::NameIsKnown => {
                write!(f, "a name stands as text, although the definition has it")
            }
            Self::RequestKind(got) => write!(f, "unknown kind of request {got:#04x}"),
            Self::Ids(why) => write!(f, "damaged request ids: {why}"),
            Self::History(why) => write!(f, "damaged history: {why}"),
            Self::Times(why) => write!(f, "damaged times: {why}"),
        }
    }
}
