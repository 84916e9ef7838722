//! A move is allowed exactly when the model allows it.

use proptest::collection::vec;
use proptest::prelude::*;
use redis_state_core::{Checked, Context, Interner, Options, Request, Rules};

use crate::machines::{begun, read};
use crate::model::Model;
use crate::strategies::{force, model, name, rules};

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
        mut model in model(),
        rules in rules(),
        steps in vec((name(), force(), proptest::option::of(name())), 0..40),
    ) {
        let mut machine = begun(&Interner::new(), &model.render(Rules::Documented), Rules::Replayed);
        for (to, force, reason) in steps {
            let target = machine.resolve_move(to.as_bytes(), force, rules);
            prop_assert_eq!(target.is_some(), model.may_move(to.as_bytes(), force, rules));
            let Some(target) = target else { continue };
            let mut reason = reason;
            if machine.definition().is_timed() {
                let request = Request::Mutate { to: to.as_bytes(), force, rules };
                let options = Options { reason: reason.as_deref(), ..Options::default() };
                let checked = machine.check(request, &options, &Context::default()).unwrap();
                let Checked::Go(planned) = checked else { panic!("{checked:?}") };
                machine.apply(&planned);
                // Such a move has a reason of its own, or none.
                reason = reason.or((rules != Rules::Legacy).then(String::new));
            } else {
                machine.enter(target, reason.as_deref());
            }
            model.enter(&to, reason.as_deref());
            model.assert_is(&machine);
        }
    }
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
