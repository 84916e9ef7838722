//! A replica: it gets what the primary replicates, has another clock, and must end where the primary
//! does.

use std::collections::BTreeMap;

use redis_state_core::{
    Context, Interner, InternerStats, Limits, Machine, Options, RECORD_VERSION, RecordReader,
    Rules, parse_machine,
};

use crate::model::life::{Ask, With};
use crate::model::played::{alone, ask, options};

/// When a change was made and by whom, if that was replicated.
pub type Moment<'a> = Option<(u64, &'a [u8])>;

/// Keys, each with its machine.
pub struct Replica {
    interner: Interner,
    keys: BTreeMap<Vec<u8>, Machine>,
    clock: u64,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.keys.clear();
        assert_eq!(self.interner.stats(), InternerStats::default(), "a leak");
    }
}

impl Replica {
    pub fn new() -> Self {
        Self {
            interner: Interner::new(),
            keys: BTreeMap::new(),
            clock: 77_777,
        }
    }

    /// Returns what this replica takes for the context of a new machine.
    fn context<'a>(&self, moment: Moment<'a>) -> Context<'a> {
        let (now, user) = moment.unwrap_or((self.clock, b"replica"));
        Context {
            now,
            user,
            replayed: false,
        }
    }

    /// Reads a document as one that was accepted elsewhere.
    fn read(&self, json: &[u8], current: Option<&[u8]>) -> Machine {
        let read = |rules| parse_machine(&self.interner, json, current, rules, &Limits::NONE);
        let read = read(Rules::Documented).or_else(|_| read(Rules::Replayed));
        read.expect("read elsewhere, so read here").machine
    }

    pub fn set(&mut self, key: &[u8], json: &[u8], current: Option<&[u8]>, moment: Moment<'_>) {
        let new = self.read(json, current);
        let context = self.context(moment);
        let machine = match self.keys.get(key) {
            Some(old) => new.replace(old, &context),
            None => {
                let begun = new.begin(&Options::default(), &context);
                begun.expect("no timer is given")
            }
        };
        self.keys.insert(key.to_vec(), machine);
    }

    pub fn create(&mut self, key: &[u8]) {
        let blank = Machine::blank(&self.interner);
        let machine = match self.keys.get(key) {
            Some(old) => blank.continue_version(old),
            None => blank,
        };
        self.keys.insert(key.to_vec(), machine);
    }

    pub fn begin(
        &mut self,
        key: &[u8],
        json: &[u8],
        state: Option<&[u8]>,
        with: &With,
        moment: Moment<'_>,
    ) {
        let new = self.read(json, state);
        let begun = new.begin(&options(with), &self.context(moment));
        self.keys
            .insert(key.to_vec(), begun.expect("made elsewhere, so made here"));
    }

    /// Makes a move that was made elsewhere. Conditions and IDs stop it only in so far as they are
    /// looked at first.
    pub fn ask(
        &mut self,
        key: &[u8],
        asked: &Ask,
        json: Option<&[u8]>,
        with: &With,
        moment: Moment<'_>,
    ) {
        let new = json.map(|json| self.read(json, None));
        let context = self.context(moment);
        let mut with = With {
            now: context.now,
            user: context.user.to_vec(),
            replayed: moment.is_some(),
            ..with.clone()
        };
        let machine = self.keys.get_mut(key).expect("the primary has it");
        if ask(machine, asked, new.as_ref(), &with).changed.is_none() {
            with.replayed = true;
            let told = ask(machine, asked, new.as_ref(), &with);
            assert!(told.changed.is_some(), "{asked:?} {told:?}");
        }
    }

    pub fn load(&mut self, key: &[u8], record: &[u8]) {
        let loaded = RecordReader::new().decode(RECORD_VERSION, record, &self.interner);
        let loaded = loaded.expect("read elsewhere, so read here");
        self.keys.insert(key.to_vec(), loaded);
    }

    pub fn copy(&mut self, from: &[u8], to: &[u8]) {
        let copy = self.keys.get(from).expect("the primary has it").clone();
        self.keys.insert(to.to_vec(), copy);
    }

    pub fn delete(&mut self, key: &[u8]) {
        assert!(self.keys.remove(key).is_some(), "the primary had it");
    }

    /// Panics unless the machine at the key is this one.
    pub fn assert_is(&self, key: &[u8], machine: &Machine) {
        let own = self.keys.get(key).expect("the primary has it");
        assert_eq!(alone(own), alone(machine));
    }

    pub fn count(&self) -> usize {
        self.keys.len()
    }

    pub fn keep(&mut self, is_kept: impl Fn(&[u8]) -> bool) {
        self.keys.retain(|key, _| is_kept(key));
    }
}
