//! Reads documents and records on the core and on the model.

use redis_state_core::{
    Context, Interner, Limits, Machine, Options, Parsed, RECORD_VERSION, RecordReader, Rules,
    parse_machine,
};

use crate::model::Model;

/// Reads a document on both. Panics unless they agree, whatever the interner holds already.
pub fn read(
    interner: &Interner,
    json: &[u8],
    argument: Option<&[u8]>,
    rules: Rules,
) -> Option<(Model, Parsed)> {
    let model = Model::read(json, argument, rules);
    match (
        model,
        parse_machine(interner, json, argument, rules, &Limits::NONE),
    ) {
        (Some(model), Ok(read)) => {
            model.assert_is(&read.machine);
            assert!(!read.recognised || read.documented);
            Some((model, read))
        }
        (None, Err(error)) => {
            for shown in [error.to_string(), error.redacted().to_string()] {
                assert!(!shown.contains(['\r', '\n']), "{shown}");
            }
            None
        }
        (Some(_), Err(error)) => {
            // The known difference: an integer beyond 64 bits in a field that is ignored.
            let known = rules == Rules::Legacy && has_long_number(json);
            assert!(known, "refused by the core alone: {error}");
            None
        }
        (None, Ok(read)) => panic!("accepted by the core alone: {:?}", read.machine),
    }
}

fn has_long_number(json: &[u8]) -> bool {
    json.windows(19)
        .any(|digits| digits.iter().all(u8::is_ascii_digit))
}

/// Returns a machine that was just read as a key has it: one that is timed knows when it began.
pub fn begun(machine: &Machine) -> Machine {
    let begun = machine.clone();
    let begun = begun.begin(&Options::default(), &Context::default());
    begun.expect("no timer is given, so none is wrong")
}

/// Reads a self-contained record into an interner of its own.
pub fn load(record: &[u8]) -> Machine {
    RecordReader::new()
        .decode(RECORD_VERSION, record, &Interner::new())
        .expect("what was written is read")
}
