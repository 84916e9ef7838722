//! The bytes on disk are those of the golden files, which `golden/make.py` made from
//! `docs/format.md` alone.

use std::fs;
use std::path::PathBuf;

use redis_state_core::{Interner, Machine, RECORD_VERSION, RecordReader, RecordWriter, Rules};

use crate::machines::read;
use crate::model::Model;
use crate::records::alone;

const MACHINES: [&str; 9] = [
    "blank",
    "stateless",
    "order",
    "order-moved",
    "repeats",
    "initial-elsewhere",
    "current-elsewhere",
    "names",
    "wide",
];

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn machine(interner: &Interner, name: &str) -> Machine {
    read(interner, &golden(&format!("{name}.json")), Rules::Replayed)
}

fn model(name: &str) -> Model {
    Model::read(&golden(&format!("{name}.json")), None, Rules::Replayed).unwrap()
}

#[test]
fn every_golden_file_is_here() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut archives: Vec<String> = names
        .filter_map(|name| name.to_str()?.strip_suffix(".archive").map(str::to_owned))
        .collect();
    archives.sort();
    let mut here = MACHINES.map(str::to_owned);
    here.sort();
    assert_eq!(archives, here);
}

#[test]
fn encoding_gives_the_golden_bytes() {
    for name in MACHINES {
        let machine = machine(&Interner::new(), name);
        let archive = machine.definition().archive();
        assert_eq!(archive, golden(&format!("{name}.archive")), "{name}");
        assert_eq!(alone(&machine), golden(&format!("{name}.record")), "{name}");
    }
}

#[test]
fn decoding_the_golden_bytes_gives_the_machine() {
    for name in MACHINES {
        let record = golden(&format!("{name}.record"));
        let machine = RecordReader::new()
            .decode(RECORD_VERSION, &record, &Interner::new())
            .unwrap();
        model(name).assert_is(&machine);
        model(name).assert_moves(&machine);
        let json = golden(&format!("{name}.json"));
        assert_eq!(machine.render(Rules::Documented), json, "{name}");
    }
}

/// Returns the names of the machines of one RDB file, in order.
fn file() -> Vec<String> {
    serde_json::from_slice(&golden("file.json")).unwrap()
}

#[test]
fn encoding_a_file_gives_the_golden_bytes() {
    let interner = Interner::new();
    // All alive at once, as in a server: a definition whose last machine has gone loses its mark.
    let machines: Vec<Machine> = file().iter().map(|name| machine(&interner, name)).collect();
    let mut writer = RecordWriter::new();
    writer.begin_file_at(u64::MAX - 1);
    for (at, machine) in machines.iter().enumerate() {
        let mut record = Vec::new();
        writer.write(machine, &mut record);
        assert_eq!(record, golden(&format!("file-{at}.record")), "{at}");
    }
}

#[test]
fn decoding_a_golden_file_gives_the_machines() {
    let interner = Interner::new();
    let mut reader = RecordReader::new();
    reader.begin_file();
    for (at, name) in file().iter().enumerate() {
        let record = golden(&format!("file-{at}.record"));
        let machine = reader.decode(RECORD_VERSION, &record, &interner).unwrap();
        model(name).assert_is(&machine);
    }
    assert_eq!(interner.stats().definitions, 3);
}
