//! The packed parts of a machine: their bounds, their damage, what they take.

use redis_state_core::{
    Checked, Context, GivenTimer, Interner, MAX_PART_BYTES, Machine, MoveKind, Options, Outcome,
    RECORD_VERSION, RECORD_VERSION_1_0, RecordReader, Recreate, Request, Rules, parse_machine,
};

use crate::life::read;
use crate::model::{Model, New};
use crate::records::{alone, error};

/// Makes a ring of states, each with an event to the next one and a timer.
fn ring(states: usize, history: u8, ms: Option<u64>) -> Model {
    let name = |at: usize| format!("s{}", at % states);
    let row = |at: usize| (name(at), vec![("next".to_owned(), vec![name(at + 1)])]);
    let timer = |at: usize| (name(at), (ms, Some(name(at + 1))));
    let new = New {
        after: ms.map_or(Vec::new(), |_| (0..states).map(timer).collect()),
        history,
        ..New::default()
    };
    Model::with_events((0..states).map(row).collect(), new, &name(0), "", "")
}

fn begin(interner: &Interner, model: &Model, now: u64) -> Machine {
    let context = Context {
        now,
        ..Context::default()
    };
    let machine = read(interner, model);
    machine.begin(&Options::default(), &context).unwrap()
}

const NEXT: Request<'_> = Request::Fire {
    event: b"next",
    to: None,
};

fn make(
    machine: &mut Machine,
    request: Request<'_>,
    options: &Options<'_>,
    context: &Context<'_>,
) -> Outcome {
    match machine.check(request, options, context).unwrap() {
        Checked::Answer(verdict) => verdict.outcome,
        Checked::Go(planned) => machine.apply(&planned).outcome,
    }
}

/// Returns a machine that has every part, some of it as text of an older definition.
fn rich(interner: &Interner) -> Machine {
    let mut machine = begin(interner, &ring(4, 5, Some(1000)), 1_700_000_000_000);
    for (at, id) in ["one", "two", "three"].into_iter().enumerate() {
        let options = Options {
            id: Some(id),
            by: "ada",
            reason: Some("why"),
            timer: Some(GivenTimer::After(500)),
            ..Options::default()
        };
        let context = Context {
            now: 1_700_000_000_100 + at as u64 * 100,
            user: if at == 1 { b"worker" } else { b"default" },
            ..Context::default()
        };
        assert_eq!(make(&mut machine, NEXT, &options, &context), Outcome::Moved);
    }
    let mut smaller = ring(2, 5, Some(1000));
    smaller.map.get_mut("s0").unwrap()[0].0 = "on".to_owned();
    smaller.map.get_mut("s1").unwrap().clear();
    let to = read(interner, &smaller);
    let request = Request::Redefine {
        to: &to,
        renames: &[(b"s3", b"s1")],
    };
    let context = Context::default();
    assert_eq!(
        make(&mut machine, request, &Options::default(), &context),
        Outcome::Redefined
    );
    machine
}

fn memory(machine: &Machine) -> Vec<usize> {
    machine.blocks().map(|(_, bytes)| bytes).collect()
}

#[test]
fn the_rich_machine_is_rich() {
    let machine = rich(&Interner::new());
    let kinds: Vec<MoveKind> = machine.history().map(|entry| entry.kind).collect();
    use MoveKind::{Move, New, Redefine};
    assert_eq!(kinds, [Redefine, Move, Move, Move, New]);
    let newest = machine.history().next().unwrap();
    assert_eq!(
        (newest.from, newest.to, newest.version),
        (Some(&b"s3"[..]), &b"s1"[..], 5)
    );
    let second = machine.history().nth(1).unwrap();
    assert_eq!(
        (second.event, second.user, second.by),
        (&b"next"[..], &b"default"[..], "ada")
    );
    assert_eq!(machine.known_id("two"), Some((&b"s2"[..], 3)));
    // Given, so it stays.
    assert_eq!(machine.deadline().unwrap().at, 1_700_000_000_800);
}

#[test]
fn damage_to_a_rich_record_is_refused_or_is_another_record() {
    let interner = Interner::new();
    let machine = rich(&interner);
    let good = alone(&machine);
    let archive = machine.definition().archive().len();
    let own = good.len() - archive;
    let mut accepted = 0;
    let mut read = |record: &[u8]| {
        if let Ok(machine) = RecordReader::new().decode(RECORD_VERSION, record, &interner) {
            // What is accepted is written again byte for byte.
            assert_eq!(alone(&machine), record);
            let _ = machine.history().count();
            accepted += 1;
        }
    };
    for end in 0..good.len() {
        read(&good[..end]);
    }
    for at in 0..own {
        for byte in 0..=255 {
            let mut record = good.clone();
            record[at] = byte;
            read(&record);
            record.insert(at, byte);
            read(&record);
        }
        let mut record = good.clone();
        record.remove(at);
        read(&record);
    }
    assert!(accepted > own, "texts and times may be others");
}

/// Applies a change to the record of the rich machine and returns the error.
fn damaged(find: &[u8], replace: &[u8]) -> String {
    let interner = Interner::new();
    let machine = rich(&interner);
    let record = alone(&machine);
    let at = record.windows(find.len()).position(|part| part == find);
    let at = at.unwrap_or_else(|| panic!("{find:x?} is not in {record:x?}"));
    let changed = [&record[..at], replace, &record[at + find.len()..]].concat();
    let decoded = RecordReader::new().decode(RECORD_VERSION, &changed, &interner);
    decoded.unwrap_err().to_string()
}

#[test]
fn a_part_of_another_length_is_refused() {
    assert_eq!(
        damaged(b"\x03two", b"\x00two"),
        "a text of 0 bytes where that is no length"
    );
    assert_eq!(
        damaged(b"two", b"one"),
        "damaged request ids: one comes twice"
    );
    assert_eq!(damaged(b"two", b"\xff\xff\xff"), "a text is not UTF-8");
}

#[test]
fn a_machine_has_the_times_and_the_history_that_its_definition_asks_for() {
    let interner = Interner::new();
    let record = |model: &Model| {
        let machine = begin(&interner, model, 1000);
        let archive = machine.definition().archive().to_vec();
        let record = alone(&machine);
        (record[..record.len() - archive.len()].to_vec(), archive)
    };
    let plain = record(&ring(3, 0, None));
    let timed = record(&ring(3, 0, Some(9)));
    let kept = record(&ring(3, 4, None));
    let mixed = |parts: &[u8], archive: &[u8]| {
        let record = [parts, archive].concat();
        let decoded = RecordReader::new().decode(RECORD_VERSION, &record, &interner);
        decoded.unwrap_err().to_string()
    };
    assert_eq!(
        mixed(&plain.0, &timed.1),
        "damaged times: the definition has timers or a history"
    );
    assert_eq!(
        mixed(&timed.0, &plain.1),
        "damaged times: the definition has neither timers nor a history"
    );
    assert_eq!(
        mixed(&timed.0, &kept.1),
        "damaged times: a deadline in a state without a timer"
    );
    assert_eq!(
        mixed(&kept.0, &timed.1),
        "damaged times: no deadline in a state with a timer"
    );
    let untold = [0x20, 0, 0, 0];
    assert_eq!(
        mixed(&untold, &kept.1),
        "damaged history: there is none, but the definition has one"
    );
}

#[test]
fn a_record_of_version_1_0_has_no_parts_but_a_reason() {
    let interner = Interner::new();
    let machine = rich(&interner);
    let decode = |version, record: &[u8]| {
        let machine = RecordReader::new().decode(version, record, &interner);
        machine.map_err(|why| why.to_string())
    };
    let flags = alone(&machine)[0];
    let refused = decode(RECORD_VERSION_1_0, &alone(&machine)).unwrap_err();
    assert_eq!(refused, format!("unknown record flags {flags:#04x}"));
    assert_eq!(
        decode(4, &alone(&machine)).unwrap_err(),
        "record version 4, expected up to 3"
    );
    let plain = Machine::blank(&interner);
    let old = decode(RECORD_VERSION_1_0, &alone(&plain)).unwrap();
    assert_eq!(old.version(), 1);
    // A machine at version 1 takes the bytes that it took.
    assert_eq!(alone(&old), alone(&plain));
}

#[test]
fn versions_have_one_spelling_and_skip_zero() {
    let interner = Interner::new();
    let mut plain = Machine::blank(&interner);
    let archive = plain.definition().archive().to_vec();
    let record = |version: &[u8]| [&[8, 0], version, &archive].concat();
    let mut reader = RecordReader::new();
    assert_eq!(
        error(&mut reader, &record(&[0])),
        "machine version 0 in record"
    );
    assert_eq!(
        error(&mut reader, &record(&[1])),
        "machine version 1 in record"
    );
    assert_eq!(
        error(&mut reader, &record(&[0x82, 0x80, 0])),
        "damaged number in record"
    );
    let last = record(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    plain = reader.decode(RECORD_VERSION, &last, &interner).unwrap();
    assert_eq!(plain.version(), u32::MAX);
    plain.enter(0, None);
    assert_eq!(plain.version(), 1);
}

#[test]
fn a_history_stays_within_its_bytes() {
    let mut machine = begin(&Interner::new(), &ring(3, 255, None), 0);
    let reason = "x".repeat(2000);
    for step in 0..200 {
        let options = Options {
            reason: Some(&reason),
            by: &reason[..256],
            ..Options::default()
        };
        let user = if step % 2 == 0 {
            b"a".as_slice()
        } else {
            &[b'b'; 300]
        };
        let context = Context {
            user,
            ..Context::default()
        };
        make(&mut machine, NEXT, &options, &context);
        let bytes = machine.digest_parts(|parts| parts[6].len());
        assert!(bytes <= MAX_PART_BYTES);
    }
    let entries: Vec<_> = machine.history().collect();
    assert!((40..60).contains(&entries.len()), "{}", entries.len());
    assert!(entries.iter().all(|entry| entry.reason.len() == 1024));
    assert_eq!(entries[0].user, [b'b'; 256]);
    assert_eq!(entries[1].user, b"a");
    // The machine's own reason is whole.
    assert_eq!(machine.reason(), reason);
}

#[test]
fn a_replay_does_again_what_was_done() {
    let interner = Interner::new();
    let mut machine = begin(&interner, &ring(3, 9, Some(1000)), 5000);
    let options = Options {
        id: Some("one"),
        if_state: Some(b"elsewhere"),
        if_version: Some(77),
        ..Options::default()
    };
    let client = Context::default();
    let replayed = Context {
        replayed: true,
        ..client
    };
    assert_eq!(
        make(&mut machine, NEXT, &options, &client),
        Outcome::Conflict
    );
    for version in [2, 3] {
        assert_eq!(
            make(&mut machine, NEXT, &options, &replayed),
            Outcome::Moved
        );
        assert_eq!(machine.known_id("one").unwrap().1, version);
    }
    // A replayed timeout was due on the primary.
    let timeout = Request::Timeout { next_from: None };
    let none = Options::default();
    assert_eq!(
        make(&mut machine, timeout, &none, &client),
        Outcome::Refused
    );
    assert_eq!(
        make(&mut machine, timeout, &none, &replayed),
        Outcome::Moved
    );
}

#[test]
fn an_overdue_chain_is_exact_and_counts_from_now_after_sixteen_steps() {
    let mut machine = begin(&Interner::new(), &ring(3, 255, Some(10)), 1000);
    let mut times = Vec::new();
    assert!(machine.fire_due(2000, |machine, fired| {
        times.push(fired.at);
        assert_eq!(machine.since(), Some(fired.at));
        assert_eq!(fired.next_from, (times.len() == 16).then_some(2000));
    }));
    assert_eq!(
        times,
        (1..=16).map(|step| 1000 + 10 * step).collect::<Vec<_>>()
    );
    assert_eq!(machine.deadline().unwrap().at, 2010);
    assert!(machine.fire_due(2009, |_, _| panic!("nothing is due")));
    // A replica that is told the times comes to the same.
    let mut replica = begin(&Interner::new(), &ring(3, 255, Some(10)), 1000);
    for (step, at) in times.iter().enumerate() {
        let request = Request::Timeout {
            next_from: (step == 15).then_some(2000),
        };
        let context = Context {
            now: *at,
            replayed: true,
            ..Context::default()
        };
        make(&mut replica, request, &Options::default(), &context);
    }
    assert_eq!(alone(&replica), alone(&machine));
}

#[test]
fn a_machine_that_commands_can_say_is_made_anew_by_commands() {
    let interner = Interner::new();
    let json = br#"{"map":{"a":["b"],"b":["a"]},"initial":"a"}"#;
    let parsed = parse_machine(
        &interner,
        json,
        None,
        Rules::Documented,
        &redis_state_core::Limits::NONE,
    );
    let mut machine = parsed.unwrap().machine;
    let is_commands = |machine: &Machine, forced: bool| match machine.recreate() {
        Recreate::Commands { then_force, .. } => then_force.is_some() == forced,
        Recreate::Record(_) => false,
    };
    assert!(is_commands(&machine, false));
    machine.enter(1, Some("why"));
    assert!(is_commands(&machine, true));
    machine.enter(0, None);
    assert_eq!(machine.recreate(), Recreate::Record(alone(&machine)));
    let timed = rich(&interner);
    assert_eq!(timed.recreate(), Recreate::Record(alone(&timed)));
}

#[test]
fn each_machine_takes_what_it_has() {
    let interner = Interner::new();
    let mut plain = begin(&interner, &ring(20, 0, None), 0);
    make(&mut plain, NEXT, &Options::default(), &Context::default());
    assert_eq!(memory(&plain), [24]);
    // As in 1.0.
    let reason = Options {
        reason: Some("card 4242"),
        ..Options::default()
    };
    make(&mut plain, NEXT, &reason, &Context::default());
    assert_eq!(memory(&plain), [24, 16, 9]);
    make(&mut plain, NEXT, &Options::default(), &Context::default());
    assert_eq!(memory(&plain), [24]);
    let pending = begin(&interner, &ring(20, 0, Some(1000)), 1_700_000_000_000);
    // The times, and the place of the deadline in an index.
    assert_eq!(memory(&pending), [24, 16 + 8]);
}

#[test]
fn a_history_of_sixteen_is_within_seven_hundred_bytes_a_key() {
    let minute = 60_000;
    let mut machine = begin(&Interner::new(), &ring(20, 16, None), 1_700_000_000_000);
    for at in 0..40 {
        let by = format!("worker{at:02}");
        let options = Options {
            by: &by,
            reason: Some("card 4242 ok"),
            ..Options::default()
        };
        let context = Context {
            now: 1_700_000_000_000 + at * 90 * minute,
            user: b"default",
            ..Context::default()
        };
        make(&mut machine, NEXT, &options, &context);
    }
    assert_eq!(machine.history_count(), 16);
    let blocks = memory(&machine);
    // The times, the place of a deadline, and where the texts are.
    assert_eq!(blocks[..2], [24, 16 + 8 + 24]);
    // The server's allocator has blocks of 512 bytes; a key without a history takes 123.
    assert!(blocks[2] <= 512, "{blocks:?}");
}

/// The document of the first command must name the state to which the second one forces the machine.
#[test]
fn a_machine_forced_to_the_state_that_only_its_document_named_is_made_anew_by_commands() {
    let interner = Interner::new();
    let json = br#"{"current":"lost","map":{"a":["b"]},"initial":"a"}"#;
    let limits = &redis_state_core::Limits::NONE;
    let parse = |json: &[u8]| parse_machine(&interner, json, None, Rules::Replayed, limits);
    let mut machine = parse(json).unwrap().machine;
    machine.enter(machine.current(), Some("why"));
    let Recreate::Commands {
        document,
        then_force: Some((state, reason)),
    } = machine.recreate()
    else {
        panic!("commands can say it");
    };
    assert_eq!((state, reason), (&b"lost"[..], "why"));
    let mut anew = parse(&document).unwrap().machine;
    let state = anew.definition().find_state(state).unwrap();
    anew.enter(state, Some(reason));
    assert_eq!(alone(&anew), alone(&machine));
}
