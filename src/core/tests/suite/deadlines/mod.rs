//! The index of deadlines: against a naive list by any sequence of operations, and as a server uses it.

mod keyspace;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use redis_state_core::{Deadlines, FreedQueue, Handle};

use crate::model::deadlines::Pending;

/// An operation. `place` says on which of two indexes, `of` on which of all handles that ever were.
#[derive(Debug, Clone)]
enum Step {
    Insert {
        place: usize,
        key: (u32, Vec<u8>),
        at: u64,
    },
    Change {
        of: Index,
        at: u64,
    },
    Remove {
        of: Index,
    },
    Lose {
        of: Index,
    },
    Forget {
        of: Vec<Index>,
    },
    Heal {
        of: Index,
        key: (u32, Vec<u8>),
    },
    Postpone {
        of: Index,
        now: u64,
    },
    Fire {
        place: usize,
        now: u64,
        then: Then,
    },
    Resume {
        place: usize,
        now: u64,
    },
    Swap {
        place: usize,
        databases: (u32, u32),
    },
    Flush {
        place: usize,
        database: u32,
    },
    FlushAll {
        place: usize,
    },
    Sweep {
        place: usize,
        slots: usize,
    },
    Exchange,
    Replace,
}

/// What came of an entry that was due.
#[derive(Debug, Clone)]
enum Then {
    Removed,
    Changed(u64),
    Refused,
}

/// Two indexes, what they should be, and every handle that they ever gave out.
#[derive(Default)]
struct Both {
    real: [Deadlines; 2],
    model: [Pending; 2],
    ever: Vec<Handle>,
}

impl Both {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Insert { place, key, at } => {
                let handle = self.real[*place].insert(key.0, &key.1, *at);
                assert!(!self.ever.contains(&handle));
                self.model[*place].insert(handle, key.clone(), *at);
                self.ever.push(handle);
            }
            Step::Change { of, at } => self.each(*of, |real, model, handle| {
                real.change(handle, *at);
                model.change(handle, *at);
            }),
            Step::Remove { of } => self.each(*of, |real, model, handle| {
                real.remove(handle);
                model.remove(handle);
            }),
            Step::Lose { of } => self.each(*of, |real, model, handle| {
                real.lose(handle);
                model.lose(handle);
            }),
            Step::Forget { of } => self.forget(of),
            Step::Heal { of, key } => self.each(*of, |real, model, handle| {
                let is_healed = real.heal(handle, key.0, &key.1);
                assert_eq!(is_healed, model.heal(handle, key.clone()));
            }),
            Step::Postpone { of, now } => self.each(*of, |real, model, handle| {
                assert_eq!(real.postpone(handle, *now), model.postpone(handle, *now));
            }),
            Step::Fire { place, now, then } => self.fire(*place, *now, then),
            _ => self.take_whole(step),
        }
    }

    /// Takes a step of which no handle is the subject.
    fn take_whole(&mut self, step: &Step) {
        match *step {
            Step::Resume { place, now } => {
                self.real[place].resume(now);
                self.model[place].resume(now);
            }
            Step::Swap { place, databases } => {
                self.real[place].swap(databases.0, databases.1);
                self.model[place].swap(databases.0, databases.1);
            }
            Step::Flush { place, database } => {
                self.real[place].flush(database);
                self.model[place].flush(database);
            }
            Step::FlushAll { place } => {
                self.real[place].flush_all();
                self.model[place].flush_all();
            }
            Step::Sweep { place, slots } => {
                self.real[place].sweep(slots);
            }
            Step::Exchange => {
                self.real.swap(0, 1);
                self.model.swap(0, 1);
            }
            Step::Replace => {
                self.real[0] = std::mem::take(&mut self.real[1]);
                self.model[0] = std::mem::take(&mut self.model[1]);
            }
            _ => unreachable!(),
        }
    }

    /// Does it on both, with one handle: it is of one of them at most.
    fn each(&mut self, of: Index, mut act: impl FnMut(&mut Deadlines, &mut Pending, Handle)) {
        if self.ever.is_empty() {
            return;
        }
        let handle = *of.get(&self.ever);
        for (real, model) in self.real.iter_mut().zip(&mut self.model) {
            act(real, model, handle);
        }
    }

    fn forget(&mut self, of: &[Index]) {
        if self.ever.is_empty() {
            return;
        }
        let freed = FreedQueue::new();
        for of in of {
            let handle = *of.get(&self.ever);
            freed.push(handle);
            self.model.iter_mut().for_each(|model| model.remove(handle));
        }
        while let Some(handles) = freed.take() {
            self.real.iter_mut().for_each(|real| real.forget(&handles));
        }
    }

    fn fire(&mut self, place: usize, now: u64, then: &Then) {
        let (real, model) = (&mut self.real[place], &mut self.model[place]);
        let Some(handle) = real.next_due(now).map(|due| due.handle) else {
            return;
        };
        match *then {
            Then::Removed => {
                real.remove(handle);
                model.remove(handle);
            }
            Then::Changed(at) => {
                real.change(handle, at);
                model.change(handle, at);
            }
            Then::Refused => {
                assert_eq!(real.postpone(handle, now), model.postpone(handle, now));
            }
        }
    }

    fn check(&self) {
        for (real, model) in self.real.iter().zip(&self.model) {
            model.assert_is(real, &self.ever);
        }
    }
}

fn moment() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => 0..6_000u64,
        1 => select(&[0, 1 << 53, u64::MAX - 1, u64::MAX][..]),
    ]
}

fn database() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..4u32, 1 => select(&[15, u32::MAX][..])]
}

/// Names that fit into an entry, just so, and not.
fn key() -> impl Strategy<Value = (u32, Vec<u8>)> {
    let bytes = prop_oneof![6 => 0..16usize, 1 => 20..25usize, 1 => 200..300usize];
    let name = (any::<u8>(), bytes).prop_map(|(byte, bytes)| vec![byte; bytes]);
    (database(), name)
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![
        Just(Then::Removed),
        moment().prop_map(Then::Changed),
        Just(Then::Refused),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let place = || 0..2usize;
    let of = any::<Index>;
    prop_oneof![
        30 => (place(), key(), moment()).prop_map(|(place, key, at)| Step::Insert { place, key, at }),
        10 => (of(), moment()).prop_map(|(of, at)| Step::Change { of, at }),
        8 => of().prop_map(|of| Step::Remove { of }),
        10 => of().prop_map(|of| Step::Lose { of }),
        3 => vec(of(), 0..5).prop_map(|of| Step::Forget { of }),
        10 => (of(), key()).prop_map(|(of, key)| Step::Heal { of, key }),
        8 => (of(), moment()).prop_map(|(of, now)| Step::Postpone { of, now }),
        12 => (place(), moment(), then())
            .prop_map(|(place, now, then)| Step::Fire { place, now, then }),
        2 => (place(), moment()).prop_map(|(place, now)| Step::Resume { place, now }),
        5 => (place(), (database(), database()))
            .prop_map(|(place, databases)| Step::Swap { place, databases }),
        4 => (place(), database()).prop_map(|(place, database)| Step::Flush { place, database }),
        1 => place().prop_map(|place| Step::FlushAll { place }),
        5 => (place(), 0..20usize).prop_map(|(place, slots)| Step::Sweep { place, slots }),
        2 => Just(Step::Exchange),
        1 => Just(Step::Replace),
    ]
}

proptest! {
    #[test]
    fn any_steps_leave_what_a_list_has(steps in vec(step(), 1..150)) {
        let mut both = Both::default();
        for step in &steps {
            both.take(step);
            both.check();
        }
    }

    #[test]
    fn entries_come_out_in_order(keys in vec((key(), 0..50u64), 0..600)) {
        let mut index = Deadlines::new();
        for ((database, name), at) in &keys {
            index.insert(*database, name, *at);
        }
        let mut expected: Vec<u64> = keys.iter().map(|(_, at)| *at).collect();
        expected.sort_unstable();
        let mut fired = Vec::new();
        while let Some(due) = index.next_due(100) {
            let (at, handle) = (due.at, due.handle);
            fired.push(at);
            index.remove(handle);
        }
        prop_assert_eq!(fired, expected);
    }

    /// The memory of what was dropped comes back, however it was dropped.
    #[test]
    fn memory_comes_back(
        keys in vec((key(), moment()), 0..700),
        lost in vec(any::<Index>(), 0..100),
        by in 0..3,
    ) {
        let mut index = Deadlines::new();
        let handles: Vec<Handle> = keys
            .iter()
            .map(|((database, name), at)| index.insert(*database, name, *at))
            .collect();
        for of in lost.iter().filter(|_| !handles.is_empty()) {
            index.lose(*of.get(&handles));
        }
        match by {
            0 => index.flush_all(),
            1 => {
                for ((database, _), _) in &keys {
                    index.flush(*database);
                }
                index.forget(&handles);
            }
            _ => index.forget(&handles),
        }
        prop_assert_eq!(index.iter().count(), 0);
        prop_assert!(!index.sweep(usize::MAX));
        // What is left has to do with the number of databases, not of entries.
        prop_assert!(index.memory() < 1500, "{} bytes", index.memory());
    }

    /// A flush that is swept by insertions alone is done with before as much has come in again.
    #[test]
    fn insertions_sweep(count in 1..2000usize, rounds in 1..6) {
        let mut index = Deadlines::new();
        let mut memory = Vec::new();
        for _ in 0..rounds {
            index.insert(1, b"stays", 7);
            for at in 0..count {
                index.insert(0, b"a name that needs a heap block", at as u64);
            }
            memory.push(index.memory());
            index.flush(0);
        }
        let most = memory.iter().max().unwrap();
        prop_assert!(*most < 2 * memory[0] + 20_000, "{memory:?}");
    }
}

#[test]
fn a_handle_out_of_date_is_never_another_s() {
    let mut index = Deadlines::new();
    let old = index.insert(0, b"a", 1);
    index.remove(old);
    let new = index.insert(0, b"b", 2);
    index.change(old, 0);
    index.lose(old);
    index.remove(old);
    index.forget(&[old]);
    assert!(!index.heal(old, 3, b"c") && !index.is_lost(old));
    assert_eq!((index.postpone(old, 9), index.get(old)), (None, None));
    assert_eq!(index.get(new).unwrap().key, Some((0, &b"b"[..])));
    assert_eq!(index.first(), Some(2));
}

#[test]
fn the_end_of_time_is_a_deadline() {
    let mut index = Deadlines::new();
    let handle = index.insert(0, b"a", u64::MAX);
    assert_eq!(index.first(), Some(u64::MAX - 1));
    index.change(handle, u64::MAX - 1);
    assert_eq!(index.postpone(handle, u64::MAX), Some(u64::MAX - 1));
    assert_eq!(index.next_due(u64::MAX).unwrap().handle, handle);
}

#[test]
fn a_handle_means_nothing_to_another_index() {
    let [mut one, mut other] = [Deadlines::new(), Deadlines::new()];
    let handle = one.insert(0, b"a", 1);
    let kept = other.insert(0, b"b", 2);
    other.remove(handle);
    other.lose(handle);
    assert_eq!(other.get(handle), None);
    assert_eq!(other.get(kept).unwrap().at, 2);
    std::mem::swap(&mut one, &mut other);
    assert_eq!(other.get(handle).unwrap().at, 1);
}

#[test]
fn a_lost_entry_is_not_due_and_waits_for_its_name() {
    let mut index = Deadlines::new();
    let lost = index.insert(0, b"a", 1);
    let other = index.insert(0, b"b", 5);
    index.lose(lost);
    assert!(index.is_lost(lost) && !index.is_lost(other));
    assert_eq!(index.first(), Some(5));
    assert_eq!(index.postpone(lost, 9), None);
    assert!(!index.heal(other, 2, b"not lost"));
    assert!(index.heal(lost, 2, b"c"));
    assert!(!index.heal(lost, 3, b"d"));
    let due = index.next_due(1).unwrap();
    assert_eq!((due.database, due.name, due.handle), (2, &b"c"[..], lost));
    assert_eq!(index.stats().healed, 1);
}

/// `RENAME`, then a move, then somebody meets the machine.
#[test]
fn a_lost_entry_takes_a_new_deadline() {
    let mut index = Deadlines::new();
    let lost = index.insert(0, b"a", 1);
    index.lose(lost);
    index.change(lost, 50);
    assert!(index.is_lost(lost));
    index.heal(lost, 0, b"b");
    assert_eq!(index.first(), Some(50));
}

/// `MOVE a 3`, then `FLUSHDB` in the database where it was: the machine is alive in database 3.
#[test]
fn flushing_the_old_database_leaves_a_lost_entry() {
    let mut index = Deadlines::new();
    let moved = index.insert(0, b"a", 1);
    index.lose(moved);
    index.flush(0);
    assert!(index.heal(moved, 3, b"a"));
    assert_eq!(index.next_due(1).unwrap().database, 3);
}

/// `RESTORE a … REPLACE`: the server shows the new value before it takes the old one away.
#[test]
fn two_machines_may_have_one_name_for_a_moment() {
    let mut index = Deadlines::new();
    let old = index.insert(0, b"a", 1);
    let new = index.insert(0, b"a", 9);
    index.lose(old);
    index.forget(&[old]);
    assert_eq!(index.next_due(9).unwrap().handle, new);
}

#[test]
fn a_pause_grows_until_the_deadline_changes() {
    let mut index = Deadlines::new();
    let handle = index.insert(0, b"a", 1_000);
    let mut now = 1_000;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let again = index.postpone(handle, now).unwrap();
        assert!(index.next_due(again - 1).is_none());
        assert_eq!(index.next_due(again).unwrap().at, again);
        pauses.push(again - now);
        now = again;
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
    index.change(handle, now);
    assert_eq!(index.postpone(handle, now), Some(now + 100));
}

/// A refusal that comes after the machine has moved on must not bring the hint forward.
#[test]
fn what_is_not_due_is_not_postponed() {
    let mut index = Deadlines::new();
    let handle = index.insert(0, b"a", 5_000);
    assert_eq!(index.postpone(handle, 4_999), Some(5_000));
    assert_eq!(index.first(), Some(5_000));
    assert_eq!(index.postpone(handle, 5_000), Some(5_100));
}

#[test]
fn a_clock_set_back_ends_the_pauses() {
    let mut index = Deadlines::new();
    let refused = index.insert(0, b"a", 10);
    let waiting = index.insert(0, b"b", 500);
    let lost = index.insert(0, b"c", 20);
    index.postpone(refused, 1_000_000);
    index.postpone(lost, 1_000_000);
    index.lose(lost);
    index.resume(100);
    assert_eq!(index.next_due(100).unwrap().handle, refused);
    assert_eq!(index.get(waiting).unwrap().at, 500);
    assert_eq!(index.get(lost).unwrap().at, 100);
    assert_eq!(index.postpone(refused, 100), Some(200));
}

#[test]
fn swapping_databases_moves_what_is_pending() {
    let mut index = Deadlines::new();
    index.insert(0, b"a", 1);
    index.insert(1, b"b", 2);
    index.swap(0, 1);
    assert_eq!(index.next_due(1).unwrap().database, 1);
    index.flush(1);
    assert_eq!(index.next_due(2).unwrap().database, 0);
    // With a database that has nothing.
    index.swap(0, 7);
    assert_eq!(index.next_due(2).unwrap().database, 7);
}

#[test]
fn a_flush_counts_at_once_and_leaves_the_others() {
    let mut index = Deadlines::new();
    let handles: Vec<Handle> = (0..1000)
        .map(|at| index.insert(at % 2, b"key", u64::from(at)))
        .collect();
    index.lose(handles[1]);
    index.flush(0);
    assert_eq!((index.stats().pending, index.stats().lost), (499, 1));
    assert_eq!(index.get(handles[0]), None);
    assert_eq!(index.first(), Some(3));
    // A flushed handle is out of date, even before its slot is swept.
    index.change(handles[0], 0);
    index.remove(handles[2]);
    index.lose(handles[4]);
    assert_eq!((index.stats().pending, index.stats().lost), (499, 1));
    let mut rounds = 0;
    while index.sweep(100) {
        rounds += 1;
    }
    assert!(rounds <= 11, "one tour is enough");
    assert_eq!(index.stats().pending, 499);
    index.flush_all();
    assert_eq!(index.stats().lost, 0);
}
