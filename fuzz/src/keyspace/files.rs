//! Saving and loading, in every way there is.

use redis_state_core::{
    Force, Interner, Limits, Machine, RECORD_VERSION, RecordReader, Recreate, Rules, parse_machine,
};

use super::{Keyspace, Value};
use crate::model::life::{Ask, With};
use crate::model::played::{alone, ask};

impl Keyspace {
    /// Dumps and restores every key.
    pub fn reload_alone(&mut self) {
        for Value { machine, .. } in self.keys.values_mut() {
            let loaded =
                RecordReader::new().decode(RECORD_VERSION, &alone(machine), &self.interner);
            *machine = loaded.expect("what was written is read");
        }
        self.check();
    }

    /// Saves an RDB file and loads it on a server that has nothing yet. Some keys expire on the way.
    pub fn reload_file(&mut self, expired: impl Fn(usize) -> bool) {
        self.writer.begin_file();
        let write = |value: &Value| {
            let mut record = Vec::new();
            self.writer.write(&value.machine, &mut record);
            record
        };
        let records: Vec<Vec<u8>> = self.keys.values().map(write).collect();
        self.writer.end_file();
        let interner = Interner::new();
        let mut reader = RecordReader::new();
        reader.begin_file();
        let mut gone = Vec::new();
        for (at, ((key, value), record)) in self.keys.iter_mut().zip(&records).enumerate() {
            let loaded = reader.decode(RECORD_VERSION, record, &interner);
            let loaded = loaded.expect("what was written is read");
            if expired(at) {
                gone.push(key.clone());
            } else {
                value.machine = loaded;
            }
        }
        reader.end_file();
        self.keys.retain(|key, _| !gone.contains(key));
        self.replica.keep(|key| self.keys.contains_key(key));
        self.interner = interner;
        self.check();
    }

    /// Begins a file and gives it up half way.
    pub fn save_in_vain(&mut self) {
        self.writer.begin_file();
        for value in self.keys.values().take(self.keys.len() / 2) {
            self.writer.write(&value.machine, &mut Vec::new());
        }
        self.writer.end_file();
    }

    /// Rewrites every machine as commands, as for an append-only file, and replays them on a server
    /// that has nothing yet.
    pub fn rewrite(&mut self) {
        let interner = Interner::new();
        for Value { machine, .. } in self.keys.values_mut() {
            let replayed = replay(machine, &interner);
            assert_eq!(alone(&replayed), alone(machine));
            *machine = replayed;
        }
        self.interner = interner;
        self.check();
    }
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
        let forced = Ask::Mutate {
            to: String::from_utf8(state.to_vec()).expect("names are text"),
            force: Force::Yes,
            rules: Rules::Documented,
        };
        let with = With {
            reason: Some(reason.to_owned()),
            ..With::default()
        };
        let told = ask(&mut replayed, &forced, None, &with);
        assert!(told.changed.is_some(), "{told:?}");
    }
    replayed
}
