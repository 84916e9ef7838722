//! A keyspace that runs every command on the core, as the adapter does, and on the model.

use std::collections::{BTreeMap, BTreeSet};

use redis_state_core::{
    Diagram, Force, Interner, InternerStats, Limits, Machine, RECORD_VERSION, RecordReader,
    RecordWriter, Recreate, Rules, parse_machine,
};

use crate::documents;
use crate::model::Model;

/// What a client sees. Of an error only that it is one: other tests look at the texts.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Ok,
    Nil,
    Error,
    Flag(bool),
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
}

/// Keys, each with its machine and its model.
pub struct Keyspace {
    interner: Interner,
    writer: RecordWriter,
    keys: BTreeMap<Vec<u8>, (Machine, Model)>,
    pub rules: Rules,
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        self.keys.clear();
        assert_eq!(self.interner.stats(), InternerStats::default(), "a leak");
    }
}

impl Keyspace {
    pub fn new(rules: Rules) -> Self {
        Self {
            interner: Interner::new(),
            writer: RecordWriter::new(),
            keys: BTreeMap::new(),
            rules,
        }
    }

    /// Runs a command on both. Panics unless both give the same reply.
    pub fn call(&mut self, args: &[&[u8]]) -> Reply {
        let Some((name, args)) = args.split_first() else {
            return Reply::Error;
        };
        match (name.to_ascii_uppercase().as_slice(), args) {
            (b"SM.SET", [key, json]) => self.set(key, json, None),
            (b"SM.SET", [key, json, current]) => self.set(key, json, Some(current)),
            (b"SM.CREATE", [key]) => self.create(key),
            (b"SM.GET", [key]) => self.get(key),
            (b"SM.GET", [key, option]) if is(option, "REASON") => self.reason(key),
            (b"SM.STATE", [key]) => self.state(key),
            (b"SM.STATE", [key, option]) if is(option, "LIST") => self.list(key),
            (b"SM.MUTATE", [key, to]) => self.mutate(key, to, None, Force::No),
            (b"SM.MUTATE", [key, to, reason]) => self.mutate(key, to, Some(reason), Force::No),
            (b"SM.MUTATE", [key, to, reason, option]) if is(option, "FORCE") => {
                self.mutate(key, to, Some(reason), Force::Yes)
            }
            (b"SM.RESET", [key]) => self.reset(key),
            (b"SM.NEXT", [key]) => self.next(key),
            (b"SM.CAN", [key, to]) => self.can(key, to),
            (b"SM.EXPORT", [key, notation]) => self.export(key, notation),
            (b"SM.LINT", [key]) => self.lint(key),
            (b"DEL", [key]) => self.keys.remove(*key).map_or(Reply::Nil, |_| Reply::Ok),
            (b"COPY", [from, to]) => self.copy(from, to),
            _ => Reply::Error,
        }
    }

    fn set(&mut self, key: &[u8], json: &[u8], current: Option<&[u8]>) -> Reply {
        let Some((model, read)) = documents::read(&self.interner, json, current, self.rules) else {
            return Reply::Error;
        };
        // A replica gets the document as it came, or written anew if the rules here were others. It
        // has another interner, and has to make the same of it.
        let rendered = read.machine.render(Rules::Documented);
        let (sent, argument) = match read.documented {
            true => (json, current),
            false => (&rendered[..], None),
        };
        let replica = Interner::new();
        let replicated = parse_machine(&replica, sent, argument, Rules::Replayed, &Limits::NONE);
        let replicated = replicated.expect("read here, so read there").machine;
        assert_eq!(digest(&replicated), digest(&read.machine));
        let machine = documents::begun(&read.machine);
        self.keys.insert(key.to_vec(), (machine, model));
        Reply::Ok
    }

    fn create(&mut self, key: &[u8]) -> Reply {
        let machine = (Machine::blank(&self.interner), Model::blank());
        self.keys.insert(key.to_vec(), machine);
        Reply::Ok
    }

    fn get(&self, key: &[u8]) -> Reply {
        self.ask(key, |machine, model| {
            let text = machine.render(self.rules);
            assert_eq!(text, model.render(self.rules));
            Reply::Text(text)
        })
    }

    fn reason(&self, key: &[u8]) -> Reply {
        self.ask(key, |machine, model| {
            assert_eq!(machine.reason(), model.reason);
            Reply::Text(machine.reason().as_bytes().to_vec())
        })
    }

    fn state(&self, key: &[u8]) -> Reply {
        self.ask(key, |machine, model| {
            assert_eq!(machine.current_name_bytes(), model.current.as_bytes());
            Reply::List(vec![machine.current_name_bytes().to_vec()])
        })
    }

    fn list(&self, key: &[u8]) -> Reply {
        self.ask(key, |machine, model| {
            let definition = machine.definition();
            let keys = definition
                .row_states()
                .map(|state| definition.name_bytes(state).to_vec());
            let keys: Vec<Vec<u8>> = keys.collect();
            assert!(keys.iter().eq(model.keys.iter().map(String::as_bytes)));
            Reply::List(keys)
        })
    }

    fn next(&self, key: &[u8]) -> Reply {
        self.ask(key, |machine, model| {
            let name = |state| machine.definition().name_bytes(state).to_vec();
            let next: Vec<Vec<u8>> = machine.next(self.rules).map(name).collect();
            let expected = model.next(self.rules);
            assert!(next.iter().eq(expected.iter().map(|name| name.as_bytes())));
            Reply::List(next)
        })
    }

    fn can(&self, key: &[u8], to: &[u8]) -> Reply {
        self.ask(key, |machine, model| {
            let can = machine.resolve_move(to, Force::No, self.rules).is_some();
            assert_eq!(can, model.may_move(to, Force::No, self.rules));
            Reply::Flag(can)
        })
    }

    fn export(&self, key: &[u8], notation: &[u8]) -> Reply {
        let diagram = match notation.to_ascii_uppercase().as_slice() {
            b"MERMAID" => Diagram::Mermaid,
            b"DOT" => Diagram::Dot,
            _ => return Reply::Error,
        };
        self.ask(key, |machine, _| {
            Reply::Text(diagram.draw(machine).into_bytes())
        })
    }

    /// Checks that findings name states or events and none comes twice. Other tests look at what they say.
    fn lint(&self, key: &[u8]) -> Reply {
        self.ask(key, |machine, model| {
            let subject = |finding: &redis_state_core::Finding| {
                let name = finding.subject(machine.definition());
                String::from_utf8(name.to_vec()).expect("names are text")
            };
            let findings = machine.lint().into_iter();
            let told = findings.map(|finding| (finding.code, subject(&finding)));
            let told: Vec<(&str, String)> = told.collect();
            let events = model.event_names();
            let is_known = |name: &String| model.states.contains(name) || events.contains(name);
            assert!(told.iter().all(|(_, name)| is_known(name)));
            let once: BTreeSet<_> = told.iter().collect();
            assert_eq!(once.len(), told.len(), "a finding came twice");
            Reply::List(
                told.into_iter()
                    .map(|(_, state)| state.into_bytes())
                    .collect(),
            )
        })
    }

    fn ask(&self, key: &[u8], reply: impl FnOnce(&Machine, &Model) -> Reply) -> Reply {
        let found = self.keys.get(key);
        found.map_or(Reply::Nil, |(machine, model)| reply(machine, model))
    }

    fn mutate(&mut self, key: &[u8], to: &[u8], reason: Option<&[u8]>, force: Force) -> Reply {
        let Ok(reason) = reason.map(std::str::from_utf8).transpose() else {
            return Reply::Error;
        };
        let Some((machine, model)) = self.keys.get_mut(key) else {
            return Reply::Nil;
        };
        let target = machine.resolve_move(to, force, self.rules);
        assert_eq!(target.is_some(), model.may_move(to, force, self.rules));
        let Some(target) = target else {
            return match self.rules {
                Rules::Documented | Rules::Replayed => Reply::Nil,
                Rules::Legacy => Reply::Error,
            };
        };
        let reason = match self.rules {
            Rules::Documented | Rules::Replayed => Some(reason.unwrap_or_default()),
            Rules::Legacy => reason,
        };
        machine.enter(target, reason);
        model.enter(std::str::from_utf8(to).expect("a state's name"), reason);
        Reply::Ok
    }

    fn reset(&mut self, key: &[u8]) -> Reply {
        let Some((machine, model)) = self.keys.get_mut(key) else {
            return Reply::Nil;
        };
        let reason = (self.rules != Rules::Legacy).then_some("");
        machine.enter(machine.definition().initial(), reason);
        model.enter(&model.initial.clone(), reason);
        Reply::Ok
    }

    fn copy(&mut self, from: &[u8], to: &[u8]) -> Reply {
        let Some(copy) = self.keys.get(from).cloned() else {
            return Reply::Nil;
        };
        self.keys.insert(to.to_vec(), copy);
        Reply::Ok
    }

    /// Checks that every machine is still its model.
    pub fn check(&self) {
        for (machine, model) in self.keys.values() {
            model.assert_is(machine);
        }
    }

    /// Dumps and restores every key.
    pub fn reload_alone(&mut self) {
        for (machine, _) in self.keys.values_mut() {
            let record = documents::record(machine);
            let loaded = RecordReader::new().decode(RECORD_VERSION, &record, &self.interner);
            *machine = loaded.expect("what was written is read");
        }
        self.check();
    }

    /// Saves an RDB file and loads it on a server that has nothing yet. Some keys expire on the way.
    pub fn reload_file(&mut self, expired: impl Fn(usize) -> bool) {
        self.writer.begin_file();
        let write = |(machine, _): &(Machine, Model)| {
            let mut record = Vec::new();
            self.writer.write(machine, &mut record);
            record
        };
        let records: Vec<Vec<u8>> = self.keys.values().map(write).collect();
        self.writer.end_file();
        let interner = Interner::new();
        let mut reader = RecordReader::new();
        reader.begin_file();
        let mut at = 0;
        let mut gone = Vec::new();
        for ((key, (machine, _)), record) in self.keys.iter_mut().zip(&records) {
            let loaded = reader
                .decode(RECORD_VERSION, record, &interner)
                .expect("what was written is read");
            if expired(at) {
                gone.push(key.clone());
            } else {
                *machine = loaded;
            }
            at += 1;
        }
        reader.end_file();
        self.keys.retain(|key, _| !gone.contains(key));
        self.interner = interner;
        self.check();
    }

    /// Begins a file and gives it up half way.
    pub fn save_in_vain(&mut self) {
        self.writer.begin_file();
        for (machine, _) in self.keys.values().take(self.keys.len() / 2) {
            self.writer.write(machine, &mut Vec::new());
        }
        self.writer.end_file();
    }

    /// Rewrites every machine as commands, as for an append-only file, and replays them on a server
    /// that has nothing yet.
    pub fn rewrite(&mut self) {
        let interner = Interner::new();
        for (machine, _) in self.keys.values_mut() {
            let replayed = replay(machine, &interner);
            assert_eq!(digest(&replayed), digest(machine));
            *machine = replayed;
        }
        self.interner = interner;
        self.check();
    }
}

fn is(option: &[u8], name: &str) -> bool {
    option.eq_ignore_ascii_case(name.as_bytes())
}

/// Returns what DEBUG DIGEST is made of.
fn digest(machine: &Machine) -> (Vec<u8>, u32, String) {
    let archive = machine.definition().archive().to_vec();
    (archive, machine.current(), machine.reason().to_owned())
}

/// Makes a machine anew from what an append-only file would hold of it.
fn replay(machine: &Machine, interner: &Interner) -> Machine {
    let (document, then_force) = match machine.recreate() {
        Recreate::Commands {
            document,
            then_force,
        } => (document, then_force),
        Recreate::Record(record) => {
            let loaded = RecordReader::new().decode(RECORD_VERSION, &record, interner);
            return loaded.expect("what was written is read");
        }
    };
    let parsed = parse_machine(interner, &document, None, Rules::Replayed, &Limits::NONE);
    let mut replayed = parsed.expect("written, so read").machine;
    if let Some((state, reason)) = then_force {
        let target = replayed.resolve_move(state, Force::Yes, Rules::Documented);
        replayed.enter(target.expect("a known state"), Some(reason));
    }
    replayed
}
