//! A stand-in for named events and timers until they are in the archive: to be deleted when they
//! are. Without [`pretend`] a definition has neither.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Definition, StateId};

/// An event's index within its definition; 0 is the moves without a name.
pub type EventId = u32;

/// The one timer of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// How long after the entry it is due, in ms, unless a move says otherwise. `None`: there is a
    /// timer only if a move gives one.
    pub ms: Option<u64>,
    /// Where its move leads; `None` deletes the key.
    pub target: Option<StateId>,
}

/// The targets of an event in a state.
#[derive(Debug, Clone)]
pub struct Fire<'a>(std::borrow::Cow<'a, [StateId]>);

impl Fire<'_> {
    /// Returns whether the event can't be fired.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether the event leads there.
    pub fn contains(&self, state: StateId) -> bool {
        self.0.contains(&state)
    }

    /// Returns the targets in document order.
    pub fn iter(&self) -> impl Iterator<Item = StateId> + '_ {
        self.0.iter().copied()
    }
}

/// What a test pretends of a definition.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Pretend {
    /// Names from number 1 on.
    pub events: Vec<String>,
    /// What an event leads to, 0 included.
    pub fires: HashMap<(StateId, EventId), Vec<StateId>>,
    pub timers: HashMap<StateId, Timer>,
    pub history: u8,
}

static ANY: AtomicBool = AtomicBool::new(false);

thread_local! {
    static TABLES: RefCell<HashMap<Vec<u8>, Rc<Pretend>>> = RefCell::default();
}

/// Makes this thread believe that a definition has events, timers and a history.
#[doc(hidden)]
pub fn pretend(definition: &Definition, what: Pretend) {
    ANY.store(true, Ordering::Relaxed);
    TABLES.with_borrow_mut(|tables| {
        tables.insert(definition.archive().to_vec(), Rc::new(what));
    });
}

fn pretended(definition: &Definition) -> Option<Rc<Pretend>> {
    if !ANY.load(Ordering::Relaxed) {
        return None;
    }
    TABLES.with_borrow(|tables| tables.get(definition.archive()).cloned())
}

impl Definition {
    /// Returns the event of that name; 0 for the empty one.
    pub fn find_event(&self, name: &[u8]) -> Option<EventId> {
        if name.is_empty() {
            return Some(0);
        }
        let events = pretended(self)?;
        let mut names = (1..).zip(&events.events);
        names.find_map(|(event, known)| (known.as_bytes() == name).then_some(event))
    }

    /// Returns the name of an event; empty for 0 and for an ID that is not in the definition.
    pub fn event_name_bytes(&self, event: EventId) -> &[u8] {
        let Some(events) = pretended(self) else {
            return b"";
        };
        let before = (event as usize).checked_sub(1);
        let name = before.and_then(|at| events.events.get(at));
        name.map_or(b"", |name| {
            Box::leak(name.clone().into_boxed_str()).as_bytes()
        })
    }

    /// Returns the number of named events.
    pub fn event_count(&self) -> usize {
        pretended(self).map_or(0, |events| events.events.len())
    }

    /// Returns where an event leads from a state.
    pub fn fire(&self, from: StateId, event: EventId) -> Fire<'_> {
        let targets = match pretended(self) {
            Some(events) => events.fires.get(&(from, event)).cloned(),
            None if event == 0 => Some(self.targets(from).collect()),
            None => None,
        };
        Fire(targets.unwrap_or_default().into())
    }

    /// Returns the timer of a state.
    pub fn timer(&self, state: StateId) -> Option<Timer> {
        pretended(self)?.timers.get(&state).copied()
    }

    /// Returns whether machines know times: whether there are timers or a history.
    pub fn is_timed(&self) -> bool {
        pretended(self).is_some_and(|what| what.history > 0 || !what.timers.is_empty())
    }

    /// Returns how many moves a machine remembers; 0 for none.
    pub fn history_limit(&self) -> u8 {
        pretended(self).map_or(0, |what| what.history)
    }
}
