//! The index of deadlines against a list that is searched from end to end.

use proptest::collection::vec;
use proptest::prelude::*;
use redis_state_core::{Deadlines, Handle};

/// A hint as the list has it.
#[derive(Debug, Clone)]
struct Hint {
    handle: Handle,
    /// The first number of its database. What it is called now is in [`Model::numbers`].
    database: usize,
    name: Vec<u8>,
    moment: u64,
    pauses: u32,
    is_lost: bool,
}

#[derive(Debug)]
struct Model {
    hints: Vec<Hint>,
    /// For each database, by its first number, what number it has now.
    numbers: Vec<i32>,
}

#[derive(Debug, Clone)]
enum Step {
    Insert(usize, Vec<u8>, u64),
    Change(usize, u64),
    Postpone(usize, u64),
    Remove(usize),
    Lose(usize),
    Heal(usize, usize, Vec<u8>),
    Swap(usize, usize),
    Clear,
    Look(u64),
}

const DATABASES: usize = 4;

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..4),
        // Around the longest name that a hint holds itself.
        (20..26_usize).prop_map(|length| vec![b'k'; length]),
        (255..258_usize).prop_map(|length| vec![b'l'; length]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let (number, moment) = (0..200_usize, 0..50_u64);
    let database = 0..DATABASES;
    prop_oneof![
        12 => (database.clone(), name(), moment.clone()).prop_map(|(d, n, m)| Step::Insert(d, n, m)),
        6 => (number.clone(), moment.clone()).prop_map(|(n, m)| Step::Change(n, m)),
        3 => (number.clone(), moment.clone()).prop_map(|(n, m)| Step::Postpone(n, m)),
        6 => number.clone().prop_map(Step::Remove),
        4 => number.clone().prop_map(Step::Lose),
        4 => (number, database.clone(), name()).prop_map(|(n, d, name)| Step::Heal(n, d, name)),
        1 => (database.clone(), database).prop_map(|(one, other)| Step::Swap(one, other)),
        1 => Just(Step::Clear),
        3 => moment.prop_map(Step::Look),
    ]
}

impl Model {
    fn new() -> Self {
        let numbers = (0..).take(DATABASES).collect();
        let hints = Vec::new();
        Self { hints, numbers }
    }

    fn find(&mut self, handle: Handle) -> Option<&mut Hint> {
        self.hints.iter_mut().find(|hint| hint.handle == handle)
    }

    /// Returns the database that has this number now.
    fn database(&self, number: i32) -> usize {
        self.numbers.iter().position(|&now| now == number).unwrap()
    }

    fn assert_is(&self, deadlines: &Deadlines) {
        let in_order = || self.hints.iter().filter(|hint| !hint.is_lost);
        assert_eq!(deadlines.len(), self.hints.len());
        assert_eq!(deadlines.is_empty(), self.hints.is_empty());
        assert_eq!(deadlines.lost(), self.hints.len() - in_order().count());
        let first = in_order().map(|hint| hint.moment).min();
        assert_eq!(deadlines.first().is_some(), first.is_some());
        assert!(deadlines.first() <= first, "nothing is due before");
        for hint in &self.hints {
            assert!(deadlines.bytes_of(hint.handle) > 0, "it is there");
            assert_eq!(deadlines.is_postponed(hint.handle), hint.pauses > 0);
        }
        if let Some(due) = deadlines.first_due(u64::MAX) {
            let hint = in_order().find(|hint| hint.handle == due.handle).unwrap();
            assert_eq!(Some(due.moment), first);
            assert_eq!((hint.moment, &hint.name[..]), (due.moment, due.name));
            assert_eq!(self.numbers[hint.database], due.database);
        }
    }

    /// What is due at a moment is found, once nothing is left to be brought to its place.
    fn assert_finds(&self, deadlines: &mut Deadlines, now: u64) {
        while deadlines.settle_first(now) {}
        let moments = self.hints.iter().filter(|hint| !hint.is_lost);
        let first = moments.map(|hint| hint.moment).min();
        let due = deadlines.first_due(now).map(|due| due.moment);
        assert_eq!(due, first.filter(|&first| first <= now));
        assert!(due.is_some() || deadlines.first().is_none_or(|first| first > now));
    }
}

/// Takes a step in both. `handles` are all that there ever were.
fn take(step: Step, deadlines: &mut Deadlines, model: &mut Model, handles: &mut Vec<Handle>) {
    let handle = |at: usize| handles.get(at % handles.len().max(1)).copied();
    match step {
        Step::Insert(database, name, moment) => {
            let handle = deadlines.insert(model.numbers[database], &name, moment);
            assert!(!handles.contains(&handle));
            handles.push(handle);
            model.hints.push(Hint {
                handle,
                database,
                name,
                moment,
                pauses: 0,
                is_lost: false,
            });
        }
        Step::Change(at, moment) => {
            let Some(handle) = handle(at) else { return };
            let hint = model.find(handle);
            assert_eq!(deadlines.change(handle, moment), hint.is_some());
            if let Some(hint) = hint {
                (hint.moment, hint.pauses) = (moment, 0);
            }
        }
        Step::Postpone(at, now) => {
            let Some(handle) = handle(at) else { return };
            let hint = model.find(handle);
            assert_eq!(deadlines.postpone(handle, now), hint.is_some());
            if let Some(hint) = hint {
                let pause = (0..hint.pauses).fold(100, |pause, _| (2 * pause).min(1000));
                (hint.moment, hint.pauses) = (now + pause, hint.pauses + 1);
            }
        }
        Step::Remove(at) => {
            let Some(handle) = handle(at) else { return };
            assert_eq!(deadlines.remove(handle), model.find(handle).is_some());
            model.hints.retain(|hint| hint.handle != handle);
        }
        Step::Lose(at) => {
            let Some(handle) = handle(at) else { return };
            let hint = model.find(handle);
            assert_eq!(deadlines.lose(handle), hint.is_some());
            hint.into_iter().for_each(|hint| hint.is_lost = true);
        }
        Step::Heal(at, database, name) => {
            let Some(handle) = handle(at) else { return };
            let number = model.numbers[database];
            let hint = model.find(handle).filter(|hint| hint.is_lost);
            assert_eq!(deadlines.heal(handle, number, &name), hint.is_some());
            if let Some(hint) = hint {
                (hint.database, hint.name, hint.is_lost) = (database, name, false);
            }
        }
        Step::Swap(one, other) => {
            let (one, other) = (one as i32, other as i32);
            deadlines.swap(one, other);
            let (at, beside) = (model.database(one), model.database(other));
            model.numbers.swap(at, beside);
        }
        Step::Look(now) => model.assert_finds(deadlines, now),
        Step::Clear => {
            deadlines.clear();
            model.hints.clear();
            model.numbers = Model::new().numbers;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_steps_leave_what_the_model_has(steps in vec(step(), 0..200)) {
        let (mut deadlines, mut model) = (Deadlines::default(), Model::new());
        let mut handles = Vec::new();
        for step in steps {
            take(step, &mut deadlines, &mut model, &mut handles);
            model.assert_is(&deadlines);
        }
        model.assert_finds(&mut deadlines, u64::MAX);
        for handle in handles {
            deadlines.remove(handle);
        }
        prop_assert!(deadlines.is_empty());
    }

    #[test]
    fn what_is_due_comes_in_order(moments in vec(0..1000_u64, 0..3000)) {
        let mut deadlines = Deadlines::default();
        for &moment in &moments {
            deadlines.insert(0, b"k", moment);
        }
        let mut seen = Vec::new();
        while let (Some(first), Some(due)) = (deadlines.first(), deadlines.first_due(999)) {
            seen.push(first);
            let handle = due.handle;
            deadlines.remove(handle);
        }
        let mut sorted = moments;
        sorted.sort_unstable();
        prop_assert_eq!(seen, sorted);
    }
}

/// The handle of one index means nothing in another one.
#[test]
fn two_indexes_know_their_own() {
    let (mut one, mut other) = (Deadlines::default(), Deadlines::default());
    let (first, second) = (one.insert(0, b"k", 1), other.insert(0, b"k", 1));
    assert!(!other.remove(first) && !other.change(first, 2) && !one.lose(second));
    assert!(one.remove(first) && other.remove(second));
}
