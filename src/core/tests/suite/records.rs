//! A record gives back its machine, alone and in a file, and a damaged one is refused.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use redis_state_core::{
    Interner, InternerStats, Machine, RECORD_VERSION, RecordReader, RecordWriter, Rules,
};

use crate::machines::begun;
use crate::strategies::model;

pub use crate::model::played::alone;

pub fn error(reader: &mut RecordReader, record: &[u8]) -> String {
    reader
        .decode(RECORD_VERSION, record, &Interner::new())
        .unwrap_err()
        .to_string()
}

fn order() -> Machine {
    let json = br#"{"current":"paid","map":{"new":["paid"]},"initial":"new","reason":"card"}"#;
    begun(&Interner::new(), json, Rules::Replayed)
}

proptest! {
    #[test]
    fn a_record_alone_is_the_machine(model in model()) {
        let machine = begun(&Interner::new(), &model.render(Rules::Documented), Rules::Replayed);
        let record = alone(&machine);
        let loaded = RecordReader::new().decode(RECORD_VERSION, &record, &Interner::new()).unwrap();
        model.assert_is(&loaded);
        model.clone().assert_moves(&loaded);
        prop_assert_eq!(alone(&loaded), record);
    }

    #[test]
    fn a_file_gives_back_its_machines_and_holds_each_definition_once(
        models in vec(model(), 1..5), order in vec(any::<Index>(), 1..30)
    ) {
        let interner = Interner::new();
        let machines: Vec<Machine> = models
            .iter()
            .map(|m| begun(&interner, &m.render(Rules::Documented), Rules::Replayed))
            .collect();
        let mut writer = RecordWriter::new();
        // The second file must not refer to what the first one held.
        for _ in 0..2 {
            writer.begin_file();
            let records: Vec<Vec<u8>> = order.iter().map(|at| {
                let mut record = Vec::new();
                writer.write(at.get(&machines), &mut record);
                record
            }).collect();
            writer.end_file();
            let whole = records.iter().filter(|r| r.windows(4).any(|w| w == b"RSMA")).count();
            let fresh = Interner::new();
            let mut reader = RecordReader::new();
            reader.begin_file();
            let loaded: Vec<Machine> =
                records.iter().map(|r| reader.decode(RECORD_VERSION, r, &fresh).unwrap()).collect();
            reader.end_file();
            for (at, machine) in order.iter().zip(&loaded) {
                at.get(&models).assert_is(machine);
            }
            // A record that holds the magic holds an archive: no name here has those letters.
            prop_assert_eq!(whole, fresh.stats().definitions);
            drop(loaded);
            prop_assert_eq!(fresh.stats(), InternerStats::default());
        }
    }

    #[test]
    fn a_record_between_files_is_self_contained(model in model()) {
        let machine = begun(&Interner::new(), &model.render(Rules::Documented), Rules::Replayed);
        let mut writer = RecordWriter::new();
        writer.begin_file();
        writer.write(&machine, &mut Vec::new());
        writer.end_file();
        let mut record = Vec::new();
        writer.write(&machine, &mut record);
        prop_assert_eq!(record, alone(&machine));
    }

    #[test]
    fn damage_is_refused_or_gives_a_sound_machine(
        model in model(), edits in vec((any::<Index>(), any::<u8>()), 1..4)
    ) {
        let machine = begun(&Interner::new(), &model.render(Rules::Documented), Rules::Replayed);
        let mut record = alone(&machine);
        for (at, byte) in edits {
            let at = at.index(record.len());
            record[at] = byte;
        }
        if let Ok(loaded) = RecordReader::new().decode(RECORD_VERSION, &record, &Interner::new()) {
            // A record that is accepted is written again byte for byte.
            prop_assert_eq!(alone(&loaded), record);
            // A document cannot say that the current state is the nameless one.
            let nameless = loaded.current_name().is_empty();
            let initial = loaded.definition().initial();
            let loaded = if nameless { loaded.in_state(initial) } else { loaded };
            let json = loaded.render(Rules::Documented);
            let again = crate::model::Model::read(&json, None, Rules::Replayed).unwrap();
            prop_assert_eq!(again.render(Rules::Documented), json);
        }
    }
}

#[test]
fn no_truncation_and_no_flipped_bit_of_a_record_panics() {
    let good = alone(&order());
    for end in 0..good.len() {
        assert!(
            RecordReader::new()
                .decode(RECORD_VERSION, &good[..end], &Interner::new())
                .is_err()
        );
    }
    for bit in 0..good.len() * 8 {
        let mut record = good.clone();
        record[bit / 8] ^= 1 << (bit % 8);
        if let Ok(machine) = RecordReader::new().decode(RECORD_VERSION, &record, &Interner::new()) {
            assert_eq!(alone(&machine), record);
        }
    }
}

#[test]
fn two_writers_do_not_believe_each_other() {
    let machine = order();
    let mut writers = [RecordWriter::new(), RecordWriter::new()];
    let records = writers.each_mut().map(|writer| {
        writer.begin_file_at(7);
        let mut record = Vec::new();
        writer.write(&machine, &mut record);
        record
    });
    // Each file holds the definition itself.
    assert_eq!(records[0], records[1]);
}

#[test]
fn a_file_keeps_what_its_first_machine_carried() {
    let machine = order();
    let mut writer = RecordWriter::new();
    writer.begin_file();
    let [mut first, mut second] = [Vec::new(), Vec::new()];
    writer.write(&machine, &mut first);
    writer.write(&machine, &mut second);
    let interner = Interner::new();
    let mut reader = RecordReader::new();
    reader.begin_file();
    // As if the key had expired: the machine is gone before the next one comes.
    drop(reader.decode(RECORD_VERSION, &first, &interner).unwrap());
    let loaded = reader.decode(RECORD_VERSION, &second, &interner).unwrap();
    reader.end_file();
    assert_eq!(loaded.current_name(), "paid");
    assert_eq!(loaded.reason(), "card");
}

#[test]
fn every_damage_has_its_message() {
    let mut alone_reader = RecordReader::new();
    let good = alone(&order());
    let mut with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut record = good.clone();
        change(&mut record);
        error(&mut alone_reader, &record)
    };
    assert_eq!(with(&|r| r.clear()), "record ends too early");
    assert_eq!(with(&|r| r[0] = 3), "unknown record flags 0x03");
    assert_eq!(with(&|r| r[0] = 0x80), "unknown record flags 0x80");
    assert_eq!(with(&|r| r.truncate(1)), "damaged number in record");
    // A varint that could be shorter, and one that is longer than any number.
    assert_eq!(
        with(&|r| drop(r.splice(1..2, [0x81, 0]))),
        "damaged number in record"
    );
    assert_eq!(
        with(&|r| drop(r.splice(1..2, [0xff; 6]))),
        "damaged number in record"
    );
    assert_eq!(
        with(&|r| r[1] = 2),
        "current state is number 2, but there are 2 states"
    );
    assert_eq!(with(&|r| r[2] = 0x7f), "record ends too early");
    assert_eq!(with(&|r| r[3] = 0xff), "reason is empty or not UTF-8");
    assert_eq!(
        with(&|r| drop(r.splice(2..7, [0]))),
        "reason is empty or not UTF-8"
    );
    assert_eq!(with(&|r| r[7] = b'X'), "archive does not begin with RSMA");
    let long = |r: &mut Vec<u8>| {
        let length = [0x81, 0x80, 0x80, 0x20]; // 2^26 + 1
        let reason = vec![b'x'; (1 << 26) + 1];
        r.splice(2..7, length.into_iter().chain(reason));
    };
    assert_eq!(
        with(&long),
        "reason of 67108865 bytes, expected at most 67108864"
    );
}

#[test]
fn every_misplaced_reference_has_its_message() {
    let machine = order();
    let mut writer = RecordWriter::new();
    writer.begin_file_at(0xabc);
    let [mut first, mut second] = [Vec::new(), Vec::new()];
    writer.write(&machine, &mut first);
    writer.write(&machine, &mut second);

    let mut outside = RecordReader::new();
    let no_file = "record belongs to an RDB file and was met outside one";
    assert_eq!(error(&mut outside, &first), no_file);
    assert_eq!(error(&mut outside, &second), no_file);

    let mut reader = RecordReader::new();
    reader.begin_file();
    let early = "definition 0000000000000abc was not in the file so far";
    assert_eq!(error(&mut reader, &second), early);
    reader
        .decode(RECORD_VERSION, &first, &Interner::new())
        .unwrap();
    let again = "definition 0000000000000abc was in the file before";
    assert_eq!(error(&mut reader, &first), again);
    second.push(0);
    let trailing = "1 bytes too many at the end of the record";
    assert_eq!(error(&mut reader, &second), trailing);
    second.pop();
    assert!(
        reader
            .decode(RECORD_VERSION, &second, &Interner::new())
            .is_ok()
    );
    reader.end_file();
    assert_eq!(error(&mut reader, &second), no_file);
    // Without the last byte of the number.
    reader.begin_file();
    second.pop();
    assert_eq!(error(&mut reader, &second), "record ends too early");
}

/// A client may send RESTORE to a server that loads in the background.
#[test]
fn a_record_from_elsewhere_neither_shifts_nor_reads_those_of_a_file() {
    let interner = Interner::new();
    let json = |name: &str| format!(r#"{{"map":{{"{name}":["b"]}},"initial":"{name}"}}"#);
    let machines: Vec<Machine> = (0..40)
        .map(|at| {
            let name = format!("a{at}");
            begun(&interner, json(&name).as_bytes(), Rules::Replayed)
        })
        .collect();
    let written = |writer: &mut RecordWriter, machine: &Machine| {
        let mut record = Vec::new();
        writer.write(machine, &mut record);
        record
    };
    let [mut file, mut forger] = [RecordWriter::new(), RecordWriter::new()];
    file.begin_file();
    let whole: Vec<Vec<u8>> = machines
        .iter()
        .map(|machine| written(&mut file, machine))
        .collect();
    let mut reader = RecordReader::new();
    reader.begin_file();
    for (at, (machine, record)) in machines.iter().zip(&whole).enumerate() {
        // Numbers as a forger would guess them, counting from zero.
        forger.begin_file_at(at as u64);
        let carrying = written(&mut forger, machine);
        let referring = written(&mut forger, machine);
        assert!(
            reader
                .decode(RECORD_VERSION, &referring, &interner)
                .is_err()
        );
        assert!(reader.decode(RECORD_VERSION, &carrying, &interner).is_ok());
        let loaded = reader.decode(RECORD_VERSION, record, &interner).unwrap();
        assert_eq!(alone(&loaded), alone(machine));
    }
}

#[test]
fn a_self_contained_record_is_read_inside_a_file_too() {
    let machine = order();
    let interner = Interner::new();
    let mut reader = RecordReader::new();
    reader.begin_file();
    let loaded = reader
        .decode(RECORD_VERSION, &alone(&machine), &interner)
        .unwrap();
    let other = RecordReader::new()
        .decode(RECORD_VERSION, &alone(&machine), &interner)
        .unwrap();
    assert!(Arc::ptr_eq(loaded.definition(), other.definition()));
}
