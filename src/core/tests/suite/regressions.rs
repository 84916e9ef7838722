//! What the fuzzers found, each under a name of its own.
//!
//! Bugs that were found by reading and by the property tests have their tests where they belong:
//! `recognition::the_rest_of_a_known_document_is_no_document`,
//! `recognition::a_known_document_behind_a_current_state_is_no_document`,
//! `records::two_writers_do_not_believe_each_other`, and in `archive.rs`
//! `a_small_archive_of_a_huge_document_is_refused` and
//! `the_one_state_that_is_there_for_nothing_has_a_name`.

use redis_state_core::{Dialect, FileReader, Interner, Limits};

use crate::machines::read;
use crate::records::alone;

/// Target `archive`, its first minutes: not a bug but a limit of the document, which an AOF rewrite
/// has to know. An empty `current` means `initial`, so a machine that stands in the nameless state
/// is written like one that stands in its initial one. Records tell them apart.
#[test]
fn a_document_cannot_say_that_the_nameless_state_is_current() {
    let interner = Interner::new();
    let json = br#"{"current":"a","map":{"a":[""],"":["a"]},"initial":"a"}"#;
    let mut machine = read(&interner, json, Dialect::Documented);
    let nameless = machine.target(b"", false, Dialect::Documented).unwrap();
    machine.enter(nameless, None);
    let again = read(
        &interner,
        &machine.to_json(Dialect::Documented),
        Dialect::Documented,
    );
    assert_eq!(again.state_name(), "a");
    let loaded = FileReader::new().read(&alone(&machine), &interner).unwrap();
    assert_eq!(loaded.state_name(), "");
    let legacy = interner
        .read_legacy(&machine.to_json(Dialect::Edge), &Limits::NONE)
        .unwrap();
    assert_eq!(legacy.state_name(), "");
}
