//! The bytes on disk are those of the golden files, which `golden/make.py` made from
//! `docs/format.md` alone.

use std::fs;
use std::path::PathBuf;

use redis_state_core::{
    Checked, Context, GivenTimer, HistoryEntry, Interner, Machine, Options, RECORD_VERSION,
    RECORD_VERSION_1_0, RecordReader, RecordWriter, Request, Rules,
};
use serde_json::{Value, json};

use crate::machines::{begun, read};
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

/// Those that version 1 of the archive can't hold.
const NEW_MACHINES: [&str; 9] = [
    "example",
    "events",
    "any",
    "any-alone",
    "timers",
    "all",
    "named",
    "bits",
    "no-bits",
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
    let names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    let with = |suffix: &str| {
        let stems = names.iter().filter_map(|name| name.strip_suffix(suffix));
        let mut stems: Vec<String> = stems.map(str::to_owned).collect();
        stems.sort();
        stems
    };
    let mut first = MACHINES.to_vec();
    let mut all = [&MACHINES[..], &NEW_MACHINES].concat();
    first.sort_unstable();
    all.sort_unstable();
    assert_eq!(with(".archive"), first);
    assert_eq!(with(".archive2"), all);
}

/// Returns a golden record with the archive in it, if it has one, as version 2.
fn record_of_today(record: &str, machine: &str) -> Vec<u8> {
    let [record, old] = [record.to_owned(), format!("{machine}.archive")].map(|name| golden(&name));
    match record.strip_suffix(&old[..]) {
        Some(start) => [start, &golden(&format!("{machine}.archive2"))].concat(),
        None => record,
    }
}

#[test]
fn encoding_gives_the_golden_bytes() {
    for name in MACHINES.iter().chain(&NEW_MACHINES) {
        let machine = machine(&Interner::new(), name);
        let archive = machine.definition().archive();
        assert_eq!(archive, golden(&format!("{name}.archive2")), "{name}");
    }
    for name in MACHINES {
        let record = record_of_today(&format!("{name}.record"), name);
        assert_eq!(alone(&machine(&Interner::new(), name)), record, "{name}");
    }
}

/// Checks that a record of that version is the machine of that name.
fn assert_is(version: u32, record: &[u8], name: &str) {
    let machine = RecordReader::new()
        .decode(version, record, &Interner::new())
        .unwrap();
    let json = golden(&format!("{name}.json"));
    let model = model(name);
    model.assert_is(&machine);
    let states = machine.definition().state_count();
    for state in machine.definition().state_ids().step_by(1 + states / 50) {
        let machine = machine.in_state(state);
        let mut model = model.clone();
        model.current = machine.current_name().to_owned();
        model.assert_moves(&machine);
    }
    assert_eq!(machine.render(Rules::Documented), json, "{name}");
    let archive = golden(&format!("{name}.archive2"));
    assert_eq!(machine.definition().archive(), archive, "{name}");
}

#[test]
fn decoding_the_golden_bytes_gives_the_machine() {
    for name in MACHINES {
        let record = record_of_today(&format!("{name}.record"), name);
        assert_is(RECORD_VERSION, &record, name);
    }
    for name in NEW_MACHINES {
        let archive = golden(&format!("{name}.archive2"));
        let json = golden(&format!("{name}.json"));
        let machine = begun(&Interner::new(), &json, Rules::Replayed);
        let start = alone(&machine);
        let start = start.strip_suffix(machine.definition().archive()).unwrap();
        assert_is(RECORD_VERSION, &[start, &archive].concat(), name);
    }
}

#[test]
fn no_truncation_and_no_flipped_bit_of_an_archive_passes() {
    for name in ["events", "any", "timers", "all", "example"] {
        let json = golden(&format!("{name}.json"));
        let machine = begun(&Interner::new(), &json, Rules::Replayed);
        let good = alone(&machine);
        let start = good.len() - machine.definition().archive().len();
        let decode =
            |record: &[u8]| RecordReader::new().decode(RECORD_VERSION, record, &Interner::new());
        // Otherwise all damage would be refused, whatever it is.
        assert!(decode(&good).is_ok(), "{name}");
        for end in start..good.len() {
            assert!(decode(&good[..end]).is_err());
        }
        for bit in start * 8..good.len() * 8 {
            let mut record = good.clone();
            record[bit / 8] ^= 1 << (bit % 8);
            // What is accepted is another definition, in its one form.
            if let Ok(machine) = decode(&record) {
                assert_eq!(alone(&machine), record, "{name}, bit {bit}");
                let json = machine.in_state(
                    machine
                        .definition()
                        .unlisted_state()
                        .unwrap_or(machine.current()),
                );
                let json = json.render(Rules::Documented);
                assert!(
                    Model::read(&json, None, Rules::Replayed).is_some(),
                    "{name}, bit {bit}"
                );
            }
        }
    }
}

/// What release 1.0 wrote is the same machine today.
#[test]
fn decoding_the_golden_bytes_of_version_1_gives_the_machine() {
    // None of these has a part that 1.0 didn't know, so but for the archive they are today's.
    for version in [RECORD_VERSION_1_0, RECORD_VERSION] {
        for name in MACHINES {
            assert_is(version, &golden(&format!("{name}.record")), name);
        }
    }
}

/// An archive of either version is the same object.
#[test]
fn both_versions_of_an_archive_are_one_definition() {
    for name in MACHINES {
        let interner = Interner::new();
        let record = format!("{name}.record");
        let records = [golden(&record), record_of_today(&record, name)];
        let decode = |record: Vec<u8>| {
            let mut reader = RecordReader::new();
            reader.decode(RECORD_VERSION, &record, &interner).unwrap()
        };
        let machines = records.map(decode);
        assert_eq!(interner.stats().definitions, 1);
        assert!(std::sync::Arc::ptr_eq(
            machines[0].definition(),
            machines[1].definition()
        ));
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
        let expected = record_of_today(&format!("file-{at}.record"), &file()[at]);
        assert_eq!(record, expected, "{at}");
    }
}

#[test]
fn decoding_a_golden_file_gives_the_machines() {
    for version in [RECORD_VERSION_1_0, RECORD_VERSION] {
        let interner = Interner::new();
        let mut reader = RecordReader::new();
        reader.begin_file();
        for (at, name) in file().iter().enumerate() {
            let record = golden(&format!("file-{at}.record"));
            let machine = reader.decode(version, &record, &interner).unwrap();
            model(name).assert_is(&machine);
        }
        assert_eq!(interner.stats().definitions, 3);
    }
}

const LIVES: [&str; 4] = ["life-moved", "life-ids", "life-timed", "life-redefined"];

/// The time at which the lives begin.
const T: u64 = 1_700_000_000_000;

/// Returns a machine of the definition that `make.py` calls LIFE.
fn life(interner: &Interner) -> Machine {
    let json = br#"{"map":{"a":{"go":"b"},"b":{"go":"a"}},
        "after":{"a":{"ms":1000,"to":"b"},"b":{"to":"a"}},"history":5,"initial":"a"}"#;
    read(interner, json, Rules::Documented)
}

/// Makes each life by what happened in it.
fn lived(interner: &Interner, name: &str) -> Machine {
    let go = Request::Fire {
        event: b"go",
        to: None,
    };
    match name {
        "life-moved" => {
            let mut machine = machine(interner, "order");
            let shipped = machine.definition().find_state(b"shipped").unwrap();
            for _ in 1..300 {
                machine.enter(shipped, Some("by van"));
            }
            machine
        }
        "life-ids" => {
            let machine = machine(interner, "order");
            let begun = machine
                .clone()
                .begin(&id("first"), &Context::default())
                .unwrap();
            let paid = Request::Fire {
                event: b"",
                to: Some(b"paid"),
            };
            let same = Request::Redefine {
                to: &machine,
                renames: &[],
            };
            let long = "x".repeat(64);
            let moves = [
                (paid, id("né"), at(0, b"")),
                (Request::Force(b"new"), id(&long), at(0, b"")),
                (same, id("y"), at(0, b"")),
                (Request::Move(b"cancelled"), id("z"), at(0, b"")),
            ];
            live(begun, &moves)
        }
        "life-timed" => {
            let after = |options| Options {
                timer: Some(GivenTimer::After(500)),
                ..options
            };
            let born = Options {
                by: "ada",
                reason: Some("birth"),
                ..id("id-0")
            };
            let begun = life(interner).begin(&born, &at(0, b"default")).unwrap();
            let long = "é".repeat(600);
            let back = Options {
                reason: Some(&long),
                ..id("id-3")
            };
            let to = Request::Fire {
                event: b"go",
                to: Some(b"b"),
            };
            let last = after(Options {
                by: "ada",
                reason: Some("r"),
                ..Options::default()
            });
            let reset = Request::Reset(Rules::Documented);
            let moves = [
                (go, after(id("id-1")), at(1500, b"default")),
                (Request::Force(b"b"), id("id-2"), at(1600, b"worker")),
                (Request::Move(b"a"), back, at(200_000, b"worker")),
                // The clock went back.
                (to, id("id-4"), at(7, b"")),
                (reset, Options::default(), at(200_001, b"default")),
                (go, last, at(200_002, b"default")),
            ];
            live(begun, &moves)
        }
        _ => {
            let json = br#"{"map":{"a":{"go":"b"},"b":{"stop":"c"},"c":["a"]},
                "history":9,"initial":"a"}"#;
            let old = read(interner, json, Rules::Documented);
            let begun = old.begin(&Options::default(), &at(0, b"default")).unwrap();
            let stop = Request::Fire {
                event: b"stop",
                to: None,
            };
            let stopped = Options {
                reason: Some("r"),
                ..id("y")
            };
            let redefine = Request::Redefine {
                to: &life(interner),
                renames: &[(b"c", b"b")],
            };
            let moves = [
                (go, id("x"), at(1, b"default")),
                (stop, stopped, at(2, b"default")),
                (redefine, id("z"), at(3, b"default")),
            ];
            live(begun, &moves)
        }
    }
}

fn id(token: &str) -> Options<'_> {
    Options {
        id: Some(token),
        ..Options::default()
    }
}

fn at(ms: u64, user: &[u8]) -> Context<'_> {
    Context {
        now: T + ms,
        user,
        replayed: false,
    }
}

fn live(mut machine: Machine, moves: &[(Request<'_>, Options<'_>, Context<'_>)]) -> Machine {
    for (request, options, context) in moves {
        match machine.check(*request, options, context).unwrap() {
            Checked::Go(planned) => {
                machine.apply(&planned);
            }
            Checked::Answer(answer) => panic!("{request:?}: {answer:?}"),
        }
    }
    machine
}

#[test]
fn what_happened_in_a_life_gives_the_golden_bytes() {
    for name in LIVES {
        let machine = lived(&Interner::new(), name);
        assert_eq!(alone(&machine), golden(&format!("{name}.record")), "{name}");
    }
}

#[test]
fn decoding_a_golden_life_tells_what_happened_in_it() {
    for name in LIVES {
        let interner = Interner::new();
        let known = ["life-timed", "life-redefined"].contains(&name);
        let definition = if known {
            life(&interner)
        } else {
            machine(&interner, "order")
        };
        let record = golden(&format!("{name}.record"));
        let machine = RecordReader::new()
            .decode(RECORD_VERSION, &record, &interner)
            .unwrap();
        // The archive is that of the document.
        assert!(std::sync::Arc::ptr_eq(
            machine.definition(),
            definition.definition()
        ));
        let told: Value = serde_json::from_slice(&golden(&format!("{name}.json"))).unwrap();
        assert_eq!(told["version"], machine.version(), "{name}");
        assert_eq!(told["since"].as_u64(), machine.since(), "{name}");
        let deadline = machine.deadline();
        assert_eq!(told["due"].as_u64(), deadline.map(|due| due.at), "{name}");
        let is_given = deadline.is_some_and(|due| due.is_given);
        assert_eq!(told["given"].as_bool().unwrap_or(false), is_given, "{name}");
        for id in told["ids"].as_array().into_iter().flatten() {
            let (state, version) = machine.known_id(id["token"].as_str().unwrap()).unwrap();
            assert_eq!(id["state"].as_str().unwrap().as_bytes(), state, "{name}");
            assert_eq!(id["version"], version, "{name}");
        }
        let mut entries: Vec<Value> = machine.history().map(shown).collect();
        entries.reverse();
        let history = told["history"].as_array().cloned().unwrap_or_default();
        assert_eq!(entries, history, "{name}");
    }
}

fn shown(entry: HistoryEntry<'_>) -> Value {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    json!({
        "version": entry.version,
        "at": entry.at,
        "kind": entry.kind.as_str(),
        "from": entry.from.map(text),
        "event": text(entry.event),
        "to": text(entry.to),
        "user": text(entry.user),
        "by": entry.by,
        "reason": entry.reason,
        "id": entry.id,
    })
}

/// The example of `docs/format.md`, to the byte.
#[test]
fn the_example_of_the_format_is_right() {
    let interner = Interner::new();
    let json = br#"{"map":{"a":{"go":"b"}},"history":5,"initial":"a"}"#;
    let machine = read(&interner, json, Rules::Documented);
    let begun = machine
        .begin(&Options::default(), &at(0, b"default"))
        .unwrap();
    let why = Options {
        reason: Some("why"),
        ..Options::default()
    };
    let go = Request::Fire {
        event: b"go",
        to: None,
    };
    let machine = live(begun, &[(go, why, at(90_000, b"default"))]);
    let record = alone(&machine);
    let format = include_str!("../../../../docs/format.md");
    let example = format.split("90 seconds later:\n\n").nth(1).unwrap();
    let example = example.split("    52 53 4d 41").next().unwrap();
    let bytes: Vec<u8> = example
        .lines()
        .flat_map(|line| line.split_whitespace().map_while(hex))
        .collect();
    assert_eq!(bytes, record[..bytes.len()], "{record:02x?}");
    assert_eq!(record[bytes.len()..], *machine.definition().archive());
}

fn hex(word: &str) -> Option<u8> {
    (word.len() == 2)
        .then(|| u8::from_str_radix(word, 16).ok())
        .flatten()
}
