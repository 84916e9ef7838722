//! A test for each bug that a fuzzer found.
//!
//! Bugs that were found by reading and by the property tests have their tests where they belong:
//! `recognition::the_rest_of_a_known_document_is_no_document`,
//! `recognition::a_known_document_behind_a_current_state_is_no_document`,
//! `records::two_writers_do_not_believe_each_other`, and in
//! `definition/archive.rs` `a_small_archive_of_a_huge_document_is_refused` and
//! `the_one_unused_state_has_a_name`.

use redis_state_core::{
    Force, Interner, Limits, RECORD_VERSION, RecordReader, Rules, parse_legacy,
};

use crate::machines::read;
use crate::records::alone;

/// Found by target `archive` in its first minutes. Not a bug but a limit of documents, which
/// `Machine::recreate` has to know. An empty `current` means `initial`, so a machine that stands in the nameless state
/// is written like one that stands in its initial one. Records tell them apart.
#[test]
fn a_document_cannot_say_that_the_nameless_state_is_current() {
    let interner = Interner::new();
    let json = br#"{"current":"a","map":{"a":[""],"":["a"]},"initial":"a"}"#;
    let mut machine = read(&interner, json, Rules::Documented);
    let nameless = machine
        .resolve_move(b"", Force::No, Rules::Documented)
        .unwrap();
    machine.enter(nameless, None);
    let again = read(
        &interner,
        &machine.render(Rules::Documented),
        Rules::Documented,
    );
    assert_eq!(again.current_name(), "a");
    let loaded = RecordReader::new()
        .decode(RECORD_VERSION, &alone(&machine), &interner)
        .unwrap();
    assert_eq!(loaded.current_name(), "");
    let legacy = parse_legacy(&interner, &machine.render(Rules::Legacy), &Limits::NONE).unwrap();
    assert_eq!(legacy.current_name(), "");
}
