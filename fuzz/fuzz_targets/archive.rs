//! Reads records and archives as any client can send them with RESTORE.
//!
//! An input is a sound record, a sound header around any parts, or just bytes. It may be damaged, and
//! several may form a file. Whatever is accepted has to be a machine like any other. Bytes are also
//! read as encoding 1, the old module's JSON.
#![no_main]

use std::collections::BTreeSet;

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use redis_state_core::{
    Definition, Diagram, Interner, InternerStats, Limits, Machine, RECORD_VERSION, RecordReader,
    Rules, StateId, parse_legacy, parse_machine,
};
use redis_state_fuzz::documents::record;
use redis_state_fuzz::forge::{Damage, Parts, model, repair_length};
use redis_state_fuzz::model::Model;

fuzz_target!(|data: &[u8]| {
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    if first & 1 == 0 {
        // The input is the record: for the files of the corpus, and so that the fuzzer sees the
        // parser's own branches.
        one(rest, false);
        one(rest, true);
    } else {
        let _out_of_bytes = forged(&mut Unstructured::new(rest));
    }
});

fn one(data: &[u8], in_file: bool) {
    let interner = Interner::new();
    let mut reader = RecordReader::new();
    if in_file {
        reader.begin_file();
    }
    if let Ok(machine) = reader.decode(RECORD_VERSION, data, &interner) {
        examine(&machine);
        assert_is_written_as(&machine, data);
    }
    if let Ok(machine) = parse_legacy(&interner, data, &Limits::NONE) {
        examine(&machine);
    }
    drop(reader);
    assert_eq!(interner.stats(), InternerStats::default());
}

/// Reads a file of forged records, some of which refer to others.
fn forged(u: &mut Unstructured<'_>) -> Result<()> {
    let interner = Interner::new();
    let mut reader = RecordReader::new();
    if u.ratio(3, 4)? {
        reader.begin_file();
    }
    let mut kept = Vec::new();
    for _ in 0..u.int_in_range(1..=4)? {
        let mut bytes = sound(u)?;
        for _ in 0..u.int_in_range(0..=3)? {
            Damage::arbitrary(u)?.apply(&mut bytes);
        }
        // Otherwise the check of the length would refuse nearly all damage.
        if u.ratio(3, 4)? {
            repair_length(&mut bytes);
        }
        if let Ok(machine) = reader.decode(RECORD_VERSION, &bytes, &interner) {
            examine(&machine);
            assert_is_written_as(&machine, &bytes);
            if u.ratio(1, 2)? {
                kept.push(machine);
            }
        }
    }
    drop((kept, reader));
    assert_eq!(interner.stats(), InternerStats::default());
    Ok(())
}

/// Checks that what was accepted is what a writer writes: there is one way to write a machine. A
/// record in a file has a number in it that another file would not have.
fn assert_is_written_as(machine: &Machine, accepted: &[u8]) {
    // What an older version wrote is written as the current one.
    if accepted.windows(6).any(|window| window == b"RSMA\x01\0") {
        return;
    }
    match accepted[0] & 3 {
        0 => assert_eq!(record(machine), accepted),
        1 => assert!(accepted.ends_with(machine.definition().archive())),
        _ => {}
    }
}

/// Makes a record in any form, whose archive may be anything behind a sound header.
fn sound(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let model = model(u)?;
    let parts = if u.ratio(2, 3)? {
        Parts::of(&model)
    } else {
        u.arbitrary()?
    };
    let form = u.int_in_range(0..=2u8)?;
    let reason = model.reason.as_bytes();
    let mut bytes = vec![form | if reason.is_empty() { 0 } else { 4 }];
    let current = model.states.iter().position(|name| *name == model.current);
    bytes.push(current.unwrap_or_default() as u8);
    if !reason.is_empty() {
        bytes.push(reason.len().min(127) as u8);
        bytes.extend(reason);
    }
    if form != 0 {
        bytes.extend(u.int_in_range(0..=3u64)?.to_le_bytes());
    }
    if form != 2 {
        bytes.extend(parts.archive());
    }
    Ok(bytes)
}

/// Checks what holds for every machine that was accepted.
fn examine(machine: &Machine) {
    let definition = machine.definition();
    let states = u32::try_from(definition.state_count()).expect("few states");
    assert!(machine.current() < states);
    assert!(definition.initial() < states);
    for state in 0..states {
        assert_eq!(
            definition.find_state(definition.name_bytes(state)),
            Some(state)
        );
        assert_eq!(
            definition.has_row(state),
            (state as usize) < definition.row_count()
        );
        for target in definition.targets(state) {
            assert!(target < states && definition.allows(state, target));
        }
        assert!(!definition.allows(state, states));
        examine_events(definition, state);
    }
    for event in 0..=definition.event_count() as u32 {
        let name = definition.event_name_bytes(event);
        assert_eq!(definition.find_event(name), Some(event));
    }
    for (state, timer) in definition.timers() {
        assert_eq!(definition.timer(state), Some(timer));
        assert!(timer.target.is_none_or(|target| target < states));
    }
    definition.memory(|_, size| size);
    machine.lint();
    for diagram in [Diagram::Mermaid, Diagram::Dot] {
        assert!(!diagram.draw(machine).is_empty());
    }
    say(machine);
}

/// Checks that a state's events, its moves and what may be fired agree.
fn examine_events(definition: &Definition, state: StateId) {
    let mut reached = BTreeSet::new();
    for (event, fire) in definition.events(state) {
        let again = definition.fire(state, event);
        assert!(again.iter().eq(fire.iter()) && !fire.is_empty());
        reached.extend(fire.iter());
    }
    let next: BTreeSet<StateId> = definition.next(state).collect();
    assert_eq!(next, reached);
    assert_eq!(definition.is_terminal(state), next.is_empty());
    for to in definition.state_ids() {
        assert_eq!(definition.allows(state, to), next.contains(&to));
    }
}

/// Checks that a document can say the machine, except for two things. It can name an unlisted state
/// only as the current one, and it cannot say that the current state is the nameless one.
fn say(machine: &Machine) {
    let definition = machine.definition();
    let nameless = machine.current_name_bytes().is_empty();
    let named = if nameless {
        definition.initial()
    } else {
        machine.current()
    };
    let machine = machine.in_state(definition.unlisted_state().unwrap_or(named));
    let json = machine.render(Rules::Documented);
    let model = Model::read(&json, None, Rules::Replayed).expect("written, so read");
    assert_eq!(model.render(Rules::Documented), json);
    let interner = Interner::new();
    let read = parse_machine(&interner, &json, None, Rules::Replayed, &Limits::NONE);
    let read = read.expect("written, so read").machine;
    assert_eq!(read.definition().archive(), definition.archive());
}
