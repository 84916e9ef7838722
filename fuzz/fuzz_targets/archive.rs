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
    Definition, Diagram, Interner, InternerStats, Limits, Machine, RECORD_VERSION,
    RECORD_VERSION_1_0, RecordReader, Rules, StateId, parse_legacy, parse_machine,
};
use redis_state_fuzz::adopt;
use redis_state_fuzz::forge::{Damage, Parts, repair_length};
use redis_state_fuzz::keyspace::{Keyspace, Reply};
use redis_state_fuzz::lives;
use redis_state_fuzz::memory::{Counting, peak_of};
use redis_state_fuzz::model::life::Life;
use redis_state_fuzz::model::played::alone;
use redis_state_fuzz::record::{Change, Record};
use redis_state_fuzz::steps::play;

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many bytes reading may take for each byte that is read, and beside these: the 255 entries that
/// a history can have are looked at together.
const MEMORY_FACTOR: usize = 8;
const FREE_MEMORY: usize = (4 << 10) + 255 * 96;

fuzz_target!(|data: &[u8]| {
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    if first & 1 == 0 {
        // The input is the record: for the files of the corpus, and so that the fuzzer sees the
        // parser's own branches.
        one(rest, false);
        one(rest, true);
    } else {
        let mut u = Unstructured::new(rest);
        let kept = forged(&mut u).unwrap_or_default();
        use_all(&mut u, &kept);
    }
});

fn one(data: &[u8], in_file: bool) {
    let interner = Interner::new();
    let mut reader = RecordReader::new();
    if in_file {
        reader.begin_file();
    }
    for version in [RECORD_VERSION, RECORD_VERSION_1_0] {
        if let Some(machine) = decode(&mut reader, version, data, &interner) {
            assert_is_written_as(&machine, data);
            use_all(&mut Unstructured::new(data), &[alone(&machine)]);
        }
    }
    if let Ok(machine) = parse_legacy(&interner, data, &Limits::NONE) {
        examine(&machine);
    }
    drop(reader);
    assert_eq!(interner.stats(), InternerStats::default());
}

/// Reads a record. Checks what that takes, and the machine.
fn decode(
    reader: &mut RecordReader,
    version: u32,
    record: &[u8],
    interner: &Interner,
) -> Option<Machine> {
    let (read, peak) = peak_of(|| reader.decode(version, record, interner));
    let allowed = FREE_MEMORY + MEMORY_FACTOR * record.len();
    assert!(peak <= allowed, "{peak} bytes to read {}", record.len());
    let machine = read.ok()?;
    examine(&machine);
    Some(machine)
}

/// Reads a file of forged records, some of which refer to others. Returns the self-contained records
/// of those that were accepted.
fn forged(u: &mut Unstructured<'_>) -> Result<Vec<Vec<u8>>> {
    let interner = Interner::new();
    let mut reader = RecordReader::new();
    let in_file = u.ratio(3, 4)?;
    if in_file {
        reader.begin_file();
    }
    let mut kept = Vec::new();
    for _ in 0..u.int_in_range(1..=4)? {
        let (bytes, expected) = record(u)?;
        let version = match u.ratio(1, 8)? {
            true => RECORD_VERSION_1_0,
            false => RECORD_VERSION,
        };
        let machine = decode(&mut reader, version, &bytes, &interner);
        let is_alone = bytes.first().is_some_and(|flags| flags & 3 == 0);
        if let Some(life) = expected.filter(|_| is_alone && version == RECORD_VERSION) {
            let machine = machine.as_ref();
            let machine = machine.unwrap_or_else(|| panic!("refused: {life:?} as {bytes:?}"));
            assert_eq!(adopt::life(machine), life);
        }
        if let Some(machine) = machine {
            assert_is_written_as(&machine, &bytes);
            kept.push(machine);
        }
    }
    let records = kept.iter().map(alone).collect();
    drop((kept, reader));
    assert_eq!(interner.stats(), InternerStats::default());
    Ok(records)
}

/// Makes a record in any form; and the life that it tells, if nothing in it is wrong.
fn record(u: &mut Unstructured<'_>) -> Result<(Vec<u8>, Option<Life>)> {
    let life = lives::life(u)?;
    let mut record = Record::of(&life);
    record.flags = u.int_in_range(0..=2)?;
    record.number = u.int_in_range(0..=3)?;
    let parts = Parts::of(&life.model);
    let archive = u.int_in_range(0..=6u8)?;
    match archive {
        0 => record.archive = Parts::arbitrary(u)?.archive(),
        1 => record.archive = parts.first_archive(),
        _ => {}
    }
    let changes = *u.choose(&[0, 0, 0, 1, 1, 2])?;
    for _ in 0..changes {
        Change::arbitrary(u)?.apply(&mut record, u)?;
    }
    let mut bytes = record.write();
    let damages = *u.choose(&[0, 0, 0, 1, 2, 3])?;
    for _ in 0..damages {
        Damage::arbitrary(u)?.apply(&mut bytes);
    }
    // Otherwise the check of the length would refuse nearly all damage. What is sound may have the magic
    // elsewhere too, as a revision.
    if changes + damages > 0 && u.ratio(3, 4)? {
        repair_length(&mut bytes);
    }
    let is_sound = changes + damages == 0 && (archive > 1 || archive == 1 && parts.is_old());
    Ok((bytes, is_sound.then_some(life)))
}

/// Uses machines that were accepted, as clients might.
fn use_all(u: &mut Unstructured<'_>, records: &[Vec<u8>]) {
    let mut keyspace = Keyspace::new(Rules::Documented);
    for (key, record) in redis_state_fuzz::steps::KEYS.iter().zip(records) {
        let told = keyspace.call(&[b"SM.LOAD", key.as_bytes(), record]);
        assert_eq!(told, Reply::Ok);
    }
    if !records.is_empty() {
        play(u, &mut keyspace, 20);
    }
}

/// Checks that what was accepted is what a writer writes: there is one way to write a machine. A
/// record in a file has a number in it that another file would not have, and an archive of version 1
/// is written as one of version 2.
fn assert_is_written_as(machine: &Machine, accepted: &[u8]) {
    let (written, archive) = (alone(machine), machine.definition().archive());
    let own = written.strip_suffix(archive).expect("the archive is last");
    let rest = accepted[1..]
        .strip_prefix(&own[1..])
        .expect("the machine's own part");
    assert_eq!(accepted[0] & !3, own[0]);
    let rest = match accepted[0] & 3 {
        0 => rest,
        _ => &rest[8..],
    };
    let is_first = rest.starts_with(b"RSMA\x01\0");
    assert!(rest == archive || is_first || accepted[0] & 3 == 2 && rest.is_empty());
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

/// Checks that a document says the machine's definition.
fn say(machine: &Machine) {
    let model = adopt::model(machine);
    let definition = machine.definition();
    let mut json = model.clone();
    // What only a current state can name.
    if let Some(state) = definition.unlisted_state() {
        definition.name(state).clone_into(&mut json.current);
    }
    let json = json.render(Rules::Documented);
    let interner = Interner::new();
    let read = parse_machine(&interner, &json, None, Rules::Replayed, &Limits::NONE);
    let read = read.expect("written, so read").machine;
    assert_eq!(read.definition().archive(), definition.archive());
    model.assert_is(machine);
}
