//! The commands that write, and what they replicate.

use redis_state_core::{Context, Force, Machine, Options, RECORD_VERSION, RecordReader, Rules};

use super::{Keyspace, Reply, Value};
use crate::model::Model;
use crate::model::life::{Ask, Life, With, next};
use crate::model::played::{alone, ask, error, options};
use crate::{adopt, documents};

impl Keyspace {
    /// Returns what every request of a client is given.
    pub(super) fn now(&self, with: With) -> With {
        With {
            now: self.now,
            user: self.user.clone(),
            replayed: self.replayed,
            ..with
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            now: self.now,
            user: &self.user,
            replayed: false,
        }
    }

    pub(super) fn set(&mut self, key: &[u8], json: &[u8], current: Option<&[u8]>) -> Reply {
        let Some((model, read)) = documents::read(&self.interner, json, current, self.rules) else {
            return Reply::Error;
        };
        let rendered = read.machine.render(Rules::Documented);
        let with = self.now(With::default());
        let (machine, life) = match self.keys.remove(key) {
            Some(Value { machine, mut life }) => {
                life.replace(&model, &with);
                (read.machine.replace(&machine, &self.context()), life)
            }
            None => {
                let begun = read.machine.begin(&Options::default(), &self.context());
                let life = Life::begin(&model, &with);
                (begun.expect("no timer"), life.expect("no timer"))
            }
        };
        // A replica gets the document as it came, or written anew if the rules here were others.
        let (sent, argument) = match read.documented {
            true => (json, current),
            false => (&rendered[..], None),
        };
        let moment = machine.since().map(|_| (self.now, &self.user[..]));
        self.replica.set(key, sent, argument, moment);
        self.put(key, machine, life);
        Reply::Ok
    }

    pub(super) fn create(&mut self, key: &[u8]) -> Reply {
        let blank = Machine::blank(&self.interner);
        let mut life = Life::begin(&Model::blank(), &With::default()).expect("no timer");
        let blank = match self.keys.get(key) {
            Some(old) => {
                life.version = next(old.life.version);
                blank.continue_version(&old.machine)
            }
            None => blank,
        };
        self.replica.create(key);
        self.put(key, blank, life);
        Reply::Ok
    }

    /// Stores a machine, and checks it.
    fn put(&mut self, key: &[u8], machine: Machine, life: Life) {
        self.keys.insert(key.to_vec(), Value { machine, life });
        self.check_one(key);
    }

    pub(super) fn new_machine(&mut self, key: &[u8], json: &[u8], rest: &[&[u8]]) -> Reply {
        use crate::options;
        let Some(given) = options::read(rest, options::NEW, false) else {
            return Reply::Error;
        };
        let (rules, with) = (self.new_rules(), self.now(given.with));
        let state = given.other.filter(|state| !state.is_empty());
        let read = |state| documents::read(&self.interner, json, state, rules);
        let found = read(state.as_deref());
        if found.is_none() && (state.is_none() || read(None).is_none()) {
            return Reply::Error;
        }
        if self.fires && !self.replayed && !self.fire_due(key) {
            return Reply::Nil;
        }
        if self.keys.contains_key(key) {
            drop(found);
            return self.ask(key, &Ask::New, None, with);
        }
        // The state matters only where a machine is made.
        found.map_or(Reply::Error, |(model, read)| {
            self.begin(key, json, state.as_deref(), &model, read.machine, &with)
        })
    }

    fn begin(
        &mut self,
        key: &[u8],
        json: &[u8],
        state: Option<&[u8]>,
        model: &Model,
        machine: Machine,
        with: &With,
    ) -> Reply {
        let begun = machine.begin(&options(with), &self.context());
        let (machine, life) = match (begun, Life::begin(model, with)) {
            (Ok(machine), Ok(life)) => (machine, life),
            (Err(why), Err(expected)) => {
                assert_eq!(error(&why), expected);
                return Reply::Error;
            }
            (machine, life) => panic!("{machine:?}, but {life:?}"),
        };
        let moment = machine.definition().is_timed();
        let moment = moment.then_some((self.now, &self.user[..]));
        self.replica.begin(key, json, state, with, moment);
        let (state, version) = (life.model.current.clone(), life.version);
        self.put(key, machine, life);
        Reply::Verdict("created", state, version)
    }

    /// Returns the rules by which the commands since version 1.0 read.
    fn new_rules(&self) -> Rules {
        match self.rules {
            Rules::Replayed => Rules::Replayed,
            _ => Rules::Documented,
        }
    }

    pub(super) fn redefine(&mut self, key: &[u8], json: &[u8], rest: &[&[u8]]) -> Reply {
        let Some(given) = crate::options::read(rest, &[], true) else {
            return Reply::Error;
        };
        let rules = self.new_rules();
        let Some((model, read)) = documents::read(&self.interner, json, None, rules) else {
            return Reply::Error;
        };
        let asked = Ask::Redefine {
            to: model.into(),
            renames: given.renames,
        };
        self.request(key, &asked, Some((json, &read.machine)), given.with)
    }

    /// Asks for a move by one of the commands of version 1.0.
    pub(super) fn old_move(&mut self, key: &[u8], asked: &Ask, reason: Option<&[u8]>) -> Reply {
        let Ok(reason) = reason.map(std::str::from_utf8).transpose() else {
            return Reply::Error;
        };
        let with = With {
            reason: reason.map(str::to_owned),
            ..With::default()
        };
        let legacy = self.rules == Rules::Legacy;
        match self.request(key, asked, None, with) {
            Reply::Verdict("refused", ..) if legacy => Reply::Error,
            Reply::Verdict("refused", ..) => Reply::Nil,
            Reply::Verdict(..) => Reply::Ok,
            other => other,
        }
    }

    /// Asks for a move. What is due fires first.
    pub(super) fn request(
        &mut self,
        key: &[u8],
        asked: &Ask,
        new: Option<(&[u8], &Machine)>,
        with: With,
    ) -> Reply {
        if self.fires && !self.replayed && !self.fire_due(key) {
            return Reply::Nil;
        }
        let with = self.now(with);
        self.ask(key, asked, new, with)
    }

    pub(super) fn ask(
        &mut self,
        key: &[u8],
        asked: &Ask,
        new: Option<(&[u8], &Machine)>,
        with: With,
    ) -> Reply {
        let Some(Value { machine, life }) = self.keys.get_mut(key) else {
            return Reply::Nil;
        };
        let told = ask(machine, asked, new.map(|(_, new)| new), &with);
        assert_eq!(told.answer, life.ask(asked, &with), "{asked:?} {with:?}");
        let Ok((outcome, state, version)) = told.answer else {
            return Reply::Error;
        };
        if let Some(at) = told.changed {
            self.replicate(key, asked, new.map(|(json, _)| json), &with, at);
            if outcome == "deleted" {
                self.keys.remove(key);
                self.replica.delete(key);
            }
        }
        self.check_one(key);
        Reply::Verdict(outcome, state, version)
    }

    /// Replicates a move as the adapter does.
    fn replicate(
        &mut self,
        key: &[u8],
        asked: &Ask,
        json: Option<&[u8]>,
        with: &With,
        at: Option<u64>,
    ) {
        let machine = &self.keys[key].machine;
        let moment = at.map(|at| (at, &with.user[..]));
        let force = match asked {
            Ask::Mutate { force, .. } => *force,
            _ => Force::Yes,
        };
        let by_name = Ask::Mutate {
            to: machine.current_name().to_owned(),
            force,
            rules: Rules::Documented,
        };
        let with_reason = With {
            reason: Some(machine.reason().to_owned()),
            ..With::default()
        };
        let is_legacy = match asked {
            Ask::Mutate { rules, .. } | Ask::Reset(rules) => *rules == Rules::Legacy,
            _ => false,
        };
        if is_legacy && at.is_some() {
            self.replica.load(key, &alone(machine));
        } else if is_legacy || (matches!(asked, Ask::Mutate { .. }) && at.is_some()) {
            self.replica.ask(key, &by_name, None, &with_reason, moment);
        } else {
            self.replica.ask(key, asked, json, with, moment);
        }
    }

    /// Fires what is due. Returns whether the key is not gone by that.
    pub(super) fn fire_due(&mut self, key: &[u8]) -> bool {
        let Some(Value { machine, life }) = self.keys.get_mut(key) else {
            return true;
        };
        let mut fired = Vec::new();
        let is_there = machine.fire_due(self.now, |_, step| fired.push((step.at, step.next_from)));
        assert_eq!(is_there, life.fire_due(self.now));
        assert!(fired.len() <= 16);
        for (at, next_from) in fired {
            let asked = Ask::Timeout { next_from };
            let moment = Some((at, &b""[..]));
            self.replica
                .ask(key, &asked, None, &With::default(), moment);
        }
        if !is_there {
            self.keys.remove(key);
            self.replica.delete(key);
        }
        self.check_one(key);
        is_there
    }

    /// Fires what is due at any key.
    pub fn fire_all_due(&mut self) {
        let keys: Vec<Vec<u8>> = self.keys.keys().cloned().collect();
        for key in keys {
            self.fire_due(&key);
        }
    }

    pub(super) fn time_out(&mut self, key: &[u8]) -> Reply {
        let with = With {
            user: Vec::new(),
            ..self.now(With::default())
        };
        self.ask(key, &Ask::Timeout { next_from: None }, None, with)
    }

    /// Reads a record, which may be anything.
    pub(super) fn load(&mut self, key: &[u8], record: &[u8]) -> Reply {
        let loaded = RecordReader::new().decode(RECORD_VERSION, record, &self.interner);
        let Ok(machine) = loaded else {
            return Reply::Error;
        };
        self.adopt(key, machine, record);
        Reply::Ok
    }

    /// Stores a machine that was read from a record. What it says of itself is believed.
    fn adopt(&mut self, key: &[u8], machine: Machine, record: &[u8]) {
        self.replica.load(key, record);
        let life = adopt::life(&machine);
        self.put(key, machine, life);
    }

    pub(super) fn copy(&mut self, from: &[u8], to: &[u8]) -> Reply {
        let Some(copy) = self.keys.get(from).cloned() else {
            return Reply::Nil;
        };
        self.replica.copy(from, to);
        self.put(to, copy.machine, copy.life);
        Reply::Ok
    }

    pub(super) fn delete(&mut self, key: &[u8]) -> Reply {
        if self.keys.remove(key).is_none() {
            return Reply::Nil;
        }
        self.replica.delete(key);
        Reply::Ok
    }
}
