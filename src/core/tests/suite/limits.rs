//! Limits bind new documents and nothing else, and say what they count.

use redis_state_core::{
    Interner, LimitKind, Limits, Machine, RECORD_VERSION, RecordReader, Rules, parse_legacy,
    parse_machine,
};

use crate::records::alone;

const JSON: &str = r#"{"map":{"a":["b","b","c"]},"initial":"a","reason":"why"}"#;

fn refused(limits: Limits) -> String {
    let read = |interner: &Interner, limits: &Limits| {
        parse_machine(interner, JSON.as_bytes(), None, Rules::Documented, limits)
    };
    let fresh = read(&Interner::new(), &limits).unwrap_err();
    assert!(fresh.limit().is_some());
    // Known documents are bound too.
    let interner = Interner::new();
    let _kept = read(&interner, &Limits::NONE).unwrap();
    assert_eq!(read(&interner, &limits).unwrap_err(), fresh);
    fresh.to_string()
}

#[test]
fn each_limit_says_what_it_counts_and_both_numbers() {
    let none = Limits::NONE;
    assert_eq!(
        refused(Limits {
            document_bytes: 55,
            ..none
        }),
        "document has 56 bytes, over the limit of 55"
    );
    assert_eq!(
        refused(Limits { states: 2, ..none }),
        "map has 3 states, over the limit of 2"
    );
    assert_eq!(
        refused(Limits {
            transitions: 2,
            ..none
        }),
        "map has 3 transitions, over the limit of 2"
    );
    assert_eq!(
        refused(Limits {
            reason_bytes: 2,
            ..none
        }),
        "reason has 3 bytes, over the limit of 2"
    );
}

#[test]
fn a_limit_can_be_asked_for_what_it_says() {
    let limits = Limits {
        transitions: 2,
        ..Limits::NONE
    };
    let json = JSON.as_bytes();
    let error = parse_machine(&Interner::new(), json, None, Rules::Documented, &limits);
    let error = error.unwrap_err();
    let limit = error.limit().unwrap();
    assert_eq!(limit.kind(), LimitKind::Transitions);
    assert_eq!((limit.found(), limit.allowed()), (3, 2));
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), limit.to_string());
}

#[test]
fn a_document_at_its_limits_is_read() {
    let limits = Limits {
        document_bytes: JSON.len(),
        states: 3,
        transitions: 3,
        reason_bytes: 3,
    };
    let read = parse_machine(
        &Interner::new(),
        JSON.as_bytes(),
        None,
        Rules::Documented,
        &limits,
    );
    assert!(read.is_ok());
}

#[test]
fn a_recognised_document_is_bound_by_limits_that_came_later() {
    let json = br#"{"map":{"a":["b","b","c"]},"initial":"a"}"#;
    let interner = Interner::new();
    let read = |limits: &Limits| parse_machine(&interner, json, None, Rules::Documented, limits);
    let _kept = read(&Limits::NONE).unwrap();
    assert!(read(&Limits::NONE).unwrap().recognised);
    let tight = Limits {
        states: 2,
        ..Limits::NONE
    };
    assert_eq!(
        read(&tight).unwrap_err().to_string(),
        "map has 3 states, over the limit of 2"
    );
    let tight = Limits {
        transitions: 2,
        ..Limits::NONE
    };
    assert_eq!(
        read(&tight).unwrap_err().to_string(),
        "map has 3 transitions, over the limit of 2"
    );
}

#[test]
fn a_long_reason_is_refused_and_what_is_stored_is_not() {
    assert!(Limits::DEFAULT.allow_reason(65_536).is_ok());
    assert_eq!(
        Limits::DEFAULT
            .allow_reason(65_537)
            .unwrap_err()
            .to_string(),
        "reason has 65537 bytes, over the limit of 65536"
    );
    let interner = Interner::new();
    let mut machine = Machine::blank(&interner);
    machine.enter(machine.current(), Some(&"x".repeat(100_000)));
    let loaded = RecordReader::new()
        .decode(RECORD_VERSION, &alone(&machine), &interner)
        .unwrap();
    assert_eq!(loaded.reason().len(), 100_000);
}

/// A machine stores it like a name of the document.
#[test]
fn the_argument_for_the_current_state_counts_as_part_of_the_document() {
    let json = br#"{"map":{"a":["b"]},"initial":"a"}"#;
    let interner = Interner::new();
    let limits = Limits {
        document_bytes: json.len() + 4,
        ..Limits::NONE
    };
    let read =
        |current: &[u8]| parse_machine(&interner, json, Some(current), Rules::Replayed, &limits);
    assert!(read(b"1234").is_ok());
    assert_eq!(
        read(b"12345").unwrap_err().to_string(),
        "document has 38 bytes, over the limit of 37"
    );
}

#[test]
fn a_document_of_the_old_module_is_bound_if_it_is_asked_for() {
    let json = br#"{"current":"a","map":{"a":["b"]},"initial":"a","reason":""}"#;
    let read = |document_bytes| {
        let limits = Limits {
            document_bytes,
            ..Limits::NONE
        };
        parse_legacy(&Interner::new(), json, &limits)
    };
    assert!(read(json.len()).is_ok());
    assert!(read(json.len() - 1).unwrap_err().limit().is_some());
}

#[test]
fn a_document_of_the_old_module_has_at_most_64_mib() {
    let text = vec![b' '; (64 << 20) + 1];
    let read = |json: &[u8]| {
        parse_legacy(&Interner::new(), json, &Limits::NONE)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(read(&text), "its document is over 64 MiB");
    assert_eq!(read(&text[1..]), "not JSON at byte 0: it is empty");
}
