//! Recognising a document by its bytes never changes what is read.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use redis_state_core::{DocumentError, Interner, Limits, Machine, Parsed, Rules, parse_machine};

use crate::strategies::{model, name, rules, spell, spelling};

/// Returns what a caller sees of an outcome, except whether the document was recognised.
fn outcome(read: Result<Parsed, DocumentError>) -> Result<(Machine, Vec<u8>, bool), String> {
    let read = read.map_err(|error| error.to_string())?;
    let archive = read.machine.definition().archive().to_vec();
    Ok((read.machine, archive, read.documented))
}

/// A change to a document. Most break it, some change what it says.
#[derive(Debug, Clone)]
enum Surgery {
    None,
    Prefix(String),
    RawPrefix(&'static [u8]),
    Unprefix,
    DropByte(Index),
    Insert(Index, u8),
    Prepend(&'static str),
}

const NOT_TEXT: &[&[u8]] = &[b"\xff", b"\xc3", b"a\x80"];

fn surgery() -> impl Strategy<Value = Surgery> {
    prop_oneof![
        8 => Just(Surgery::None),
        2 => name().prop_map(Surgery::Prefix),
        1 => select(NOT_TEXT).prop_map(Surgery::RawPrefix),
        2 => Just(Surgery::Unprefix),
        1 => any::<Index>().prop_map(Surgery::DropByte),
        1 => (any::<Index>(), select(&b"\0 \"\\{}[],a\xff"[..])).prop_map(|(at, b)| Surgery::Insert(at, b)),
        1 => select(&["{\"current\":\"a\"", "{\"current\":\"\"", "{", " "][..]).prop_map(Surgery::Prepend),
    ]
}

fn operate(json: &[u8], surgery: &Surgery) -> Vec<u8> {
    let text = String::from_utf8(json.to_vec()).unwrap();
    // The end of a leading `"current":"…"`, if the document has one without escapes.
    let end = text
        .strip_prefix("{\"current\":\"")
        .and_then(|rest| rest.find('"'))
        .map_or(0, |at| at + 13);
    let mut bytes = json.to_vec();
    match surgery {
        Surgery::None => {}
        Surgery::Prefix(name) => {
            let name = serde_json::to_string(name).unwrap();
            bytes.splice(..end, format!("{{\"current\":{name}").into_bytes());
        }
        Surgery::RawPrefix(name) => {
            let prefix = [&b"{\"current\":\""[..], name, b"\""].concat();
            drop(bytes.splice(..end, prefix));
        }
        Surgery::Unprefix => drop(bytes.drain(..end)),
        Surgery::DropByte(at) => drop(bytes.remove(at.index(json.len()))),
        Surgery::Insert(at, byte) => bytes.insert(at.index(json.len()), *byte),
        Surgery::Prepend(text) => drop(bytes.splice(..0, text.bytes())),
    }
    bytes
}

proptest! {
    // More cases than elsewhere: few changes leave a document that is known.
    #![proptest_config(ProptestConfig::with_cases(4 * ProptestConfig::default().cases))]

    #[test]
    fn reading_on_a_full_interner_is_as_reading_on_an_empty_one(
        models in vec(model(), 1..3),
        steps in vec(
            (any::<Index>(), spelling(), surgery(), proptest::option::of(name()), rules()),
            1..12,
        ),
    ) {
        let interner = Interner::new();
        let mut kept = Vec::new();
        for (which, spelling, surgery, argument, rules) in steps {
            let json = operate(&spell(which.get(&models), spelling), &surgery);
            let argument = argument.as_deref().map(str::as_bytes);
            let read = |interner: &Interner| {
                outcome(parse_machine(interner, &json, argument, rules, &Limits::NONE))
            };
            // Twice, because the second time the document may be recognised.
            for got in [read(&interner), read(&interner)] {
                match (got, read(&Interner::new())) {
                    (Ok(got), Ok(fresh)) => {
                        prop_assert_eq!(got.0.current(), fresh.0.current());
                        prop_assert_eq!(got.0.reason(), fresh.0.reason());
                        prop_assert_eq!((&got.1, got.2), (&fresh.1, fresh.2));
                        kept.push(got.0);
                    }
                    (got, fresh) => prop_assert_eq!(got.err(), fresh.err()),
                }
            }
        }
    }
}

fn read(interner: &Interner, json: &str, current: Option<&str>) -> Result<Parsed, DocumentError> {
    let current = current.map(str::as_bytes);
    parse_machine(
        interner,
        json.as_bytes(),
        current,
        Rules::Documented,
        &Limits::NONE,
    )
}

const REST: &str = r#","map":{"a":["b"],"b":[]},"initial":"a"}"#;

#[test]
fn a_document_is_recognised_whatever_its_current_state() {
    let interner = Interner::new();
    let with = |current: &str| format!("{{\"current\":\"{current}\"{REST}");
    let first = read(&interner, &with("a"), None).unwrap();
    assert!(!first.recognised);
    for current in ["", "a", "b"] {
        let again = read(&interner, &with(current), None).unwrap();
        assert!(again.recognised);
        let expected = if current.is_empty() { "a" } else { current };
        assert_eq!(again.machine.current_name(), expected);
        let moved = read(&interner, &with(current), Some("b")).unwrap();
        assert!(moved.recognised);
        assert_eq!(moved.machine.current_name(), "b");
    }
    let other = with("c");
    assert!(read(&interner, &other, None).is_err());
    let other = parse_machine(
        &interner,
        other.as_bytes(),
        None,
        Rules::Replayed,
        &Limits::NONE,
    );
    assert!(!other.unwrap().recognised);
}

#[test]
fn a_document_is_recognised_only_while_a_machine_lives() {
    let interner = Interner::new();
    let json = r#"{"map":{"a":[]},"initial":"a"}"#;
    drop(read(&interner, json, None));
    assert!(!read(&interner, json, None).unwrap().recognised);
}

/// A definition is small beside a document that is mostly white space, and a kept document costs all
/// of its bytes.
#[test]
fn a_document_that_is_mostly_blanks_is_not_kept() {
    let again = |blanks: usize| {
        let interner = Interner::new();
        let blanks = " ".repeat(blanks);
        let json = format!(r#"{{"map":{{"a":["b"],"b":[]}}{blanks},"initial":"a"}}"#);
        let _kept = read(&interner, &json, None).unwrap();
        read(&interner, &json, None).unwrap().recognised
    };
    assert!(again(1000));
    assert!(!again(2000));
}

#[test]
fn the_rest_of_a_known_document_is_no_document() {
    let interner = Interner::new();
    let whole = format!("{{\"current\":\"a\"{REST}");
    let _kept = read(&interner, &whole, None).unwrap();
    let error = read(&interner, REST, None).unwrap_err();
    assert_eq!(error, read(&Interner::new(), REST, None).unwrap_err());
}

#[test]
fn a_known_document_behind_a_current_state_is_no_document() {
    let interner = Interner::new();
    let whole = r#"{"map":{"a":["b"]},"initial":"a"}"#;
    let _kept = read(&interner, whole, None).unwrap();
    let twice = format!("{{\"current\":\"a\"{whole}");
    let error = read(&interner, &twice, None).unwrap_err();
    assert_eq!(error, read(&Interner::new(), &twice, None).unwrap_err());
}

/// Such a document once passed if an argument named another state. A replica that did not know the
/// document then refused it.
#[test]
fn a_leading_name_that_is_not_text_is_refused_though_another_one_is_asked_for() {
    let interner = Interner::new();
    let read = |json: &[u8], current| {
        parse_machine(&interner, json, current, Rules::Documented, &Limits::NONE)
    };
    let document = |name: &[u8]| {
        let rest = br#"","map":{"x":["y"]},"initial":"x"}"#;
        [&b"{\"current\":\""[..], name, rest].concat()
    };
    let _kept = read(&document(b"x"), None).unwrap();
    let argument: Option<&[u8]> = Some(b"y");
    assert!(read(&document(b"y"), argument).unwrap().recognised);
    let error = read(&document(b"\xff"), argument).unwrap_err().to_string();
    assert_eq!(error, "not JSON at byte 12: invalid UTF-8");
}
