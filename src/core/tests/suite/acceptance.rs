//! The core accepts as a document exactly what `serde_json` and the model accept, and says why and
//! where it refuses one.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use redis_state_core::{Interner, Limits, Rules, parse_machine};

use crate::model::Model;
use crate::strategies::{model, rules, spell, spelling};

fn error(json: impl AsRef<[u8]>) -> String {
    let read = parse_machine(
        &Interner::new(),
        json.as_ref(),
        None,
        Rules::Documented,
        &Limits::NONE,
    );
    assert_eq!(
        Model::read(json.as_ref(), None, Rules::Documented),
        None,
        "{:?}",
        String::from_utf8_lossy(json.as_ref())
    );
    read.unwrap_err().to_string()
}

/// Checks that core and model read the same machine, or that neither reads one.
fn agree(json: &[u8], rules: Rules) {
    let model = Model::read(json, None, rules);
    match parse_machine(&Interner::new(), json, None, rules, &Limits::NONE) {
        Ok(read) => model.unwrap().assert_is(&read.machine),
        Err(error) => assert_eq!(model, None, "{error}"),
    }
}

fn token() -> impl Strategy<Value = String> {
    let tokens = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        " ",
        "\n",
        "\"map\"",
        "\"initial\"",
        "\"current\"",
        "\"reason\"",
        "\"a\"",
        "\"b\"",
        "\"\"",
        "\"\\ud800\"",
        "\"\\ud83d\\ude00\"",
        "null",
        "true",
        "7",
        "-0.5e3",
        "\"m\\u0061p\"",
        "\"map\":{\"a\":[\"b\"]}",
        "\"map\":{\"a\":{\"go\":\"b\",\"\":[\"a\"]}}",
        "\"any\":{\"go\":\"a\"}",
        "\"after\":{\"a\":{\"ms\":7,\"to\":null}}",
        "\"history\":",
        "\"name\":\"a\"",
        "\"revision\":0",
        "\"to\":",
        "\"ms\":",
        "-0",
        "0",
        "\"map\":{}",
        "\"initial\":\"a\"",
        "{\"map\":{",
        "\"a\":[",
        "\u{feff}",
        "\0",
        "\"",
    ];
    select(tokens.to_vec()).prop_map(str::to_owned)
}

proptest! {
    // Some 2,000, and fewer where the memory checkers ask for fewer.
    #![proptest_config(ProptestConfig::with_cases(8 * ProptestConfig::default().cases))]

    #[test]
    fn any_tokens_are_a_document_for_both_or_for_neither(
        tokens in vec(token(), 0..20), rules in rules()
    ) {
        agree(tokens.concat().as_bytes(), rules);
    }

    #[test]
    fn a_damaged_document_is_one_for_both_or_for_neither(
        model in model(),
        spelling in spelling(),
        edits in vec((any::<Index>(), any::<bool>(), token()), 1..4),
        rules in rules(),
    ) {
        let mut json = spell(&model, spelling);
        for (at, insert, token) in edits {
            let at = at.index(json.len());
            let end = if insert { at } else { (at + token.len()).min(json.len()) };
            json.splice(at..end, token.into_bytes());
        }
        agree(&json, rules);
    }

    #[test]
    fn any_bytes_are_a_document_for_both_or_for_neither(json in vec(any::<u8>(), 0..60)) {
        agree(&json, Rules::Documented);
    }
}

#[test]
fn what_is_no_object_is_named() {
    assert_eq!(error(""), "not JSON at byte 0: it is empty");
    assert_eq!(error(" \r\n\t"), "not JSON at byte 0: it is empty");
    assert_eq!(error("null"), "document: expected an object, found null");
    assert_eq!(error("-7.5"), "document: expected an object, found -7.5");
    assert_eq!(
        error("\"map\""),
        "document: expected an object, found \"map\""
    );
    assert_eq!(
        error("[{}]"),
        "document: expected an object, found an array"
    );
}

#[test]
fn what_is_missing_or_of_the_wrong_type_is_named() {
    assert_eq!(error("{}"), "map: missing, expected an object");
    assert_eq!(
        error(r#"{"map":{}}"#),
        "initial: missing, expected a string"
    );
    let map = |map: &str| error(format!(r#"{{"map":{map},"initial":"bar"}}"#));
    assert_eq!(map("null"), "map: expected an object, found null");
    assert_eq!(map("[]"), "map: expected an object, found an array");
    assert_eq!(
        map(r#"{"bar":7}"#),
        "map.bar: expected an array or an object, found 7"
    );
    assert_eq!(
        map(r#"{"bar":"blee"}"#),
        r#"map.bar: expected an array or an object, found "blee""#
    );
    assert_eq!(
        map(r#"{"bar":["blee",7]}"#),
        "map.bar[1]: expected a string, found 7"
    );
    assert_eq!(
        map(r#"{"a":[],"b c":[true]}"#),
        r#"map["b c"][0]: expected a string, found true"#
    );
    assert_eq!(
        map(r#"{"bar":[[]]}"#),
        "map.bar[0]: expected a string, found an array"
    );
    assert_eq!(
        map(r#"{"bar":[{"x":1}]}"#),
        "map.bar[0]: expected a string, found an object"
    );
    let field = |field: &str| error(format!(r#"{{"map":{{}},"initial":"a",{field}}}"#));
    assert_eq!(
        field(r#""current":null"#),
        "current: expected a string, found null"
    );
    assert_eq!(
        field(r#""reason":["x"]"#),
        "reason: expected a string, found an array"
    );
    assert_eq!(
        field(r#""events":{}"#),
        r#"document: unknown field "events", expected current, map, any, after, history, name, revision, initial or reason"#
    );
    assert_eq!(
        error(r#"{"map":{},"initial":7}"#),
        "initial: expected a string, found 7"
    );
}

#[test]
fn repeated_keys_are_named() {
    let twice = |field: &str| error(format!(r#"{{{field},"map":{{}},"initial":"a",{field}}}"#));
    assert_eq!(twice(r#""map":{}"#), "map: field given twice");
    assert_eq!(twice(r#""current":"a""#), "current: field given twice");
    assert_eq!(twice(r#""reason":"""#), "reason: field given twice");
    assert_eq!(
        error(r#"{"initial":"a","initial":"a","map":{}}"#),
        "initial: field given twice"
    );
    assert_eq!(
        error(r#"{"map":{"a":[],"b":[],"a":["b"]},"initial":"a"}"#),
        "map.a: key given twice"
    );
    // Escapes make no difference.
    assert_eq!(
        error(r#"{"map":{"a":[],"\u0061":[]},"initial":"a"}"#),
        "map.a: key given twice"
    );
    assert_eq!(
        error(r#"{"map":{},"m\u0061p":{},"initial":"a"}"#),
        "map: field given twice"
    );
}

/// Returns a document that has this text in a name, from byte 14 on.
fn named(name: impl AsRef<[u8]>) -> Vec<u8> {
    let start: &[u8] = br#"{"map":{"a":[""#;
    let end = br#""]},"initial":"a"}"#;
    [start, name.as_ref(), end].concat()
}

#[test]
fn lone_surrogates_are_refused() {
    let lone = "not JSON at byte 14: escape of half a character (lone surrogate)";
    assert_eq!(error(named(r"\ud800")), lone);
    assert_eq!(error(named(r"\udc00")), lone);
    assert_eq!(error(named(r"\udc00\ud800")), lone);
    assert_eq!(error(named(r"\uD800\u0041")), lone);
    assert_eq!(
        error(named(r"\\ud800\ud83d\ude00\ud83d")),
        lone.replace("14", "33")
    );
    agree(&named(r"\ud83d\ude00 \\ud800"), Rules::Documented);
}

#[test]
fn invalid_utf8_is_refused() {
    // Two that are cut off or wrong, one cut off by another character, one overlong, a surrogate, and
    // one beyond the last character.
    let invalid: [&[u8]; 6] = [
        b"\xff",
        b"\xc3",
        b"\xc3(",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
    ];
    for bytes in invalid {
        assert_eq!(error(named(bytes)), "not JSON at byte 14: invalid UTF-8");
    }
    let interner = Interner::new();
    let json = br#"{"map":{},"initial":"a"}"#;
    let read = parse_machine(
        &interner,
        json,
        Some(b"\xff"),
        Rules::Documented,
        &Limits::NONE,
    );
    assert_eq!(
        read.unwrap_err().to_string(),
        "current: the argument is not UTF-8"
    );
}

#[test]
fn control_characters_are_names_only_as_escapes() {
    let raw = "not JSON at byte 14: control character in a string, write it as an escape";
    for byte in 0..0x20 {
        assert_eq!(error(named([byte])), raw);
        agree(&named(format!("\\u{byte:04x}")), Rules::Documented);
    }
    agree(&named("\x7f"), Rules::Documented);
}

#[test]
fn invalid_escapes_are_refused() {
    assert_eq!(error(named(r"\x")), "not JSON at byte 15: invalid escape");
    assert_eq!(
        error(named(r"\u12g4")),
        "not JSON at byte 19: invalid escape"
    );
}

#[test]
fn what_follows_a_document_is_refused() {
    for rest in ["}", "{}", "\0", "\0\0\0\0", " x", ","] {
        let shown = error(format!(r#"{{"map":{{}},"initial":"a"}}{rest}"#));
        let at = 24 + usize::from(rest.starts_with(' '));
        assert_eq!(shown, format!("not JSON at byte {at}: trailing characters"));
    }
}

#[test]
fn what_ends_too_early_is_refused() {
    let whole = r#"{"map":{"a":["b"]},"initial":"a"}"#;
    for end in 1..whole.len() {
        assert_eq!(
            error(&whole[..end]),
            format!("not JSON at byte {end}: it ends too early")
        );
    }
}

#[test]
fn the_place_of_a_syntax_error_counts_bytes_across_lines() {
    assert_eq!(
        error("{\n  \"map\": {},\n  \"initial\": oops\n}"),
        "not JSON at byte 28: expected value"
    );
    assert_eq!(
        error("{\"map\":{}\n\"initial\":\"a\"}"),
        "not JSON at byte 10: expected `,` or `}`"
    );
}

#[test]
fn a_word_that_is_none_of_the_three_is_refused() {
    for word in ["tru,", "falze", "nil"] {
        let why = error(format!(r#"{{"map":{{}},"initial":{word}}}"#));
        assert!(
            why.ends_with(": expected true, false or null"),
            "{word}: {why}"
        );
    }
}

#[test]
fn deep_nesting_is_refused_wherever_it_is() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let map = |depth| format!(r#"{{"map":{},"initial":"a"}}"#, nested(depth));
    assert_eq!(error(map(15)), "map: expected an object, found an array");
    let deep = "not JSON at byte 22: nested too deep, a machine has four levels";
    for depth in [16, 17, 127, 128, 129, 1_000_000] {
        assert_eq!(error(map(depth)), deep);
    }
    // Fields that the old module ignores may be as deep, but not deeper.
    for depth in 14..18 {
        let json = format!(r#"{{"x":{},"map":{{}},"initial":"a"}}"#, nested(depth));
        agree(json.as_bytes(), Rules::Legacy);
    }
}

#[test]
fn a_name_of_a_megabyte_is_a_name() {
    let json = named("x".repeat(1 << 20));
    agree(&json, Rules::Documented);
    let shown = error(json.strip_suffix(b"}").unwrap());
    assert_eq!(
        shown,
        format!("not JSON at byte {}: it ends too early", json.len() - 1)
    );
}

#[test]
fn errors_show_long_and_nasty_names_cut_and_escaped() {
    let key = "x".repeat(1000);
    assert_eq!(
        error(format!(r#"{{"map":{{"{key}":0}},"initial":"a"}}"#)),
        format!(
            "map[\"{}...\"]: expected an array or an object, found 0",
            &key[..40]
        )
    );
    assert_eq!(
        error(r#"{"map":{"\r\n\u0000\"":0},"initial":"a"}"#),
        r#"map["\r\n\0\""]: expected an array or an object, found 0"#
    );
}

/// The one known difference from `serde_json`: numbers that no 64-bit integer holds, in fields that
/// the old module ignores. The old module never wrote such a field itself.
#[test]
fn integers_beyond_64_bits_are_refused_even_where_they_do_not_matter() {
    let with = |number: &str| format!(r#"{{"map":{{}},"initial":"a","x":{number}}}"#);
    let read = |number: &str| {
        let json = with(number);
        parse_machine(
            &Interner::new(),
            json.as_bytes(),
            None,
            Rules::Legacy,
            &Limits::NONE,
        )
    };
    assert_eq!(
        read("18446744073709551616").unwrap_err().to_string(),
        "not JSON at byte 47: number out of range"
    );
    for number in [
        "18446744073709551615",
        "-9223372036854775808",
        "0.1e-400",
        "1e308",
    ] {
        agree(with(number).as_bytes(), Rules::Legacy);
    }
    for number in [
        "1e400", "01", "-", "1.", ".5", "+1", "0x1", "NaN", "1e", "tru", "'a'",
    ] {
        agree(with(number).as_bytes(), Rules::Legacy);
        error(with(number));
    }
}
