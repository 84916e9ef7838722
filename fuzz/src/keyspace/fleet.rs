//! What is asked of all machines at once: how many are in which state, and which definitions there are.

use std::collections::BTreeMap;

use redis_state_core::{Interned, count_by_state};

use super::{Keyspace, Reply, Value, is};
use crate::model::Model;
use crate::options::number;

/// States, and how many machines are in each.
type Counts = BTreeMap<Vec<u8>, u64>;

/// What is told of a definition: name, revision, states and transitions, and the counts.
type Row = (String, Option<u32>, usize, usize, Counts);

impl Value {
    fn model(&self) -> &Model {
        &self.life.model
    }
}

impl Keyspace {
    /// Returns the values of all keys, those of one definition together.
    fn walk(&self) -> Vec<Vec<&Value>> {
        let mut all: Vec<Vec<&Value>> = Vec::new();
        for value in self.keys.values() {
            let is_same = |group: &&mut Vec<&Value>| value.model().is_defined_as(group[0].model());
            match all.iter_mut().find(is_same) {
                Some(group) => group.push(value),
                None => all.push(vec![value]),
            }
        }
        all
    }

    /// Panics unless the counts of every definition are those of a walk.
    pub(super) fn assert_counts(&self) {
        for group in self.walk() {
            let definition = group[0].machine.definition();
            assert_eq!(counts_of(definition), walked(&group));
            assert_eq!(definition.machines(), group.len() as u64);
        }
    }

    pub(super) fn count(&self, name: &[u8], rest: &[&[u8]]) -> Reply {
        let revision = match rest {
            [] => None,
            [word, value] if is(word, "REVISION") => match number(value, 0..=u32::MAX.into()) {
                Some(revision) => Some(revision as u32),
                None => return Reply::Error,
            },
            _ => return Reply::Error,
        };
        let name = std::str::from_utf8(name).unwrap_or_default();
        let is_meant = |model: &Model| {
            let is_of_revision = revision.is_none() || model.new.revision == revision;
            !name.is_empty() && model.new.name == name && is_of_revision
        };
        let mut expected = Counts::new();
        for group in self.walk() {
            if is_meant(group[0].model()) {
                for (state, count) in walked(&group) {
                    *expected.entry(state).or_default() += count;
                }
            }
        }
        let definitions = self.interner.named(name, revision);
        let told = count_by_state(&definitions);
        let states = told.iter().map(|(state, _)| state.to_vec()).collect();
        let sums: Counts = told
            .iter()
            .map(|(state, sum)| (state.to_vec(), *sum))
            .collect();
        assert_eq!(sums.len(), told.len(), "a state came twice");
        assert_eq!(sums, expected);
        Reply::List(states)
    }

    pub(super) fn definitions(&self) -> Reply {
        let all = self.interner.all_named();
        let mut told: Vec<Row> = all.iter().map(|one| row_of(one)).collect();
        let labels = || told.iter().map(|(name, revision, ..)| (name, revision));
        assert!(labels().is_sorted(), "by name, then by revision");
        let mut groups = self.walk();
        groups.retain(|group| !group[0].model().new.name.is_empty());
        let mut expected: Vec<Row> = groups.iter().map(|group| walked_row(group)).collect();
        expected.sort();
        let names = told.iter().map(|(name, ..)| name.as_bytes().to_vec());
        let reply = Reply::List(names.collect());
        told.sort();
        assert_eq!(told, expected);
        reply
    }
}

fn counts_of(definition: &Interned) -> Counts {
    let counts = definition.counts_by_state();
    counts.map(|(state, sum)| (state.to_vec(), sum)).collect()
}

/// Counts values of one definition by state, one after the other.
fn walked(group: &[&Value]) -> Counts {
    let in_state = |state: &String| {
        let there = group.iter().filter(|one| one.model().current == *state);
        there.count() as u64
    };
    let states = group[0].model().states.iter();
    states
        .map(|state| (state.clone().into_bytes(), in_state(state)))
        .collect()
}

fn row_of(definition: &Interned) -> Row {
    (
        definition.label().unwrap_or_default().to_owned(),
        definition.revision(),
        definition.state_count(),
        definition.transition_count(),
        counts_of(definition),
    )
}

fn walked_row(group: &[&Value]) -> Row {
    let model = group[0].model();
    let entries = model.map.values().flatten().chain(&model.new.any);
    (
        model.new.name.clone(),
        model.new.revision,
        model.states.len(),
        entries.map(|(_, targets)| targets.len()).sum(),
        walked(group),
    )
}
