//! What a document can say since events: it is refused with its place, and written in normal form.

use redis_state_core::{Interner, LimitKind, Limits, Rules, parse_machine};

use crate::model::Model;

fn error(json: &str) -> String {
    let rules = Rules::Documented;
    let parsed = parse_machine(
        &Interner::new(),
        json.as_bytes(),
        None,
        rules,
        &Limits::NONE,
    );
    assert_eq!(Model::read(json.as_bytes(), None, rules), None, "{json}");
    parsed.unwrap_err().to_string()
}

/// Reads a document and writes it again, both also by the model.
fn normal(json: &str) -> String {
    let rules = Rules::Documented;
    let parsed = parse_machine(
        &Interner::new(),
        json.as_bytes(),
        None,
        rules,
        &Limits::NONE,
    );
    let machine = parsed.unwrap().machine;
    let model = Model::read(json.as_bytes(), None, rules).unwrap();
    model.assert_is(&machine);
    model.assert_moves(&machine);
    String::from_utf8(machine.render(rules)).unwrap()
}

fn row(row: &str) -> String {
    format!(r#"{{"map":{{"paid":{row}}},"initial":"paid"}}"#)
}

fn field(field: &str) -> String {
    format!(r#"{{"map":{{"new":["old"]}},{field},"initial":"new"}}"#)
}

#[test]
fn rows_have_one_normal_form() {
    let normal_row = |text: &str| {
        let whole = normal(&row(text));
        let start = whole
            .strip_prefix(r#"{"current":"paid","map":{"paid":"#)
            .unwrap();
        start
            .strip_suffix(r#"},"initial":"paid"}"#)
            .unwrap()
            .to_owned()
    };
    assert_eq!(normal_row("{}"), "[]");
    assert_eq!(normal_row(r#"{"":[]}"#), "[]");
    assert_eq!(normal_row(r#"{"":"a"}"#), r#"["a"]"#);
    assert_eq!(normal_row(r#"{"":["a","b"]}"#), r#"["a","b"]"#);
    assert_eq!(normal_row(r#"["a","b","a"]"#), r#"["a","b","a"]"#);
    assert_eq!(normal_row(r#"{"x":["a"]}"#), r#"{"x":"a"}"#);
    assert_eq!(normal_row(r#"{"x":[],"":[]}"#), r#"{"x":[]}"#);
    let kept = r#"{"ship":"shipped","refund":["refunded","partly refunded"],"":"archived"}"#;
    assert_eq!(normal_row(kept), kept);
}

#[test]
fn fields_have_one_order_and_absent_ones_are_left_out() {
    let json = r#"{"revision":0,"name":"n","reason":"r","initial":"a","history":7,
        "after":{"b":{"to":null},"a":{"to":"c","ms":1}},"any":{"x":["d"],"y":["e","a"]},
        "map":{"a":{"go":"b"}},"current":"e"}"#;
    let expected = r#"{"current":"e","map":{"a":{"go":"b"}},"any":{"x":"d","y":["e","a"]},"after":{"b":{"to":null},"a":{"ms":1,"to":"c"}},"history":7,"name":"n","revision":0,"initial":"a","reason":"r"}"#;
    assert_eq!(normal(json), expected);
    assert_eq!(
        normal(r#"{"map":{},"any":{},"after":{},"initial":"a"}"#),
        r#"{"current":"a","map":{},"initial":"a"}"#
    );
}

#[test]
fn events_are_refused_with_their_place() {
    let case = |text: &str, expected: &str| assert_eq!(error(&row(text)), expected);
    case(
        r#"{"refund":["a",7]}"#,
        "map.paid.refund[1]: expected a string, found 7",
    );
    case(
        r#"{"refund":null}"#,
        "map.paid.refund: expected a string or an array, found null",
    );
    case(
        r#"{"":{"x":"a"}}"#,
        r#"map.paid[""]: expected a string or an array, found an object"#,
    );
    case(r#"{"a":"b","a":"b"}"#, "map.paid.a: key given twice");
    case(r#"{"":[],"":"b"}"#, r#"map.paid[""]: key given twice"#);
    case(
        r#"{"a":["b","c","b"]}"#,
        "map.paid.a[2]: target given twice",
    );
    case(
        r#"{"":["b","b"]}"#,
        r#"map.paid[""][1]: target given twice"#,
    );
    let any = |text: &str, expected: &str| {
        assert_eq!(error(&field(&format!(r#""any":{text}"#))), expected);
    };
    any("[]", "any: expected an object, found an array");
    any(r#"{"":"a"}"#, r#"any[""]: an event of any needs a name"#);
    any(
        r#"{"archive":[]}"#,
        "any.archive: an event of any needs a target",
    );
    any(
        r#"{"archive":1}"#,
        "any.archive: expected a string or an array, found 1",
    );
    any(r#"{"x":["a","a"]}"#, "any.x[1]: target given twice");
    any(r#"{"x":"a","y":"a","x":"b"}"#, "any.x: key given twice");
}

#[test]
fn timers_are_refused_with_their_place() {
    let case = |text: &str, expected: &str| {
        assert_eq!(error(&field(&format!(r#""after":{text}"#))), expected);
    };
    case("7", "after: expected an object, found 7");
    case(r#"{"new":7}"#, "after.new: expected an object, found 7");
    case(
        r#"{"new":{}}"#,
        "after.new.to: missing, expected a string or null",
    );
    case(
        r#"{"new":{"to":[]}}"#,
        "after.new.to: expected a string or null, found an array",
    );
    let whole = "expected a whole number from 1 to 9007199254740991, found";
    for ms in ["0", "-1", "1.5", "9007199254740992", "\"7\"", "null"] {
        let json = field(&format!(r#""after":{{"new":{{"ms":{ms},"to":null}}}}"#));
        assert_eq!(error(&json), format!("after.new.ms: {whole} {ms}"));
    }
    case(
        r#"{"new":{"to":null,"too":1}}"#,
        r#"after.new: unknown field "too", expected ms or to"#,
    );
    case(
        r#"{"new":{"to":null,"to":"a"}}"#,
        "after.new.to: field given twice",
    );
    case(
        r#"{"new":{"to":null},"new":{"to":null}}"#,
        "after.new: key given twice",
    );
    case(
        r#"{"now":{"to":null}}"#,
        r#"after.now: the document has no state "now": add it to the map or correct it"#,
    );
    normal(&field(
        r#""after":{"new":{"ms":9007199254740991,"to":null}}"#,
    ));
    normal(&field(
        r#""after":{"old":{"to":"older"},"older":{"to":"new"}}"#,
    ));
}

#[test]
fn numbers_and_names_are_refused_with_their_place() {
    for history in ["0", "256", "-1", "1.0", "1e2", "\"1\"", "null"] {
        let shown = match history {
            "1e2" => "100.0",
            shown => shown,
        };
        assert_eq!(
            error(&field(&format!(r#""history":{history}"#))),
            format!("history: expected a whole number from 1 to 255, found {shown}")
        );
    }
    let length = "name: expected 1 to 256 bytes, found";
    assert_eq!(error(&field(r#""name":"""#)), format!("{length} 0 bytes"));
    let long = format!(r#""name":"{}""#, "é".repeat(129));
    assert_eq!(error(&field(&long)), format!("{length} 258 bytes"));
    assert_eq!(
        error(&field(r#""revision":1"#)),
        "revision: only a document with a name has one"
    );
    assert_eq!(
        error(&field(r#""name":"n","revision":4294967296"#)),
        "revision: expected a whole number from 0 to 4294967295, found 4294967296"
    );
    error(&field(r#""name":"n","revision":-0"#));
    normal(&field(r#""name":"n","revision":0"#));
    normal(&field(r#""name":"n","revision":4294967295,"history":255"#));
    assert_eq!(
        error(&field(r#""history":1,"history":1"#)),
        "history: field given twice"
    );
}

/// The old module's rules know no new field, and no object as a row.
#[test]
fn the_rules_of_the_old_module_are_frozen() {
    let read = |interner: &Interner, json: &str, rules| {
        parse_machine(interner, json.as_bytes(), None, rules, &Limits::NONE)
    };
    let interner = Interner::new();
    let json = field(r#""any":7,"after":{},"history":0,"name":"n""#);
    let parsed = read(&interner, &json, Rules::Legacy).unwrap();
    assert!(!parsed.documented);
    let text = parsed.machine.render(Rules::Documented);
    assert_eq!(
        text,
        br#"{"current":"new","map":{"new":["old"]},"initial":"new"}"#
    );
    let refused = read(&interner, &row(r#"{"x":"a"}"#), Rules::Legacy);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "map.paid: expected an array, found an object"
    );
    // Nor are they known documents, though these are kept.
    for json in [
        field(r#""any":{"x":"a"}"#),
        field(r#""any":{}"#),
        row(r#"{"":"a"}"#),
    ] {
        let kept = read(&interner, &json, Rules::Documented).unwrap();
        assert!(read(&interner, &json, Rules::Replayed).unwrap().recognised);
        let [known, fresh] = [&interner, &Interner::new()].map(|interner| {
            read(interner, &json, Rules::Legacy)
                .map(|parsed| parsed.machine.render(Rules::Legacy))
                .map_err(|error| error.to_string())
        });
        assert_eq!(known, fresh);
        // What the machine has is written.
        let legacy = String::from_utf8(kept.machine.render(Rules::Legacy)).unwrap();
        let end = ",\"reason\":\"\"}";
        let documented = kept.machine.render(Rules::Documented);
        assert_eq!(
            legacy.strip_suffix(end).unwrap().as_bytes(),
            &documented[..documented.len() - 1]
        );
    }
}

#[test]
fn an_entry_of_any_counts_once() {
    let json =
        r#"{"map":{"a":{"x":["b","c"],"y":[]}},"any":{"z":["d","e"],"w":"d"},"initial":"a"}"#;
    let read = |transitions| {
        let limits = Limits {
            transitions,
            ..Limits::NONE
        };
        parse_machine(
            &Interner::new(),
            json.as_bytes(),
            None,
            Rules::Documented,
            &limits,
        )
    };
    let machine = read(5).unwrap().machine;
    assert_eq!(machine.definition().transition_count(), 5);
    let error = read(4).unwrap_err();
    let limit = error.limit().unwrap();
    assert_eq!((limit.kind(), limit.found()), (LimitKind::Transitions, 5));
}

#[test]
fn a_current_state_may_be_one_of_any_or_a_timer_s() {
    for name in ["archived", "late"] {
        let json = format!(
            r#"{{"current":"{name}","map":{{}},"any":{{"archive":"archived"}},"after":{{"a":{{"to":"late"}}}},"initial":"a"}}"#
        );
        assert!(normal(&json).starts_with(&format!(r#"{{"current":"{name}""#)));
    }
    // The key of a timer is no such place.
    let json = r#"{"current":"lost","map":{},"after":{"lost":{"to":null}},"initial":"a"}"#;
    assert_eq!(
        error(json),
        r#"current: the document has no state "lost": add it to the map or correct it"#
    );
    let replayed = Rules::Replayed;
    let parsed = parse_machine(
        &Interner::new(),
        json.as_bytes(),
        None,
        replayed,
        &Limits::NONE,
    );
    let machine = parsed.unwrap().machine;
    Model::read(json.as_bytes(), None, replayed)
        .unwrap()
        .assert_is(&machine);
}
