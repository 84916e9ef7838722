//! A document read is the model's machine, and written again it is the normal form.

use proptest::prelude::*;
use redis_state_core::{Dialect, Interner, Limits, Machine};

use crate::model::Model;
use crate::strategies::{dialect, model, name, spell, spelling};

pub fn read(interner: &Interner, json: &[u8], dialect: Dialect) -> Machine {
    interner
        .read(json, None, dialect, &Limits::NONE)
        .unwrap()
        .machine
}

proptest! {
    #[test]
    fn a_document_is_the_machine_that_the_model_says(
        model in model(), spelling in spelling(), dialect in dialect()
    ) {
        let machine = read(&Interner::new(), &spell(&model, spelling), dialect);
        model.assert_is(&machine);
    }

    #[test]
    fn the_model_reads_what_it_writes(
        model in model(), spelling in spelling(), dialect in dialect()
    ) {
        prop_assert_eq!(Model::read(&spell(&model, spelling), None, dialect), Some(model));
    }

    #[test]
    fn writing_what_was_read_is_a_fixed_point(model in model(), dialect in dialect()) {
        let interner = Interner::new();
        let once = read(&interner, &model.to_json(Dialect::Documented), dialect).to_json(dialect);
        prop_assert_eq!(&once, &model.to_json(dialect));
        prop_assert_eq!(read(&interner, &once, dialect).to_json(dialect), once);
    }

    #[test]
    fn the_argument_wins_over_the_document(model in model(), argument in name()) {
        let json = model.to_json(Dialect::Documented);
        let expected = Model::read(&json, Some(argument.as_bytes()), Dialect::Documented).unwrap();
        let interner = Interner::new();
        let read = interner.read(&json, Some(argument.as_bytes()), Dialect::Documented, &Limits::NONE);
        expected.assert_is(&read.unwrap().machine);
    }

    #[test]
    fn the_old_module_s_documents_are_read_the_same_but_for_an_empty_current(model in model()) {
        let machine = Interner::new().read_legacy(&model.to_json(Dialect::Edge), &Limits::NONE).unwrap();
        model.assert_is(&machine);
    }
}

#[test]
fn an_empty_current_of_the_old_module_is_a_state_where_there_is_one() {
    let interner = Interner::new();
    let state = |json: &[u8]| {
        interner
            .read_legacy(json, &Limits::NONE)
            .unwrap()
            .state_name()
            .to_owned()
    };
    assert_eq!(
        state(br#"{"current":"","map":{"a":[""]},"initial":"a"}"#),
        ""
    );
    assert_eq!(
        state(br#"{"current":"","map":{"a":[]},"initial":"a"}"#),
        "a"
    );
    assert_eq!(state(br#"{"map":{"a":[""]},"initial":"a"}"#), "a");
}

#[test]
fn a_blank_machine_is_the_template() {
    let blank = Interner::new().blank();
    Model::blank().assert_is(&blank);
    assert_eq!(
        blank.to_json(Dialect::Documented),
        br#"{"current":"","map":{},"initial":""}"#
    );
    assert_eq!(
        blank.to_json(Dialect::Edge),
        br#"{"current":"","map":{},"initial":"","reason":""}"#
    );
}
