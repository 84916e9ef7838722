//! An error without what its document says: for the logs of servers that hide their users' data.

use redis_state_core::{DocumentError, Interner, Limits, Rules, parse_machine};

/// Stands wherever a document can have a text of its author's.
const SECRET: &str = "s3cret";

fn error(json: impl AsRef<[u8]>, argument: Option<&str>) -> DocumentError {
    let argument = argument.map(str::as_bytes);
    let (interner, rules) = (Interner::new(), Rules::Documented);
    parse_machine(&interner, json.as_ref(), argument, rules, &Limits::NONE).unwrap_err()
}

/// Checks that the message shows the secret, and returns it without.
fn redacted(json: &str, argument: Option<&str>) -> String {
    let error = error(json, argument);
    assert!(error.to_string().contains(SECRET), "{error}");
    let redacted = error.redacted().to_string();
    assert!(!redacted.contains(SECRET), "{redacted}");
    redacted
}

#[test]
fn names_of_the_map_become_positions() {
    let map = |map: &str| redacted(&format!(r#"{{"map":{{{map}}},"initial":"a"}}"#), None);
    assert_eq!(
        map(r#""a":[],"b":[],"s3cret":7"#),
        "map, entry 3: expected an array or an object, found a number"
    );
    assert_eq!(
        map(r#""a":[],"s3cret x":["b",null]"#),
        "map, entry 2, target 2: expected a string, found null"
    );
    assert_eq!(
        map(r#""s3cret":[],"a":[],"s3cret":[]"#),
        "map, entry 3: key given twice"
    );
}

#[test]
fn events_and_timers_become_positions() {
    let map = |map: &str| redacted(&format!(r#"{{"map":{{{map}}},"initial":"a"}}"#), None);
    assert_eq!(
        map(r#""a":{"x":"b","s3cret":["b",7]}"#),
        "map, entry 1, event 2, target 2: expected a string, found a number"
    );
    assert_eq!(
        map(r#""s3cret":{"s3cret":["b","b"]}"#),
        "map, entry 1, event 1, target 2: target given twice"
    );
    let field = |field: &str| redacted(&format!(r#"{{"map":{{}},"initial":"a",{field}}}"#), None);
    assert_eq!(
        field(r#""any":{"x":"b","s3cret":[]}"#),
        "any, event 2: an event of any needs a target"
    );
    assert_eq!(
        field(r#""after":{"s3cret":{"ms":0,"to":"b"}}"#),
        "after, entry 1, ms: expected a whole number from 1 to 9007199254740991, found a number"
    );
    assert_eq!(
        field(r#""after":{"a":{"s3cret":0,"to":"b"}}"#),
        "after, entry 1: unknown field, expected ms or to"
    );
    assert_eq!(
        field(r#""after":{"a":{"to":null},"s3cret":{"to":null}}"#),
        "after, entry 2: the document has no such state: add it to the map or correct it"
    );
}

#[test]
fn values_become_their_types() {
    let value = |value: &str| redacted(value, None);
    assert_eq!(
        value(r#""s3cret""#),
        "document: expected an object, found a string"
    );
    assert_eq!(
        value(r#"{"map":"s3cret","initial":"a"}"#),
        "map: expected an object, found a string"
    );
    let error = error(r#"{"map":{"a":true},"initial":"a"}"#, None);
    assert_eq!(
        error.to_string(),
        "map.a: expected an array or an object, found true"
    );
    assert_eq!(
        error.redacted().to_string(),
        "map, entry 1: expected an array or an object, found a boolean"
    );
}

#[test]
fn fields_and_states_become_nameless() {
    assert_eq!(
        redacted(r#"{"s3cret":1,"map":{},"initial":"a"}"#, None),
        "document: unknown field, \
         expected current, map, any, after, history, name, revision, initial or reason"
    );
    assert_eq!(
        redacted(r#"{"current":"s3cret","map":{},"initial":"a"}"#, None),
        "current: the document has no such state: add it to the map or correct it"
    );
    assert_eq!(
        redacted(r#"{"map":{},"initial":"a"}"#, Some(SECRET)),
        "current: the document has no such state: \
         the argument is the current state, and there are no options"
    );
}

#[test]
fn what_says_nothing_of_the_document_stays() {
    let documents: [&[u8]; 9] = [
        b"",
        b"{\"map\":{\"s3cret\":[\"s3cret]}}",
        b"{\"map\":{\"s3cret\":[\"s3cret\\x\"]}}",
        b"{\"map\":{\"s3cret\":[\"s3cret\xff\"]}}",
        b"{\"map\":{\"s3cret\":s3cret}}",
        b"{\"map\":{s3cret:1}}",
        b"{\"map\":{},\"initial\":\"s3cret\",\"map\":{}}",
        b"{\"current\":\"s3cret\",\"map\":{}}",
        b"{\"map\":{},\"initial\":\"s3cret\"}s3cret",
    ];
    for json in documents {
        let error = error(json, None);
        assert_eq!(error.redacted().to_string(), error.to_string());
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
    let limits = Limits {
        states: 1,
        ..Limits::NONE
    };
    let json = br#"{"map":{"s3cret":["s3cret x"]},"initial":"s3cret"}"#;
    let error = parse_machine(&Interner::new(), json, None, Rules::Documented, &limits);
    let error = error.unwrap_err();
    assert_eq!(error.redacted().to_string(), error.to_string());
}
