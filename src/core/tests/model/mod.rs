//! The naive model: a machine as strings in hash maps and lists, read by `serde_json`.
//!
//! Nothing here shares code or ideas with the crate: no IDs, no archive, no interning, another JSON
//! parser. The property tests, the fuzz targets and the benchmarks all use this one model.
#![allow(dead_code, reason = "each user needs a part of it")]

pub mod deadlines;
mod json;
pub mod life;
mod read;
pub mod workflow;

use std::collections::{HashMap, HashSet};

use redis_state_core::{Definition, Fire, Force, Machine, Rules, StateId};
use serde_json::{Map, Value};

/// Every set of rules.
pub const ALL_RULES: [Rules; 3] = [Rules::Documented, Rules::Replayed, Rules::Legacy];

/// Events, each with its targets, in document order. The event of moves without a name is empty.
pub type Events = Vec<(String, Vec<String>)>;

/// A timer: after how many milliseconds, and where it leads.
pub type Timer = (Option<u64>, Option<String>);

/// What a document of version 1.0 couldn't say, but for named events in the map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct New {
    /// The events of every state.
    pub any: Events,
    /// The timers, by state.
    pub after: Vec<(String, Timer)>,
    /// How many moves are remembered; 0 for none.
    pub history: u8,
    /// The definition's name, empty for none.
    pub name: String,
    /// The definition's revision.
    pub revision: Option<u32>,
}

/// A machine as one writes it without a thought for speed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The map's keys in document order.
    pub keys: Vec<String>,
    /// From state to its entry. Moves without a name are an entry only where there are some.
    pub map: HashMap<String, Events>,
    /// What is new since version 1.0.
    pub new: New,
    /// The state in which a machine starts.
    pub initial: String,
    /// The current state.
    pub current: String,
    /// The reason of the last move, empty for none.
    pub reason: String,
    /// Every state, by first appearance: keys, targets, `any`, timers, initial, the document's
    /// current state.
    pub states: Vec<String>,
}

impl Model {
    /// Makes a machine from rows without events. An empty `current` means `initial`. No key may come
    /// twice.
    pub fn new(
        rows: Vec<(String, Vec<String>)>,
        initial: &str,
        current: &str,
        reason: &str,
    ) -> Self {
        let row = |(key, targets)| (key, vec![(String::new(), targets)]);
        let rows = rows.into_iter().map(row).collect();
        Self::with_events(rows, New::default(), initial, current, reason)
    }

    /// Makes a machine from everything that a document can say. No event may come twice in an entry,
    /// and none in `any` may be nameless or lead nowhere.
    pub fn with_events(
        rows: Vec<(String, Events)>,
        new: New,
        initial: &str,
        current: &str,
        reason: &str,
    ) -> Self {
        let current = if current.is_empty() { initial } else { current };
        let keys: Vec<String> = rows.iter().map(|(key, _)| key.clone()).collect();
        let entries = rows.iter().flat_map(|(_, row)| row).chain(&new.any);
        let targets = entries.flat_map(|(_, targets)| targets.clone());
        let timers = new.after.iter().filter_map(|(_, (_, to))| to.clone());
        let ends = [initial.to_owned(), current.to_owned()];
        let mut seen = HashSet::new();
        let states = keys
            .iter()
            .cloned()
            .chain(targets)
            .chain(timers)
            .chain(ends);
        let entry = |(key, mut row): (String, Events)| {
            row.retain(|(event, targets)| !event.is_empty() || !targets.is_empty());
            (key, row)
        };
        Self {
            states: states.filter(|name| seen.insert(name.clone())).collect(),
            keys,
            map: rows.into_iter().map(entry).collect(),
            new,
            initial: initial.to_owned(),
            current: current.to_owned(),
            reason: reason.to_owned(),
        }
    }

    /// Makes the machine whose only state has the empty name, as SM.CREATE does.
    pub fn blank() -> Self {
        Self::new(Vec::new(), "", "", "")
    }

    /// Returns a state's own entry.
    fn own(&self, state: &str) -> &[(String, Vec<String>)] {
        self.map.get(state).map_or(&[], |row| row)
    }

    /// Returns where an event leads from a state.
    pub fn fire(&self, state: &str, event: &str) -> Vec<&str> {
        let is_it = |(name, _): &&(String, Vec<String>)| name == event;
        if let Some((_, targets)) = self.own(state).iter().find(is_it) {
            return targets.iter().map(String::as_str).collect();
        }
        let inherited = self.new.any.iter().find(is_it);
        let targets = inherited.map_or(&[][..], |(_, targets)| targets);
        let others = targets.iter().filter(|target| *target != state);
        others.map(String::as_str).collect()
    }

    /// Returns the events that lead somewhere from a state, and where.
    pub fn events(&self, state: &str) -> Vec<(&str, Vec<&str>)> {
        let own = self.own(state);
        let inherited = self.new.any.iter();
        let inherited = inherited.filter(|(event, _)| !own.iter().any(|(name, _)| name == event));
        let names = own.iter().chain(inherited).map(|(event, _)| event.as_str());
        let mut events: Vec<_> = names
            .map(|event| (event, self.fire(state, event)))
            .collect();
        events.retain(|(_, targets)| !targets.is_empty());
        events
    }

    /// Returns the states to which a caller's move leads, repeats included.
    pub fn targets(&self, state: &str) -> Vec<&str> {
        let events = self.events(state).into_iter();
        events.flat_map(|(_, targets)| targets).collect()
    }

    /// Returns whether the machine may move there now.
    pub fn may_move(&self, to: &[u8], force: Force, rules: Rules) -> bool {
        let mut known = match rules {
            Rules::Documented | Rules::Replayed => self.states.iter(),
            Rules::Legacy => self.keys.iter(),
        };
        let is_target = || {
            let targets = self.targets(&self.current);
            targets.iter().any(|name| name.as_bytes() == to)
        };
        known.any(|name| name.as_bytes() == to) && (force == Force::Yes || is_target())
    }

    /// Returns the states to which the machine may move now, each once.
    pub fn next(&self, rules: Rules) -> Vec<&str> {
        let mut seen = HashSet::new();
        let mut next = self.targets(&self.current);
        let keys: HashSet<&str> = self.keys.iter().map(String::as_str).collect();
        next.retain(|name| (rules != Rules::Legacy || keys.contains(name)) && seen.insert(*name));
        next
    }

    /// Moves to a state without checks. `None` keeps the reason as it is.
    pub fn enter(&mut self, to: &str, reason: Option<&str>) {
        self.current = to.to_owned();
        if let Some(reason) = reason {
            self.reason = reason.to_owned();
        }
    }

    /// Writes the document in normal form, with `serde_json`.
    pub fn render(&self, rules: Rules) -> Vec<u8> {
        let mut map = Map::new();
        for key in &self.keys {
            map.insert(key.clone(), row_value(&self.map[key]));
        }
        let mut document = Map::new();
        document.insert("current".into(), self.current.clone().into());
        document.insert("map".into(), map.into());
        self.new.write(&mut document);
        document.insert("initial".into(), self.initial.clone().into());
        if rules == Rules::Legacy || !self.reason.is_empty() {
            document.insert("reason".into(), self.reason.clone().into());
        }
        Value::from(document).to_string().into_bytes()
    }

    /// Panics unless the machine gives this one's answer to everything that can be asked of it.
    pub fn assert_is(&self, machine: &Machine) {
        let definition = machine.definition();
        assert_eq!(machine.current_name(), self.current);
        assert_eq!(machine.current_name_bytes(), self.current.as_bytes());
        assert_eq!(machine.reason(), self.reason);
        assert_eq!(definition.name(definition.initial()), self.initial);
        let names: Vec<&str> = definition
            .state_ids()
            .map(|id| definition.name(id))
            .collect();
        assert_eq!(names, self.states);
        assert_eq!(definition.row_count(), self.keys.len());
        assert_eq!(names[..self.keys.len()], self.keys);
        let rows = self.map.values().flatten().chain(&self.new.any);
        let transitions: usize = rows.map(|(_, targets)| targets.len()).sum();
        assert_eq!(definition.transition_count(), transitions);
        self.assert_new(definition);
        for rules in ALL_RULES {
            assert_eq!(machine.render(rules), self.render(rules));
        }
    }

    /// Panics unless the definition has what is new in this model.
    fn assert_new(&self, definition: &Definition) {
        let New { after, history, .. } = &self.new;
        for name in &self.states {
            let timer = after.iter().find(|(state, _)| state == name);
            let state = definition.find_state(name.as_bytes()).unwrap();
            let found = definition.timer(state);
            let target = |to: StateId| definition.name(to).to_owned();
            let found = found.map(|timer| (timer.ms, timer.target.map(target)));
            assert_eq!(found.as_ref(), timer.map(|(_, timer)| timer));
        }
        assert_eq!(definition.history_limit(), *history);
        assert_eq!(definition.is_timed(), *history > 0 || !after.is_empty());
        assert_eq!(definition.label().unwrap_or_default(), self.new.name);
        assert_eq!(definition.revision(), self.new.revision);
        assert_eq!(definition.has_any(), !self.new.any.is_empty());
        let names = self.event_names();
        assert_eq!(definition.event_count(), names.len());
        for (event, name) in (1..).zip(&names) {
            assert_eq!(definition.find_event(name.as_bytes()), Some(event));
            assert_eq!(definition.event_name_bytes(event), name.as_bytes());
        }
        assert_eq!(definition.find_event(b""), Some(0));
        assert_eq!(definition.find_event(b"no such event"), None);
    }

    /// Returns the named events by first appearance.
    pub fn event_names(&self) -> Vec<String> {
        let rows = self.keys.iter().flat_map(|key| &self.map[key]);
        let entries = rows.chain(&self.new.any);
        let mut seen = HashSet::from([""]);
        let names = entries.map(|(event, _)| event.as_str());
        names
            .filter(|name| seen.insert(name))
            .map(str::to_owned)
            .collect()
    }

    /// Panics unless the machine allows exactly the moves that the model allows.
    pub fn assert_moves(&self, machine: &Machine) {
        let unknown = ["", "no such state", "a\0"].map(str::to_owned);
        for name in self.states.iter().chain(&unknown) {
            for force in [Force::No, Force::Yes] {
                for rules in ALL_RULES {
                    let target = machine.resolve_move(name.as_bytes(), force, rules);
                    let allowed = self.may_move(name.as_bytes(), force, rules);
                    assert_eq!(target.is_some(), allowed, "{name:?} {force:?} {rules:?}");
                    let entered = target.map(|state| machine.definition().name(state));
                    assert!(entered.is_none_or(|entered| entered == name));
                }
            }
        }
        for rules in ALL_RULES {
            let next = machine
                .next(rules)
                .map(|state| machine.definition().name(state));
            assert!(next.eq(self.next(rules)), "{rules:?}");
        }
        self.assert_events(machine.definition(), machine.current());
    }

    /// Panics unless events lead where the model says.
    fn assert_events(&self, definition: &Definition, state: StateId) {
        let name = |id: StateId| definition.name(id);
        let event_name = |event| std::str::from_utf8(definition.event_name_bytes(event)).unwrap();
        let names = |fire: Fire<'_>| fire.iter().map(name).collect::<Vec<&str>>();
        let events = definition.events(state);
        let events: Vec<_> = events
            .map(|(event, fire)| (event_name(event), names(fire)))
            .collect();
        assert_eq!(events, self.events(&self.current));
        assert_eq!(definition.is_terminal(state), events.is_empty());
        let all = self.event_names();
        for event in all.iter().map(String::as_str).chain([""]) {
            let fire = definition.fire(state, definition.find_event(event.as_bytes()).unwrap());
            let expected = self.fire(&self.current, event);
            assert_eq!(names(fire), expected);
            assert_eq!(fire.len(), expected.len());
            assert_eq!(fire.is_empty(), expected.is_empty());
            let only = expected.first();
            let only = only.filter(|first| expected.iter().all(|to| to == *first));
            assert_eq!(fire.only().map(name), only.copied());
            for id in definition.state_ids() {
                assert_eq!(fire.contains(id), expected.contains(&name(id)));
            }
        }
        let unknown = u32::try_from(all.len() + 1).unwrap();
        assert!(definition.fire(state, unknown).is_empty());
    }
}

impl New {
    /// Adds the fields to a document.
    fn write(&self, document: &mut Map<String, Value>) {
        if !self.any.is_empty() {
            document.insert("any".into(), events_value(&self.any));
        }
        if !self.after.is_empty() {
            let timer = |(state, (ms, to)): &(String, Timer)| {
                let mut timer = Map::new();
                if let Some(ms) = ms {
                    timer.insert("ms".into(), (*ms).into());
                }
                timer.insert("to".into(), to.clone().into());
                (state.clone(), timer.into())
            };
            let timers: Map<String, Value> = self.after.iter().map(timer).collect();
            document.insert("after".into(), timers.into());
        }
        if self.history > 0 {
            document.insert("history".into(), self.history.into());
        }
        if !self.name.is_empty() {
            document.insert("name".into(), self.name.clone().into());
        }
        if let Some(revision) = self.revision {
            document.insert("revision".into(), revision.into());
        }
    }
}

/// Returns an entry of the map in normal form.
fn row_value(row: &Events) -> Value {
    match &row[..] {
        [] => Value::Array(Vec::new()),
        [(event, targets)] if event.is_empty() => targets.clone().into(),
        row => events_value(row),
    }
}

/// Returns events in normal form.
fn events_value(events: &[(String, Vec<String>)]) -> Value {
    let entry = |(event, targets): &(String, Vec<String>)| {
        let value = match &targets[..] {
            [target] => target.clone().into(),
            targets => targets.to_vec().into(),
        };
        (event.clone(), value)
    };
    Value::Object(events.iter().map(entry).collect())
}
