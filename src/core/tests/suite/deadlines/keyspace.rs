//! The index in a server: each command as the calls that a server makes for it, none of which says
//! where a renamed key went, and with values that are freed later, on another thread.
//!
//! The law: every machine with a deadline has a hint that leads to it, or that waits to be healed.
//! So each fires, once.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use redis_state_core::{Deadlines, FreedQueue, Handle};

const DATABASES: u32 = 3;

type Key = (u32, u8);

/// A command, or what the server does by itself.
#[derive(Debug, Clone)]
enum Act {
    Set(Key, Option<u64>),
    Enter(Key, Option<u64>),
    Delete(Key),
    Rename(Key, u8),
    Move(Key, u32),
    Copy(Key, Key),
    Restore(Key, u64),
    Swap(u32, u32),
    Flush(u32),
    FlushAll,
    Scan,
    FreeSome(usize),
    Sweep(usize),
    Fire { now: u64, refuses: bool },
    Load(Vec<(Key, u64)>, bool),
}

/// The value of a key.
#[derive(Debug, Clone, Default)]
struct Value {
    deadline: Option<u64>,
    handle: Option<Handle>,
}

#[derive(Default)]
struct Server {
    keys: BTreeMap<Key, Value>,
    index: Deadlines,
    /// What a background thread has still to free.
    garbage: Vec<Value>,
    freed: FreedQueue,
}

fn name(key: Key) -> Vec<u8> {
    // Every other name needs a heap block.
    vec![key.1; if key.1.is_multiple_of(2) { 5 } else { 30 }]
}

impl Server {
    fn act(&mut self, act: &Act) {
        match *act {
            Act::Set(key, deadline) => {
                self.unlink(key);
                self.keys.insert(key, Value::default());
                self.enter(key, deadline);
            }
            Act::Enter(key, deadline) => self.enter(key, deadline),
            Act::Delete(key) => self.unlink(key),
            Act::Rename(key, to) => self.rename(key, (key.0, to)),
            Act::Move(key, to) if !self.keys.contains_key(&(to, key.1)) => {
                self.rename(key, (to, key.1));
            }
            Act::Move(..) => {}
            Act::Copy(from, to) => {
                let deadline = self.keys.get(&from).and_then(|value| value.deadline);
                self.arrive(from != to && self.keys.contains_key(&from), to, deadline);
            }
            Act::Restore(key, deadline) => self.arrive(true, key, Some(deadline)),
            Act::Scan => self.scan(),
            Act::Fire { now, refuses } => self.fire(now, refuses),
            _ => self.act_on_all(act),
        }
    }

    fn act_on_all(&mut self, act: &Act) {
        match act {
            Act::Swap(one, other) => {
                self.index.swap(*one, *other);
                let keys = std::mem::take(&mut self.keys);
                let swapped = |database| match database {
                    database if database == *one => *other,
                    database if database == *other => *one,
                    database => database,
                };
                let keys = keys.into_iter();
                self.keys = keys
                    .map(|((at, key), value)| ((swapped(at), key), value))
                    .collect();
            }
            Act::Flush(database) => {
                self.index.flush(*database);
                let keys = std::mem::take(&mut self.keys).into_iter();
                let (flushed, kept) = keys.partition(|(key, _)| key.0 == *database);
                self.keys = kept;
                self.garbage.extend(BTreeMap::into_values(flushed));
            }
            Act::FlushAll => {
                self.index.flush_all();
                self.garbage
                    .extend(std::mem::take(&mut self.keys).into_values());
            }
            Act::FreeSome(count) => self.free(*count),
            Act::Sweep(slots) => {
                self.index.sweep(*slots);
            }
            Act::Load(keys, completes) => self.load(keys, *completes),
            _ => unreachable!(),
        }
    }

    /// Deletes or overwrites a value: the server says that it leaves its name, and frees it sooner
    /// or later.
    fn unlink(&mut self, key: Key) {
        if let Some(value) = self.keys.remove(&key) {
            value
                .handle
                .iter()
                .for_each(|handle| self.index.lose(*handle));
            self.garbage.push(value);
        }
    }

    /// The server says that the value leaves its name, and no more.
    fn rename(&mut self, from: Key, to: Key) {
        if from == to || !self.keys.contains_key(&from) {
            return;
        }
        self.unlink(to);
        let value = self.keys.remove(&from).unwrap();
        value
            .handle
            .iter()
            .for_each(|handle| self.index.lose(*handle));
        self.keys.insert(to, value);
    }

    /// A new value is made before the old one leaves.
    fn arrive(&mut self, is_there: bool, key: Key, deadline: Option<u64>) {
        if !is_there {
            return;
        }
        let handle = deadline.map(|at| self.index.insert(key.0, &name(key), at));
        self.unlink(key);
        self.keys.insert(key, Value { deadline, handle });
    }

    /// A command of ours opens the key, and changes the deadline.
    fn enter(&mut self, key: Key, deadline: Option<u64>) {
        self.meet(key);
        let Some(value) = self.keys.get_mut(&key) else {
            return;
        };
        value.deadline = deadline;
        match (value.handle, deadline) {
            (Some(handle), Some(at)) => self.index.change(handle, at),
            (Some(handle), None) => {
                self.index.remove(handle);
                value.handle = None;
            }
            (None, Some(at)) => value.handle = Some(self.index.insert(key.0, &name(key), at)),
            (None, None) => {}
        }
    }

    fn meet(&mut self, key: Key) {
        let handle = self.keys.get(&key).and_then(|value| value.handle);
        if let Some(handle) = handle.filter(|handle| self.index.is_lost(*handle)) {
            assert!(self.index.heal(handle, key.0, &name(key)));
        }
    }

    fn scan(&mut self) {
        for key in self.keys.keys().copied().collect::<Vec<_>>() {
            self.meet(key);
        }
    }

    fn free(&mut self, count: usize) {
        let count = count.min(self.garbage.len());
        for value in self.garbage.drain(..count) {
            value
                .handle
                .iter()
                .for_each(|handle| self.freed.push(*handle));
        }
        while let Some(handles) = self.freed.take() {
            self.index.forget(&handles);
        }
    }

    /// Fires all that is due. A hint is checked before it is believed.
    fn fire(&mut self, now: u64, refuses: bool) {
        while let Some(due) = self.index.next_due(now) {
            let (handle, database) = (due.handle, due.database);
            let key = (database, due.name[0]);
            let value = self.keys.get(&key);
            // No command here leaves a hint to a key that is not there.
            let value = value.filter(|value| value.handle == Some(handle)).unwrap();
            let deadline = value.deadline.unwrap();
            if refuses {
                assert!(self.index.postpone(handle, now).unwrap() > now);
            } else if deadline > now {
                self.index.change(handle, deadline);
            } else {
                // The next state may have a timer too.
                let next = deadline
                    .is_multiple_of(3)
                    .then_some(now + 1 + deadline % 50);
                self.enter(key, next);
            }
        }
    }

    /// A replica loads other data beside its own, and takes them over or drops them.
    fn load(&mut self, keys: &[(Key, u64)], completes: bool) {
        let mut beside = Self::default();
        for (key, deadline) in keys {
            beside.arrive(true, *key, Some(*deadline));
        }
        if completes {
            std::mem::swap(&mut self.index, &mut beside.index);
            std::mem::swap(&mut self.keys, &mut beside.keys);
        }
        // The server frees the others without a word. Handles of either index come this way.
        self.garbage.append(&mut beside.garbage);
        self.garbage.extend(beside.keys.into_values());
    }

    /// Asserts the law.
    fn check(&self) {
        for (key, value) in &self.keys {
            assert_eq!(value.handle.is_some(), value.deadline.is_some());
            let Some(handle) = value.handle else {
                continue;
            };
            let hint = self.index.get(handle).expect("each machine has a hint");
            match hint.key {
                Some(known) => assert_eq!(known, (key.0, &name(*key)[..])),
                None => assert!(self.index.is_lost(handle)),
            }
        }
    }

    /// Asserts that nothing is left over once everything was freed and met.
    fn check_at_rest(&mut self) {
        self.free(usize::MAX);
        self.scan();
        self.check();
        let timed = self
            .keys
            .values()
            .filter(|value| value.handle.is_some())
            .count();
        let stats = self.index.stats();
        assert_eq!((stats.pending, stats.lost), (timed, 0));
    }
}

fn key() -> impl Strategy<Value = Key> {
    (0..DATABASES, 0..6u8)
}

fn deadline() -> impl Strategy<Value = u64> {
    0..1000u64
}

fn act() -> impl Strategy<Value = Act> {
    let maybe = || proptest::option::weighted(0.8, deadline());
    prop_oneof![
        10 => (key(), maybe()).prop_map(|(key, at)| Act::Set(key, at)),
        8 => (key(), maybe()).prop_map(|(key, at)| Act::Enter(key, at)),
        4 => key().prop_map(Act::Delete),
        6 => (key(), 0..6u8).prop_map(|(key, to)| Act::Rename(key, to)),
        5 => (key(), 0..DATABASES).prop_map(|(key, to)| Act::Move(key, to)),
        4 => (key(), key()).prop_map(|(from, to)| Act::Copy(from, to)),
        4 => (key(), deadline()).prop_map(|(key, at)| Act::Restore(key, at)),
        3 => (0..DATABASES, 0..DATABASES).prop_map(|(one, other)| Act::Swap(one, other)),
        2 => (0..DATABASES).prop_map(Act::Flush),
        1 => Just(Act::FlushAll),
        2 => Just(Act::Scan),
        5 => (0..9usize).prop_map(Act::FreeSome),
        2 => (0..300usize).prop_map(Act::Sweep),
        6 => (deadline(), prop::bool::weighted(0.2))
            .prop_map(|(now, refuses)| Act::Fire { now, refuses }),
        1 => (vec((key(), deadline()), 0..9), any::<bool>())
            .prop_map(|(keys, completes)| Act::Load(keys, completes)),
    ]
}

proptest! {
    #[test]
    fn every_deadline_is_found(acts in vec(act(), 1..200)) {
        let mut server = Server::default();
        for act in &acts {
            server.act(act);
            server.check();
        }
        server.check_at_rest();
        // Each firing counts its next one from a moment that is later.
        for now in (0..20_000).step_by(50) {
            server.fire(now, false);
            server.check();
        }
    }
}
