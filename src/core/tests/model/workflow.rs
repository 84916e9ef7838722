//! A definition with events, timers and a history, as lists of names.

use serde_json::{Map, Value, json};

/// Events, and where each leads.
pub type Row = Vec<(String, Vec<String>)>;

/// A state, the time and the target of its timer.
pub type After = (String, Option<u64>, Option<String>);

/// A definition as one would write it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// For each state its events, `""` for the moves without a name, and where they lead.
    pub map: Vec<(String, Row)>,
    /// The events that every state has, each with a name and a target.
    pub any: Row,
    /// For each state that has a timer its time and its target.
    pub after: Vec<After>,
    /// How many moves are remembered.
    pub history: u8,
    /// The state in which a machine starts.
    pub initial: String,
}

impl Workflow {
    /// Returns whether this is one of the states. All states have an entry in the map.
    pub fn has_state(&self, name: &str) -> bool {
        self.map.iter().any(|(state, _)| state == name)
    }

    /// Returns whether this is one of the events; `""` always is.
    pub fn has_event(&self, name: &str) -> bool {
        let rows = self.map.iter().flat_map(|(_, row)| row);
        name.is_empty() || rows.chain(&self.any).any(|(event, _)| event == name)
    }

    /// Returns where an event leads.
    pub fn fire(&self, from: &str, event: &str) -> Vec<String> {
        let row = self.map.iter().find(|(state, _)| state == from);
        let own = row.and_then(|(_, row)| row.iter().find(|(name, _)| name == event));
        if let Some((_, targets)) = own {
            return targets.clone();
        }
        let any = self.any.iter().find(|(name, _)| name == event);
        let targets = any.map(|(_, targets)| targets.clone()).unwrap_or_default();
        targets.into_iter().filter(|to| to != from).collect()
    }

    /// Returns all events of a state: its own first.
    pub fn events(&self, from: &str) -> Vec<String> {
        let row = self.map.iter().find(|(state, _)| state == from);
        let own = row.into_iter().flat_map(|(_, row)| row);
        let mut events: Vec<String> = own.map(|(event, _)| event.clone()).collect();
        for (event, _) in &self.any {
            if !events.contains(event) {
                events.push(event.clone());
            }
        }
        events
    }

    /// Returns where any move leads.
    pub fn next(&self, from: &str) -> Vec<String> {
        let events = self.events(from);
        events
            .iter()
            .flat_map(|event| self.fire(from, event))
            .collect()
    }

    /// Returns the timer of a state.
    pub fn timer(&self, state: &str) -> Option<(Option<u64>, Option<String>)> {
        let timer = self.after.iter().find(|(name, ..)| name == state);
        timer.map(|(_, ms, to)| (*ms, to.clone()))
    }

    /// Returns whether machines know times.
    pub fn is_timed(&self) -> bool {
        self.history > 0 || !self.after.is_empty()
    }

    /// Writes the document.
    pub fn document(&self) -> Value {
        let events = |row: &Row| {
            let event = |(name, targets): &(String, Vec<String>)| (name.clone(), json!(targets));
            Value::Object(row.iter().map(event).collect())
        };
        let row = |(state, row): &(String, Row)| (state.clone(), events(row));
        let timer = |(state, ms, to): &After| {
            let mut timer = Map::new();
            if let Some(ms) = ms {
                timer.insert("ms".into(), json!(ms));
            }
            timer.insert("to".into(), json!(to));
            (state.clone(), Value::Object(timer))
        };
        let mut document = json!({
            "map": Value::Object(self.map.iter().map(row).collect()),
            "any": events(&self.any),
            "after": Value::Object(self.after.iter().map(timer).collect()),
            "initial": self.initial,
        });
        if self.history > 0 {
            document["history"] = json!(self.history);
        }
        document
    }
}
