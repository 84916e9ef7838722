//! The naive model: a machine as a `HashMap<String, Vec<String>>`, read by `serde_json`.
//!
//! Nothing here shares code or ideas with the crate: no IDs, no archive, no interning, another JSON
//! parser. The property tests, the fuzz targets and the benchmarks all use this one model.
#![allow(dead_code, reason = "each user needs a part of it")]

mod json;
pub mod life;
pub mod workflow;

use std::collections::{HashMap, HashSet};

use redis_state_core::{Force, Machine, Rules};

use self::json::Json;

/// Every set of rules.
pub const ALL_RULES: [Rules; 3] = [Rules::Documented, Rules::Replayed, Rules::Legacy];

/// A machine as one writes it without a thought for speed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The map's keys in document order.
    pub keys: Vec<String>,
    /// From state to the states reachable from it, repeats included.
    pub map: HashMap<String, Vec<String>>,
    /// The state in which a machine starts.
    pub initial: String,
    /// The current state.
    pub current: String,
    /// The reason of the last move, empty for none.
    pub reason: String,
    /// Every state, by first appearance: keys, targets, initial, the document's current state.
    pub states: Vec<String>,
}

impl Model {
    /// Makes a machine from its rows. An empty `current` means `initial`. No key may come twice.
    pub fn new(
        rows: Vec<(String, Vec<String>)>,
        initial: &str,
        current: &str,
        reason: &str,
    ) -> Self {
        let current = if current.is_empty() { initial } else { current };
        let keys: Vec<String> = rows.iter().map(|(key, _)| key.clone()).collect();
        let targets = rows.iter().flat_map(|(_, targets)| targets.clone());
        let ends = [initial.to_owned(), current.to_owned()];
        let mut seen = HashSet::new();
        let states = keys.iter().cloned().chain(targets).chain(ends);
        Self {
            states: states.filter(|name| seen.insert(name.clone())).collect(),
            keys,
            map: rows.into_iter().collect(),
            initial: initial.to_owned(),
            current: current.to_owned(),
            reason: reason.to_owned(),
        }
    }

    /// Makes the machine whose only state has the empty name, as SM.CREATE does.
    pub fn blank() -> Self {
        Self::new(Vec::new(), "", "", "")
    }

    /// Reads the machine of a document, if the document is one. `argument`, if given and not empty,
    /// wins over the document's current state. By the documented rules a current state is a key, a
    /// target or the initial state.
    pub fn read(text: &[u8], argument: Option<&[u8]>, rules: Rules) -> Option<Self> {
        let argument = std::str::from_utf8(argument.unwrap_or_default()).ok()?;
        let document = Json::read(text)?;
        if document.depth() > json::MAX_DEPTH {
            return None;
        }
        let fields = document.into_object()?;
        let [mut current, mut initial, mut reason] = [None, None, None];
        let mut map = None;
        for (name, value) in fields {
            match name.as_str() {
                "current" => put(&mut current, value.into_string()?)?,
                "initial" => put(&mut initial, value.into_string()?)?,
                "reason" => put(&mut reason, value.into_string()?)?,
                "map" => put(&mut map, rows(value)?)?,
                _ if rules == Rules::Legacy => {}
                _ => return None,
            }
        }
        let own = current.unwrap_or_default();
        let current = if argument.is_empty() { &own } else { argument };
        let reason = reason.unwrap_or_default();
        let (map, initial) = (map?, initial?);
        let blank = Self::new(map.clone(), &initial, "", "");
        let is_listed = current.is_empty() || blank.states.iter().any(|name| name == current);
        if rules == Rules::Documented && !is_listed {
            return None;
        }
        Some(Self::new(map, &initial, current, &reason))
    }

    /// Returns whether the machine may move there now.
    pub fn may_move(&self, to: &[u8], force: Force, rules: Rules) -> bool {
        let known = match rules {
            Rules::Documented | Rules::Replayed => {
                self.states.iter().any(|name| name.as_bytes() == to)
            }
            Rules::Legacy => self.keys.iter().any(|name| name.as_bytes() == to),
        };
        let row = self.map.get(&self.current);
        known
            && (force == Force::Yes
                || row.is_some_and(|row| row.iter().any(|name| name.as_bytes() == to)))
    }

    /// Returns the states to which the machine may move now, each once.
    pub fn next(&self, rules: Rules) -> Vec<String> {
        let mut seen = HashSet::new();
        let row = self.map.get(&self.current).into_iter().flatten();
        row.filter(|name| self.may_move(name.as_bytes(), Force::No, rules) && seen.insert(*name))
            .cloned()
            .collect()
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
        let mut map = serde_json::Map::new();
        for key in &self.keys {
            map.insert(key.clone(), self.map[key].clone().into());
        }
        let mut document = serde_json::Map::new();
        document.insert("current".into(), self.current.clone().into());
        document.insert("map".into(), map.into());
        document.insert("initial".into(), self.initial.clone().into());
        if rules == Rules::Legacy || !self.reason.is_empty() {
            document.insert("reason".into(), self.reason.clone().into());
        }
        serde_json::Value::from(document).to_string().into_bytes()
    }

    /// Panics unless the machine gives this one's answer to everything that can be asked of it.
    pub fn assert_is(&self, machine: &Machine) {
        let definition = machine.definition();
        assert_eq!(machine.current_name(), self.current);
        assert_eq!(machine.current_name_bytes(), self.current.as_bytes());
        assert_eq!(machine.reason(), self.reason);
        assert_eq!(definition.name(definition.initial()), self.initial);
        let ids = 0..u32::try_from(definition.state_count()).unwrap();
        let names: Vec<&str> = ids.map(|state| definition.name(state)).collect();
        assert_eq!(names, self.states);
        assert_eq!(definition.row_count(), self.keys.len());
        assert_eq!(names[..self.keys.len()], self.keys);
        let targets: Vec<&str> = definition
            .targets(machine.current())
            .map(|to| definition.name(to))
            .collect();
        assert_eq!(targets, *self.map.get(&self.current).unwrap_or(&Vec::new()));
        let transitions: usize = self.map.values().map(Vec::len).sum();
        assert_eq!(definition.transition_count(), transitions);
        for rules in ALL_RULES {
            assert_eq!(machine.render(rules), self.render(rules));
        }
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
    }
}

/// Sets a field that must not be set yet.
fn put<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// Reads the rows of a map. `None` if a key comes twice or a row is not a list of names.
fn rows(map: Json) -> Option<Vec<(String, Vec<String>)>> {
    let mut seen = HashSet::new();
    let row = |(key, targets): (String, Json)| {
        let targets = targets.into_array()?.into_iter().map(Json::into_string);
        seen.insert(key.clone()).then_some(())?;
        Some((key, targets.collect::<Option<Vec<String>>>()?))
    };
    map.into_object()?.into_iter().map(row).collect()
}
