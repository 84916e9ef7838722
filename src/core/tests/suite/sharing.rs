//! Equal definitions are one object, and it goes with the last machine that has it.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use redis_state_core::{Force, Interner, InternerStats, Limits, Machine, Rules, parse_machine};

use crate::machines::read;
use crate::strategies::{model, spell, spelling};

proptest! {
    #[test]
    fn equal_documents_share_one_definition(
        model in model(), one in spelling(), other in spelling()
    ) {
        let interner = Interner::new();
        let one = read(&interner, &spell(&model, one), Rules::Replayed);
        let other = read(&interner, &spell(&model, other), Rules::Replayed);
        // Every spelling keeps the order of the map, and the order of the fields plays no part in
        // the numbering.
        prop_assert!(Arc::ptr_eq(one.definition(), other.definition()));
        prop_assert_eq!(interner.stats().definitions, 1);
        let (archive, counters) = (one.definition().archive().len(), 4 * model.states.len());
        prop_assert_eq!(interner.stats().definition_bytes, archive + counters);
    }

    #[test]
    fn different_definitions_are_different_objects(one in model(), other in model()) {
        let interner = Interner::new();
        let same = (&one.keys, &one.map, &one.new, &one.initial, &one.states)
            == (&other.keys, &other.map, &other.new, &other.initial, &other.states);
        let one = read(&interner, &one.render(Rules::Documented), Rules::Replayed);
        let other = read(&interner, &other.render(Rules::Documented), Rules::Replayed);
        prop_assert_eq!(Arc::ptr_eq(one.definition(), other.definition()), same);
        prop_assert_eq!(one.definition().archive() == other.definition().archive(), same);
    }

    #[test]
    fn dropping_the_last_machine_frees_it(
        models in vec((model(), spelling()), 1..6), order in any::<prop::sample::Index>()
    ) {
        let interner = Interner::new();
        let mut machines: Vec<Machine> = Vec::new();
        for (model, spelling) in &models {
            // Twice, so that some documents are recognised.
            machines.push(read(&interner, &spell(model, *spelling), Rules::Replayed));
            machines.push(read(&interner, &spell(model, *spelling), Rules::Replayed));
        }
        while !machines.is_empty() {
            let gone = machines.swap_remove(order.index(machines.len()));
            let shared = machines.iter().any(|m| Arc::ptr_eq(m.definition(), gone.definition()));
            let before = interner.stats().definitions;
            drop(gone);
            prop_assert_eq!(interner.stats().definitions, before - usize::from(!shared));
        }
        prop_assert_eq!(interner.stats(), InternerStats::default());
    }
}

#[test]
fn a_refused_document_leaves_nothing_behind() {
    let interner = Interner::new();
    let limits = Limits {
        states: 1,
        ..Limits::NONE
    };
    let json = br#"{"map":{"a":["b"]},"initial":"a"}"#;
    assert!(parse_machine(&interner, json, None, Rules::Documented, &limits).is_err());
    assert_eq!(interner.stats(), InternerStats::default());
}

#[test]
fn a_definition_outlives_its_interner() {
    let machine = read(
        &Interner::new(),
        br#"{"map":{"a":["b"]},"initial":"a"}"#,
        Rules::Replayed,
    );
    assert!(
        machine
            .resolve_move(b"b", Force::No, Rules::Documented)
            .is_some()
    );
}

#[test]
fn definitions_of_two_interners_are_equal_bytes() {
    let json = br#"{"map":{"a":["b","c"],"c":["a"]},"initial":"a"}"#;
    let [one, other] =
        [Interner::new(), Interner::new()].map(|interner| read(&interner, json, Rules::Replayed));
    assert!(!Arc::ptr_eq(one.definition(), other.definition()));
    assert_eq!(one.definition().archive(), other.definition().archive());
}
