//! A move is allowed exactly when the model allows it.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use redis_state_core::{Interner, MAX_TIME, Options, Rules};

use crate::machines::read;
use crate::model::Model;
use crate::model::life::{Ask, Given, Life, With};
use crate::model::played::{ask, context};
use crate::strategies::{force, model, name, plain_model, rules};

proptest! {
    #[test]
    fn a_move_is_allowed_exactly_when_the_model_allows_it(mut model in model()) {
        let machine = read(&Interner::new(), &model.render(Rules::Documented), Rules::Replayed);
        for from in 0..machine.definition().state_count() as u32 {
            let machine = machine.in_state(from);
            model.current = machine.current_name().to_owned();
            model.assert_moves(&machine);
        }
    }

    #[test]
    fn any_walk_ends_where_the_model_ends(
        mut model in plain_model(),
        rules in rules(),
        steps in vec((name(), force(), option::of(name())), 0..40),
    ) {
        let mut machine = read(&Interner::new(), &model.render(Rules::Documented), Rules::Replayed);
        for (to, force, reason) in steps {
            let target = machine.resolve_move(to.as_bytes(), force, rules);
            prop_assert_eq!(target.is_some(), model.may_move(to.as_bytes(), force, rules));
            let Some(target) = target else { continue };
            machine.enter(target, reason.as_deref());
            model.enter(&to, reason.as_deref());
            model.assert_is(&machine);
        }
    }

    /// The clock goes on and back, and stands where timers are due.
    #[test]
    fn any_walk_in_time_is_the_model_s(
        model in model(),
        start in clock(),
        steps in vec((step(), clock(), option::weighted(0.2, timer())), 0..40),
    ) {
        let interner = Interner::new();
        let mut with = With { now: start.tell(0, None), ..With::default() };
        let machine = read(&interner, &model.render(Rules::Documented), Rules::Replayed);
        let mut machine = machine.begin(&Options::default(), &context(&with)).unwrap();
        let mut life = Life::begin(&model, &with).unwrap();
        life.assert_is(&machine, &[]);
        for (step, clock, timer) in steps {
            with.now = clock.tell(with.now, life.due);
            with.timer = timer.filter(|_| matches!(step, Ask::Move(_) | Ask::Force(_)));
            let is_there = machine.fire_due(with.now, |_, _| {});
            prop_assert_eq!(is_there, life.fire_due(with.now));
            life.assert_is(&machine, &[]);
            if !is_there {
                break;
            }
            let told = ask(&mut machine, &step, None, &with).answer;
            prop_assert_eq!(told, life.ask(&step, &with));
            life.assert_is(&machine, &[]);
            life.model.assert_is(&machine);
        }
    }
}

/// Where the clock stands at a step.
#[derive(Debug, Clone, Copy)]
enum Clock {
    On(u64),
    Back(u64),
    /// So many milliseconds after the one before the timer is due.
    Due(u64),
    Far,
}

impl Clock {
    fn tell(self, before: u64, due: Option<(u64, bool)>) -> u64 {
        match (self, due) {
            (Self::On(ms), _) => before + ms,
            (Self::Back(ms), _) => before.saturating_sub(ms),
            (Self::Due(ms), Some((due, _))) => (due + ms).saturating_sub(1),
            (Self::Due(_), None) => before,
            (Self::Far, _) => MAX_TIME,
        }
    }
}

fn clock() -> impl Strategy<Value = Clock> {
    prop_oneof![
        60 => (0..10_000_u64).prop_map(Clock::On),
        12 => (0..10_000_u64).prop_map(Clock::Back),
        24 => (0..3_u64).prop_map(Clock::Due),
        1 => Just(Clock::Far),
    ]
}

fn timer() -> impl Strategy<Value = Given> {
    prop_oneof![
        (1..5000_u64).prop_map(Given::After),
        (0..100_000_u64).prop_map(Given::Due),
    ]
}

/// A move to a state; at times back to the first one.
fn step() -> impl Strategy<Value = Ask> {
    let mutate = (name(), force(), rules());
    prop_oneof![
        3 => name().prop_map(Ask::Move),
        3 => name().prop_map(Ask::Force),
        3 => mutate.prop_map(|(to, force, rules)| Ask::Mutate { to, force, rules }),
        1 => rules().prop_map(Ask::Reset),
    ]
}

/// Tries rows of every length around the one from which on they are searched by hash, repeats
/// included.
#[test]
fn rows_of_every_length_allow_what_they_list() {
    let interner = Interner::new();
    for length in 0..70 {
        let list = |offset: usize| (0..length).map(move |at| format!("s{}", offset + at * 2 % 41));
        let row = |key: &str, offset| (key.to_owned(), list(offset).collect());
        let mut model = Model::new(vec![row("a", 0), row("s3", 1), row("b", 3)], "a", "", "");
        let json = model.render(Rules::Documented);
        let machine = read(&interner, &json, Rules::Replayed);
        for from in ["a", "b", "s3", "s1"] {
            let state = machine.definition().find_state(from.as_bytes());
            let Some(state) = state else { continue };
            model.current = from.to_owned();
            model.assert_moves(&machine.in_state(state));
        }
    }
}

/// Samples one large machine: a row of 2,500 targets, and a chain of 5,000 states.
#[test]
fn a_large_machine_allows_what_it_lists() {
    let names: Vec<String> = (0..5000).map(|at| format!("state-{at}")).collect();
    let chain = names
        .windows(2)
        .map(|pair| (pair[0].clone(), vec![pair[1].clone()]));
    let mut rows: Vec<_> = chain.collect();
    rows[0].1 = names.iter().step_by(2).cloned().collect();
    let model = Model::new(rows, "state-0", "", "");
    let machine = read(
        &Interner::new(),
        &model.render(Rules::Documented),
        Rules::Replayed,
    );
    let may = |from: usize, to: usize| {
        let state = |at: usize| {
            machine
                .definition()
                .find_state(names[at].as_bytes())
                .unwrap()
        };
        machine.definition().allows(state(from), state(to))
    };
    for to in 0..5000 {
        assert_eq!(may(0, to), to % 2 == 0);
        assert_eq!(may(17, to), to == 18);
        assert!(!may(4999, to));
    }
}
