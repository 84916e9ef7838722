//! From the names of a document to the parts of a definition: numbers states and events by first
//! appearance.

use simd_json::tape::Node;

use super::error::{DocumentError, Excerpt, GivenBy, Place, Problem};
use super::names::{Names, narrow};
use super::tape::{Nodes, wrong_type};
use super::timers;
use crate::definition::{
    DefinitionParts, NO_STATE, NameTables, RareParts, StateId, UNNAMED, first_repeat,
};
use crate::rules::Rules;

/// A definition in the making.
pub(super) struct Builder<'i> {
    /// All but the names and the rare parts.
    pub(super) parts: DefinitionParts,
    /// All but the names, where there is anything.
    rare: Option<Box<RareParts>>,
    states: Names<'i>,
    events: Names<'i>,
    /// The states that have a timer.
    timers: Vec<&'i str>,
    /// The events of the entry that is being read.
    entry: Vec<u32>,
    /// The bytes of all names so far, as often as they came.
    name_bytes: usize,
    /// Whether a row is an object.
    has_objects: bool,
    /// Whether a row has a named event, so that rows have groups.
    has_groups: bool,
}

impl<'i> Builder<'i> {
    /// Makes an empty one with room for `states` states at first: as many as the map has keys, since
    /// most machines have few states that are no keys.
    pub(super) fn with_room_for(states: usize) -> Self {
        Self {
            parts: DefinitionParts::default(),
            rare: None,
            states: Names::new(0, states),
            events: Names::new(UNNAMED + 1, 0),
            timers: Vec::new(),
            entry: Vec::new(),
            name_bytes: 0,
            has_objects: false,
            has_groups: false,
        }
    }

    /// Returns what few definitions have, to put something in.
    pub(super) fn rare(&mut self) -> &mut RareParts {
        self.rare.get_or_insert_default()
    }

    /// Returns the number of states so far.
    pub(super) fn state_count(&self) -> usize {
        self.states.len()
    }

    /// Returns how many bytes of names came so far, repeats included.
    pub(super) fn name_bytes(&self) -> usize {
        self.name_bytes
    }

    /// Returns whether a row is an object, which version 1.0 didn't know.
    pub(super) fn has_objects(&self) -> bool {
        self.has_objects
    }

    /// Adds the keys of the map, and returns how many transitions it has. The keys come first, so
    /// that the states with a row are those with the lowest IDs.
    pub(super) fn add_keys(
        &mut self,
        map: Nodes<'_, 'i>,
        rules: Rules,
    ) -> Result<usize, DocumentError> {
        let mut rest = map;
        let mut position = 0;
        let mut transitions = 0;
        while let Some((key, row)) = rest.take_entry() {
            let place = || Place::field("map").entry(key, position);
            transitions += match row.0.first() {
                Some(Node::Array { len, .. }) => *len,
                Some(Node::Object { .. }) if rules != Rules::Legacy => self.look_at(row.inside()),
                other => return Err(wrong_type(place(), row_type(rules), other)),
            };
            if self.state(key) as usize != position {
                return Err(DocumentError::at(place(), Problem::KeyTwice));
            }
            position += 1;
        }
        Ok(transitions)
    }

    /// Looks at a row that is an object, and returns how many transitions it has.
    fn look_at(&mut self, row: Nodes<'_, 'i>) -> usize {
        self.has_objects = true;
        let mut rest = row;
        while let Some((event, _)) = rest.take_entry() {
            self.has_groups |= !event.is_empty();
        }
        count_targets(row)
    }

    /// Adds the rows of the map, once all keys are in.
    pub(super) fn add_rows(&mut self, map: Nodes<'_, 'i>) -> Result<(), DocumentError> {
        let mut rest = map;
        while let Some((key, row)) = rest.take_entry() {
            let position = self.parts.row_ends.len();
            let place = || Place::field("map").entry(key, position);
            if row.is_object() {
                self.add_groups(row.inside(), &place)?;
            } else {
                self.add_array(row.inside(), &place)?;
            }
            self.parts.row_ends.push(narrow(self.parts.targets.len()));
            if self.has_groups {
                let rare = self.rare();
                let end = narrow(rare.group_events.len());
                rare.row_groups.push(end);
            }
        }
        Ok(())
    }

    /// Adds a row that is an array. Targets may repeat.
    fn add_array(
        &mut self,
        row: Nodes<'_, 'i>,
        place: &dyn Fn() -> Place,
    ) -> Result<(), DocumentError> {
        let start = self.parts.targets.len();
        for (at, target) in row.0.iter().enumerate() {
            let Node::String(name) = target else {
                let place = place().target(at);
                return Err(wrong_type(place, "a string", Some(target)));
            };
            let state = self.state(name);
            self.parts.targets.push(state);
        }
        self.end_group(UNNAMED, start);
        Ok(())
    }

    /// Adds a row that is an object.
    fn add_groups(
        &mut self,
        row: Nodes<'_, 'i>,
        place: &dyn Fn() -> Place,
    ) -> Result<(), DocumentError> {
        let mut rest = row;
        self.entry.clear();
        while let Some((name, value)) = rest.take_entry() {
            let at = self.entry.len();
            let start = self.parts.targets.len();
            let mut targets = std::mem::take(&mut self.parts.targets);
            let pushed = self.push_targets(value, &mut targets, &|| place().event(name, at));
            self.parts.targets = targets;
            pushed?;
            let event = self.event(name);
            self.entry.push(event);
            self.end_group(event, start);
        }
        self.differ(row, place)
    }

    /// Ends a group of a row that began at `start`, where rows have groups. Moves without a name are
    /// none if there are no targets.
    fn end_group(&mut self, event: u32, start: usize) {
        let end = self.parts.targets.len();
        if self.has_groups && (event != UNNAMED || end > start) {
            let rare = self.rare();
            rare.group_events.push(event);
            rare.group_ends.push(narrow(end));
        }
    }

    /// Adds `any`, once the rows are in.
    pub(super) fn add_any(&mut self, any: Nodes<'_, 'i>) -> Result<(), DocumentError> {
        let mut rest = any;
        self.entry.clear();
        while let Some((name, value)) = rest.take_entry() {
            let at = self.entry.len();
            let place = || Place::field("any").event(name, at);
            if name.is_empty() {
                return Err(DocumentError::at(place(), Problem::Nameless));
            }
            let mut targets = std::mem::take(&mut self.rare().any_targets);
            let start = targets.len();
            let pushed = self.push_targets(value, &mut targets, &place);
            let end = targets.len();
            self.rare().any_targets = targets;
            pushed?;
            if end == start {
                return Err(DocumentError::at(place(), Problem::NoTarget));
            }
            let event = self.event(name);
            self.entry.push(event);
            let rare = self.rare();
            rare.any_events.push(event);
            rare.any_ends.push(narrow(end));
        }
        self.differ(any, &|| Place::field("any"))
    }

    /// Checks that the events of the entry just read differ.
    fn differ(&self, entry: Nodes<'_, 'i>, place: &dyn Fn() -> Place) -> Result<(), DocumentError> {
        let Some(at) = first_repeat(&self.entry) else {
            return Ok(());
        };
        let mut rest = entry;
        let name = std::iter::from_fn(|| rest.take_entry()).nth(at);
        let place = place().event(name.map_or("", |(name, _)| name), at);
        Err(DocumentError::at(place, Problem::KeyTwice))
    }

    /// Appends an event's target or targets, which have to differ, to `list`.
    fn push_targets(
        &mut self,
        value: Nodes<'_, 'i>,
        list: &mut Vec<StateId>,
        place: &dyn Fn() -> Place,
    ) -> Result<(), DocumentError> {
        let start = list.len();
        match value.0.first() {
            Some(Node::String(name)) => list.push(self.state(name)),
            Some(Node::Array { .. }) => {
                for (at, target) in value.inside().0.iter().enumerate() {
                    let Node::String(name) = target else {
                        let place = place().target(at);
                        return Err(wrong_type(place, "a string", Some(target)));
                    };
                    list.push(self.state(name));
                }
            }
            other => return Err(wrong_type(place(), "a string or an array", other)),
        }
        match first_repeat(list.get(start..).unwrap_or_default()) {
            Some(at) => Err(DocumentError::at(place().target(at), Problem::TargetTwice)),
            None => Ok(()),
        }
    }

    /// Adds the timers' times and targets. Their states come last, when all states are known.
    pub(super) fn add_timers(&mut self, after: Nodes<'_, 'i>) -> Result<(), DocumentError> {
        let mut rest = after;
        while let Some((key, value)) = rest.take_entry() {
            let place = Place::field("after").entry(key, self.timers.len());
            let timer = timers::read(value, place)?;
            let target = timer.to.map_or(NO_STATE, |name| self.state(name));
            let rare = self.rare();
            rare.after_ms.push(timer.ms);
            rare.after_targets.push(target);
            self.timers.push(key);
            self.name_bytes += key.len();
        }
        Ok(())
    }

    /// Finds the states that have a timer.
    pub(super) fn end_timers(&mut self) -> Result<(), DocumentError> {
        let place = |at: usize, key: &str| Place::field("after").entry(key, at);
        let mut states = Vec::with_capacity(self.timers.len());
        for (at, key) in self.timers.iter().enumerate() {
            let Some(state) = self.states.find(key) else {
                let name = Excerpt::of(key);
                let given_by = GivenBy::Document;
                let problem = Problem::UnknownState { name, given_by };
                return Err(DocumentError::at(place(at, key), problem));
            };
            states.push(state);
        }
        let repeat = first_repeat(&states);
        if let Some((at, key)) = repeat.and_then(|at| Some((at, self.timers.get(at)?))) {
            return Err(DocumentError::at(place(at, key), Problem::KeyTwice));
        }
        if !states.is_empty() {
            self.rare().after_states = states;
        }
        Ok(())
    }

    /// Returns the state of that name, after adding it if it is new.
    #[inline(always)]
    pub(super) fn state(&mut self, name: &'i str) -> StateId {
        self.name_bytes += name.len();
        self.states.number(name)
    }

    fn event(&mut self, name: &'i str) -> u32 {
        self.name_bytes += name.len();
        match name {
            "" => UNNAMED,
            name => self.events.number(name),
        }
    }

    /// Returns the parts, names included, and the tables of the names.
    pub(super) fn finish(self) -> (DefinitionParts, NameTables) {
        let Self {
            mut parts, rare, ..
        } = self;
        let (names, name_ends, states) = self.states.finish();
        (parts.names, parts.name_ends) = (names, name_ends);
        let (event_names, event_ends, events) = self.events.finish();
        if let Some(mut rare) = rare {
            (rare.event_names, rare.event_ends) = (event_names, event_ends);
            parts.rare.push(*rare);
        }
        (parts.with_adjacency(), NameTables { states, events })
    }
}

/// Returns what a row may be.
fn row_type(rules: Rules) -> &'static str {
    match rules {
        Rules::Legacy => "an array",
        Rules::Documented | Rules::Replayed => "an array or an object",
    }
}

/// Returns how many targets the events of an object have together.
pub(super) fn count_targets(object: Nodes<'_, '_>) -> usize {
    let mut rest = object;
    let values = std::iter::from_fn(|| rest.take_entry());
    values
        .map(|(_, value)| match value.0.first() {
            Some(Node::Array { len, .. }) => *len,
            _ => 1,
        })
        .sum()
}
