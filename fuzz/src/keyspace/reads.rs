//! The commands that read.

use std::collections::BTreeSet;
use std::sync::Arc;

use redis_state_core::{Diagram, Force, StateId};

use super::{Keyspace, Reply, Value};
use crate::model::played::shown;

impl Keyspace {
    fn ask_of(&self, key: &[u8], reply: impl FnOnce(&Value) -> Reply) -> Reply {
        self.keys.get(key).map_or(Reply::Nil, reply)
    }

    pub(super) fn get(&self, key: &[u8]) -> Reply {
        self.ask_of(key, |Value { machine, life }| {
            let text = machine.render(self.rules);
            assert_eq!(text, life.model.render(self.rules));
            Reply::Text(text)
        })
    }

    pub(super) fn reason(&self, key: &[u8]) -> Reply {
        self.ask_of(key, |Value { machine, life }| {
            assert_eq!(machine.reason(), life.model.reason);
            Reply::Text(machine.reason().as_bytes().to_vec())
        })
    }

    pub(super) fn state(&self, key: &[u8]) -> Reply {
        self.ask_of(key, |Value { machine, life }| {
            let state = machine.current_name_bytes();
            assert_eq!(state, life.model.current.as_bytes());
            Reply::List(vec![state.to_vec()])
        })
    }

    pub(super) fn list(&self, key: &[u8]) -> Reply {
        self.ask_of(key, |Value { machine, life }| {
            let definition = machine.definition();
            let name = |state| definition.name_bytes(state).to_vec();
            let keys: Vec<Vec<u8>> = definition.row_states().map(name).collect();
            assert!(keys.iter().eq(life.model.keys.iter().map(String::as_bytes)));
            Reply::List(keys)
        })
    }

    pub(super) fn next(&self, key: &[u8]) -> Reply {
        self.ask_of(key, |Value { machine, life }| {
            let name = |state| machine.definition().name_bytes(state).to_vec();
            let next: Vec<Vec<u8>> = machine.next(self.rules).map(name).collect();
            let expected = life.model.next(self.rules);
            assert!(next.iter().eq(expected.iter().map(|name| name.as_bytes())));
            Reply::List(next)
        })
    }

    pub(super) fn can(&self, key: &[u8], to: &[u8]) -> Reply {
        self.ask_of(key, |Value { machine, life }| {
            let can = machine.resolve_move(to, Force::No, self.rules).is_some();
            assert_eq!(can, life.model.may_move(to, Force::No, self.rules));
            Reply::Flag(can)
        })
    }

    pub(super) fn export(&self, key: &[u8], notation: &[u8]) -> Reply {
        let diagram = match notation.to_ascii_uppercase().as_slice() {
            b"MERMAID" => Diagram::Mermaid,
            b"DOT" => Diagram::Dot,
            _ => return Reply::Error,
        };
        let draw = |value: &Value| Reply::Text(diagram.draw(&value.machine).into_bytes());
        self.ask_of(key, draw)
    }

    /// Checks that findings name states or events and none comes twice. Other tests look at what they
    /// say.
    pub(super) fn lint(&self, key: &[u8]) -> Reply {
        self.ask_of(key, |Value { machine, life }| {
            let subject = |finding: &redis_state_core::Finding| {
                let name = finding.subject(machine.definition());
                String::from_utf8(name.to_vec()).expect("names are text")
            };
            let findings = machine.lint().into_iter();
            let told = findings.map(|finding| (finding.code, subject(&finding)));
            let told: Vec<(&str, String)> = told.collect();
            let is_known = |name: &String| life.model.has_state(name) || life.model.has_event(name);
            assert!(told.iter().all(|(_, name)| is_known(name)));
            let once: BTreeSet<_> = told.iter().collect();
            assert_eq!(once.len(), told.len(), "a finding came twice");
            let subjects = told.into_iter().map(|(_, state)| state.into_bytes());
            Reply::List(subjects.collect())
        })
    }

    pub(super) fn events(&self, key: &[u8]) -> Reply {
        self.ask_of(key, |Value { machine, life }| {
            let definition = machine.definition();
            let name = |state: StateId| definition.name_bytes(state).to_vec();
            let mut words = Vec::new();
            for (event, fire) in definition.events(machine.current()) {
                words.push(definition.event_name_bytes(event).to_vec());
                words.extend(fire.iter().map(name));
            }
            let expected = life.model.events(&life.model.current);
            let word = |(event, targets)| std::iter::once(event).chain(targets);
            let expected = expected.into_iter().flat_map(word);
            assert!(words.iter().eq(expected.map(str::as_bytes)));
            Reply::List(words)
        })
    }

    pub(super) fn history(&self, key: &[u8], count: usize) -> Reply {
        self.ask_of(key, |Value { machine, life }| {
            let told: Vec<_> = machine.history().take(count).map(shown).collect();
            let newest = life.history.iter().rev().take(count);
            assert!(told.iter().eq(newest));
            let state = |entry: crate::model::life::Entry| entry.to.into_bytes();
            Reply::List(told.into_iter().map(state).collect())
        })
    }

    pub(super) fn info(&self, key: &[u8]) -> Reply {
        self.ask_of(key, |Value { machine, life }| {
            let (definition, model) = (machine.definition(), &life.model);
            let timer = machine.deadline().and(definition.timer(machine.current()));
            let due_to = timer.and_then(|timer| timer.target);
            let due_to = due_to.map(|to| definition.name(to));
            let expected = life.due.and(model.timer(&model.current));
            assert_eq!(due_to, expected.and_then(|(_, to)| to.as_deref()));
            let events = model.events(&model.current);
            let is_terminal = definition.is_terminal(machine.current());
            assert_eq!(is_terminal, events.is_empty());
            assert_eq!(definition.state_count(), model.states.len());
            let lives = self.keys.values().map(|value| &value.life);
            let same = lives.filter(|other| other.model.is_defined_as(model));
            assert_eq!(Arc::strong_count(definition), same.count());
            Reply::Flag(is_terminal)
        })
    }
}
