//! A current state is one of the document's own, or the document is refused: a slip of the pen must
//! not make a definition with one more state.

use redis_state_core::{
    DocumentError, Interner, Limits, Machine, Parsed, Recreate, Rules, parse_legacy, parse_machine,
};

use crate::model::Model;

const REST: &str = r#""map":{"new":["paid"]},"initial":"start"}"#;

/// Returns a document with the given text before its map.
fn document(start: &str) -> String {
    format!("{{{start}{REST}")
}

fn parse(
    interner: &Interner,
    json: &str,
    argument: Option<&str>,
    rules: Rules,
) -> Result<Parsed, DocumentError> {
    let argument = argument.map(str::as_bytes);
    parse_machine(interner, json.as_bytes(), argument, rules, &Limits::NONE)
}

/// Parses on an empty interner, and on one that recognises the document.
fn both(json: &str, argument: Option<&str>) -> Result<Machine, String> {
    let outcome = |parsed: Result<Parsed, DocumentError>| {
        let machine = parsed.map_err(|error| error.to_string())?.machine;
        Ok((machine.current_name().to_owned(), machine))
    };
    let fresh = outcome(parse(&Interner::new(), json, argument, Rules::Documented));
    let interner = Interner::new();
    let _kept = [&document(r#""current":"new","#), &document("")]
        .map(|known| parse(&interner, known, None, Rules::Documented).unwrap());
    let known = outcome(parse(&interner, json, argument, Rules::Documented));
    let model = Model::read(
        json.as_bytes(),
        argument.map(str::as_bytes),
        Rules::Documented,
    );
    assert_eq!(
        model.map(|model| model.current).ok_or(()),
        fresh.as_ref().map(|(name, _)| name.clone()).map_err(drop)
    );
    let [fresh, known] = [fresh, known].map(|outcome| outcome.map(|(_, machine)| machine));
    assert_eq!(fresh.as_ref().err(), known.as_ref().err());
    if let (Ok(fresh), Ok(known)) = (&fresh, &known) {
        assert_eq!(fresh.definition().archive(), known.definition().archive());
        assert_eq!(fresh.current(), known.current());
    }
    known
}

fn error(json: &str, argument: Option<&str>) -> String {
    both(json, argument).unwrap_err()
}

#[test]
fn a_key_a_target_or_the_initial_state_may_be_current() {
    for name in ["new", "paid", "start"] {
        let field = document(&format!(r#""current":"{name}","#));
        assert_eq!(both(&field, None).unwrap().current_name(), name);
        let argument = both(&document(""), Some(name)).unwrap();
        assert_eq!(argument.current_name(), name);
    }
}

#[test]
fn no_current_state_and_an_empty_one_mean_the_initial_one() {
    for start in ["", r#""current":"","#] {
        for argument in [None, Some("")] {
            let machine = both(&document(start), argument).unwrap();
            assert_eq!(machine.current_name(), "start");
        }
    }
}

#[test]
fn any_other_field_is_refused_and_says_what_to_do() {
    let payed = r#"current: the document has no state "payed": add it to the map or correct it"#;
    assert_eq!(error(&document(r#""current":"payed","#), None), payed);
    assert_eq!(
        error(&document(r#" "current" : "p\u0061yed","#), None),
        payed
    );
    let last = format!(r#"{{{},"current":"payed"}}"#, &REST[..REST.len() - 1]);
    assert_eq!(error(&last, None), payed);
    assert_eq!(error(&last, Some("")), payed);
}

#[test]
fn any_other_argument_is_refused_and_says_that_it_is_no_option() {
    let nx = "current: the document has no state \"NX\": \
              the argument is the current state, and there are no options";
    assert_eq!(error(&document(""), Some("NX")), nx);
    assert_eq!(error(&document(r#""current":"new","#), Some("NX")), nx);
    // Of two slips the argument's is told: the field would not have mattered.
    assert_eq!(error(&document(r#""current":"payed","#), Some("NX")), nx);
}

/// The argument replaces the field, so that one document with any placeholder will do for machines in
/// many states.
#[test]
fn a_field_that_the_argument_replaces_does_not_matter() {
    for start in [r#""current":"payed","#, r#""current":"p\u0061yed","#] {
        let machine = both(&document(start), Some("paid")).unwrap();
        assert_eq!(machine.current_name(), "paid");
        assert_eq!(machine.definition().unlisted_state(), None);
    }
}

#[test]
fn a_refused_name_is_shown_cut_and_escaped() {
    let long = "x".repeat(1000);
    let shown = error(&document(&format!(r#""current":"{long}","#)), None);
    assert!(shown.contains(&format!("\"{}...\"", &long[..40])));
    assert!(shown.len() < 150);
    let shown = error(&document(r#""current":"a\r\n\"","#), None);
    assert!(shown.contains(r#" "a\r\n\"": "#), "{shown}");
}

#[test]
fn the_blank_document_is_sound() {
    let json = br#"{"current":"","map":{},"initial":""}"#;
    let parsed = parse_machine(
        &Interner::new(),
        json,
        None,
        Rules::Documented,
        &Limits::NONE,
    );
    assert_eq!(parsed.unwrap().machine.current_name(), "");
}

/// Version 1.0 took such documents and wrote such machines to append-only files.
#[test]
fn what_was_accepted_elsewhere_is_taken() {
    let field = document(r#""current":"payed","#);
    for rules in [Rules::Replayed, Rules::Legacy] {
        let machines = [
            parse(&Interner::new(), &field, None, rules),
            parse(&Interner::new(), &document(""), Some("payed"), rules),
        ];
        for parsed in machines {
            let parsed = parsed.unwrap();
            assert_eq!(parsed.machine.current_name(), "payed");
            let unlisted = parsed.machine.definition().unlisted_state();
            assert_eq!(unlisted, Some(parsed.machine.current()));
            assert!(parsed.documented && !parsed.recognised);
        }
    }
    let old = parse_legacy(&Interner::new(), field.as_bytes(), &Limits::NONE).unwrap();
    assert_eq!(old.current_name(), "payed");
}

#[test]
fn what_was_accepted_elsewhere_does_not_let_a_client_s_slip_pass() {
    let field = document(r#""current":"payed","#);
    let interner = Interner::new();
    let _kept = parse(&interner, &field, None, Rules::Replayed).unwrap();
    for (json, argument) in [(field, None), (document(""), Some("payed"))] {
        let known = parse(&interner, &json, argument, Rules::Documented).unwrap_err();
        let fresh = parse(&Interner::new(), &json, argument, Rules::Documented).unwrap_err();
        assert_eq!(known, fresh);
    }
}

#[test]
fn a_machine_with_an_unlisted_state_is_made_anew_by_the_rules_of_a_replay() {
    let field = document(r#""current":"payed","#);
    let machine = parse(&Interner::new(), &field, None, Rules::Replayed);
    let mut machine = machine.unwrap().machine;
    machine.enter(machine.definition().initial(), Some("why"));
    let Recreate::Commands {
        document,
        then_force,
    } = machine.recreate()
    else {
        panic!("two commands say all of it");
    };
    assert_eq!(then_force, Some((&b"start"[..], "why")));
    let again = String::from_utf8(document).unwrap();
    let again = parse(&Interner::new(), &again, None, Rules::Replayed).unwrap();
    assert_eq!(again.machine.current_name(), "payed");
    assert_eq!(
        again.machine.definition().archive(),
        machine.definition().archive()
    );
}
