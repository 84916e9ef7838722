//! Reading a document gives the model's machine, and writing that gives the normal form.

use proptest::prelude::*;
use redis_state_core::{
    Context, Interner, Limits, Machine, Options, Rules, parse_legacy, parse_machine,
};

use crate::model::Model;
use crate::strategies::{lenient, model, name, plain_model, rules, spell, spelling};

pub fn read(interner: &Interner, json: &[u8], rules: Rules) -> Machine {
    parse_machine(interner, json, None, rules, &Limits::NONE)
        .unwrap()
        .machine
}

/// Returns a machine as a key has it: one that is timed knows when it began.
pub fn begun(interner: &Interner, json: &[u8], rules: Rules) -> Machine {
    let machine = read(interner, json, rules);
    machine
        .begin(&Options::default(), &Context::default())
        .unwrap()
}

proptest! {
    #[test]
    fn a_document_is_the_machine_that_the_model_says(
        (model, rules) in lenient(), spelling in spelling()
    ) {
        let machine = read(&Interner::new(), &spell(&model, spelling), rules);
        model.assert_is(&machine);
    }

    #[test]
    fn the_model_reads_what_it_writes(
        (model, rules) in lenient(), spelling in spelling()
    ) {
        prop_assert_eq!(Model::read(&spell(&model, spelling), None, rules), Some(model));
    }

    #[test]
    fn writing_what_was_read_is_a_fixed_point((model, rules) in lenient()) {
        let interner = Interner::new();
        let once = read(&interner, &model.render(Rules::Documented), rules).render(rules);
        prop_assert_eq!(&once, &model.render(rules));
        prop_assert_eq!(read(&interner, &once, rules).render(rules), once);
    }

    #[test]
    fn the_argument_wins_over_the_document(
        model in model(), spelling in spelling(), argument in name(), rules in rules()
    ) {
        let json = spell(&model, spelling);
        let argument = Some(argument.as_bytes());
        let parsed = parse_machine(&Interner::new(), &json, argument, rules, &Limits::NONE);
        match (parsed, Model::read(&json, argument, rules)) {
            (Ok(parsed), Some(expected)) => expected.assert_is(&parsed.machine),
            (parsed, expected) => prop_assert_eq!(parsed.ok().is_some(), expected.is_some()),
        }
    }

    #[test]
    fn the_old_module_s_documents_are_read_the_same_but_for_an_empty_current(
        model in plain_model()
    ) {
        let machine = parse_legacy(&Interner::new(), &model.render(Rules::Legacy), &Limits::NONE).unwrap();
        model.assert_is(&machine);
    }
}

#[test]
fn an_empty_current_of_the_old_module_is_a_state_where_there_is_one() {
    let interner = Interner::new();
    let state = |json: &[u8]| {
        parse_legacy(&interner, json, &Limits::NONE)
            .unwrap()
            .current_name()
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
    let blank = Machine::blank(&Interner::new());
    Model::blank().assert_is(&blank);
    assert_eq!(
        blank.render(Rules::Documented),
        br#"{"current":"","map":{},"initial":""}"#
    );
    assert_eq!(
        blank.render(Rules::Legacy),
        br#"{"current":"","map":{},"initial":"","reason":""}"#
    );
}
