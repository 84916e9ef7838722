//! A keyspace that runs every command on the core, as the adapter does, and on the model.
//!
//! What changes is replicated, and the replica must end with the same machines.

mod files;
mod fleet;
mod reads;
mod replica;
mod writes;

use std::collections::BTreeMap;

use redis_state_core::{Force, Interner, InternerStats, Machine, RecordWriter, Rules};

use self::replica::Replica;
use crate::model::life::{Ask, Life};
use crate::model::played::alone;
use crate::options::{self, EMIT_FIRE, EMIT_MOVE, FIRE, name};
use crate::record::Record;

/// What a client sees. Of an error only that it is one: other tests look at the texts.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Ok,
    Nil,
    Error,
    Flag(bool),
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
    Verdict(&'static str, String, u32),
}

/// What a key has: a machine, and the model of its life.
#[derive(Clone)]
struct Value {
    machine: Machine,
    life: Life,
}

/// Keys, a replica of them, and a clock.
pub struct Keyspace {
    interner: Interner,
    writer: RecordWriter,
    keys: BTreeMap<Vec<u8>, Value>,
    replica: Replica,
    /// The rules by which clients are read.
    pub rules: Rules,
    /// The clock, in ms since 1970.
    pub now: u64,
    /// The user of the connection.
    pub user: Vec<u8>,
    /// Whether what is due fires before a move.
    pub fires: bool,
    /// Whether what comes was done before, as in an append-only file.
    pub replayed: bool,
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
            replica: Replica::new(),
            rules,
            now: 1_000_000,
            user: b"default".to_vec(),
            fires: false,
            replayed: false,
        }
    }

    /// Runs a command on both. Panics unless both give the same reply.
    pub fn call(&mut self, args: &[&[u8]]) -> Reply {
        let Some((word, args)) = args.split_first() else {
            return Reply::Error;
        };
        let reply = self.call_on_both(word, args);
        self.assert_counts();
        reply
    }

    fn call_on_both(&mut self, word: &[u8], args: &[&[u8]]) -> Reply {
        match (word.to_ascii_uppercase().as_slice(), args) {
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
            (b"SM.RESET", [key]) => self.old_move(key, &Ask::Reset(self.rules), None),
            (b"SM.NEXT", [key]) => self.next(key),
            (b"SM.CAN", [key, to]) => self.can(key, to),
            (b"SM.EXPORT", [key, notation]) => self.export(key, notation),
            (b"SM.LINT", [key]) => self.lint(key),
            (word, args) => self.call_new(word, args),
        }
    }

    /// Runs a command that came after version 1.0, or one of the server.
    fn call_new(&mut self, word: &[u8], args: &[&[u8]]) -> Reply {
        match (word, args) {
            (b"SM.FIRE", [key, event, rest @ ..]) => self.fire(key, event, rest, FIRE),
            (b"SM.MOVE", [key, to, rest @ ..]) => self.step(key, &Ask::Move(name(to)), rest, &[]),
            (b"SM.FORCE", [key, to, rest @ ..]) => self.step(key, &Ask::Force(name(to)), rest, &[]),
            // The stream is the server's.
            (b"SM.EMIT", [key, _, word, event, rest @ ..]) if is(word, "FIRE") => {
                self.fire(key, event, rest, EMIT_FIRE)
            }
            (b"SM.EMIT", [key, _, word, to, rest @ ..]) if is(word, "MOVE") => {
                self.step(key, &Ask::Move(name(to)), rest, EMIT_MOVE)
            }
            (b"SM.NEW", [key, json, rest @ ..]) => self.new_machine(key, json, rest),
            (b"SM.REDEFINE", [key, json, rest @ ..]) => self.redefine(key, json, rest),
            (b"SM.TIMEOUT", [key]) => self.time_out(key),
            (b"SM.EVENTS", [key]) => self.events(key),
            (b"SM.INFO", [key]) => self.info(key),
            (b"SM.HISTORY", [key]) => self.history(key, usize::MAX),
            (b"SM.HISTORY", [key, option, count]) if is(option, "COUNT") => {
                let count = std::str::from_utf8(count).ok();
                let count = count.and_then(|count| count.parse().ok());
                count.map_or(Reply::Error, |count| self.history(key, count))
            }
            (b"SM.COUNT", [name, rest @ ..]) => self.count(name, rest),
            (b"SM.DEFINITIONS", []) => self.definitions(),
            (b"SM.LOAD", [key, record]) => self.load(key, record),
            (b"DEL", [key]) => self.delete(key),
            (b"COPY", [from, to]) => self.copy(from, to),
            (b"TIME", [ms]) => self.set_clock(ms),
            (b"AUTH", [user]) if user.len() <= 256 => {
                self.user = user.to_vec();
                Reply::Ok
            }
            _ => Reply::Error,
        }
    }

    fn mutate(&mut self, key: &[u8], to: &[u8], reason: Option<&[u8]>, force: Force) -> Reply {
        let asked = Ask::Mutate {
            to: name(to),
            force,
            rules: self.rules,
        };
        self.old_move(key, &asked, reason)
    }

    fn fire(&mut self, key: &[u8], event: &[u8], rest: &[&[u8]], more: &[&str]) -> Reply {
        let Some(given) = options::read(rest, more, false) else {
            return Reply::Error;
        };
        let asked = Ask::Fire {
            event: name(event),
            to: given.other.map(|to| name(&to)),
        };
        self.request(key, &asked, None, given.with)
    }

    fn step(&mut self, key: &[u8], asked: &Ask, rest: &[&[u8]], more: &[&str]) -> Reply {
        let given = options::read(rest, more, false);
        given.map_or(Reply::Error, |given| {
            self.request(key, asked, None, given.with)
        })
    }

    fn set_clock(&mut self, ms: &[u8]) -> Reply {
        let ms = std::str::from_utf8(ms).ok();
        let Some(ms) = ms.and_then(|ms| ms.parse::<u64>().ok()) else {
            return Reply::Error;
        };
        // Out of reach of any overflow in the model.
        self.now = ms.min(1 << 62);
        Reply::Ok
    }

    /// Returns the model of a key's life, so that steps can be chosen that make sense.
    pub fn life(&self, key: &[u8]) -> Option<&Life> {
        self.keys.get(key).map(|value| &value.life)
    }

    /// Returns the record of a key.
    pub fn record(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.keys.get(key).map(|value| alone(&value.machine))
    }

    /// Checks that a machine is still its model, that its record is what the model's would be, and
    /// that the replica has it too.
    fn check_one(&mut self, key: &[u8]) {
        let Some(Value { machine, life }) = self.keys.get_mut(key) else {
            return;
        };
        life.assert_is(machine, &[]);
        assert_eq!(alone(machine), Record::of(life).write());
        self.replica.assert_is(key, machine);
    }

    /// Checks all keys.
    pub fn check(&mut self) {
        let keys: Vec<Vec<u8>> = self.keys.keys().cloned().collect();
        for key in &keys {
            self.check_one(key);
            let Value { machine, life } = &self.keys[key];
            life.model.assert_is(machine);
        }
        assert_eq!(self.replica.count(), keys.len());
        self.assert_counts();
    }
}

fn is(option: &[u8], name: &str) -> bool {
    option.eq_ignore_ascii_case(name.as_bytes())
}
