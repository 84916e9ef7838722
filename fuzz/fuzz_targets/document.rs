//! Reads a JSON document and, behind a byte 0xFF, the argument for its current state.
//!
//! The core accepts it exactly when `serde_json` and the model do, with the same content, whether it
//! is recognised or not. What is accepted survives being written as JSON and as a record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_state_core::{Interner, InternerStats, Limits, Rules, parse_legacy, parse_machine};
use redis_state_fuzz::documents::{begun, load, read};
use redis_state_fuzz::model::life::{Life, With};
use redis_state_fuzz::model::played::alone;
use redis_state_fuzz::model::{ALL_RULES, Model};
use redis_state_fuzz::record::Record;

fuzz_target!(|data: &[u8]| {
    let (json, argument) = match data.iter().position(|&byte| byte == 0xff) {
        Some(at) => (&data[..at], Some(&data[at + 1..])),
        None => (data, None),
    };
    let interner = Interner::new();
    for rules in ALL_RULES {
        check(&interner, json, argument, rules);
    }
    legacy(&interner, json);
    assert_eq!(interner.stats(), InternerStats::default());
});

fn check(interner: &Interner, json: &[u8], argument: Option<&[u8]>, rules: Rules) {
    let whole = read(interner, json, None, rules);
    // While the first machine lives, all of these may be recognised.
    let again = read(interner, json, None, rules);
    let named = read(interner, json, argument, rules);
    let rest = json.strip_prefix(b"{\"current\":\"").unwrap_or_default();
    let rest = rest
        .iter()
        .position(|&byte| byte == b'"')
        .map(|at| &rest[at + 1..]);
    let _rest = rest.map(|rest| read(interner, rest, None, rules));
    let behind = [b"{\"current\":\"x\"", json].concat();
    let _behind = read(interner, &behind, None, rules);
    for (model, read_in) in [whole, again, named].into_iter().flatten() {
        let machine = &read_in.machine;
        if model.states.len() <= 64 {
            model.assert_moves(machine);
        }
        let normal = machine.render(rules);
        let (normal_model, _written) =
            read(interner, &normal, None, rules).expect("what is written is read");
        assert_eq!(normal_model.render(rules), normal);
        let record = alone(&begun(machine));
        let life = Life::begin(&model, &With::default()).expect("no timer is given");
        assert_eq!(record, Record::of(&life).write());
        model.assert_is(&load(&record));
    }
}

fn legacy(interner: &Interner, json: &[u8]) {
    let Ok(machine) = parse_legacy(interner, json, &Limits::NONE) else {
        let read = parse_machine(interner, json, None, Rules::Legacy, &Limits::NONE);
        return assert!(read.is_err());
    };
    let mut model = Model::read(json, None, Rules::Legacy).expect("legacy documents are edge ones");
    if machine.current_name().is_empty() {
        model.current = String::new();
    }
    model.assert_is(&machine);
}
