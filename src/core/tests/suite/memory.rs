//! What a definition takes, its caches included.

use redis_state_core::{Interner, Machine, Rules};

use crate::machines::read;

fn machine(json: &str) -> Machine {
    read(&Interner::new(), json.as_bytes(), Rules::Documented)
}

fn memory(machine: &Machine) -> usize {
    machine.definition().memory(|_, bytes| bytes)
}

/// Returns the memory before and after the document was written.
fn memory_around_rendering(json: &str) -> (usize, usize) {
    let machine = machine(json);
    let before = memory(&machine);
    machine.render_cached(Rules::Documented, &mut Vec::new());
    (before, memory(&machine))
}

/// A payload of a megabyte may hold such a row, compressed.
#[test]
fn a_target_that_is_repeated_takes_its_number_and_nothing_else() {
    const TIMES: usize = 1000;
    let row = vec!["\"a\""; TIMES].join(",");
    let json = format!(r#"{{"map":{{"a":[{row}]}},"initial":"a"}}"#);
    // The document is kept beside it, to be recognised.
    let memory = memory(&machine(&json)) - json.len();
    assert!(
        memory < 4 * TIMES + 1000,
        "{memory} bytes for {TIMES} targets"
    );
}

#[test]
fn the_body_is_kept_once_asked_for() {
    let row = |at: usize| format!("\"state{at}\":[\"state{}\",\"state0\"]", (at + 1) % 50);
    let map = (0..50).map(row).collect::<Vec<_>>().join(",");
    let (before, after) =
        memory_around_rendering(&format!(r#"{{"map":{{{map}}},"initial":"state0"}}"#));
    let body = format!(r#""map":{{{map}}},"initial":"state0""#);
    assert_eq!(after, before + body.len());
}

#[test]
fn a_body_that_dwarfs_its_archive_is_not_kept() {
    let name = "x".repeat(200);
    let row = vec![format!("\"{name}\""); 50].join(",");
    let json = format!(r#"{{"map":{{"{name}":[{row}]}},"initial":"{name}"}}"#);
    let (before, after) = memory_around_rendering(&json);
    assert_eq!(before, after);
}
