//! A machine's life against the naive model: every verdict, and all that can be read.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use redis_state_core::{
    Checked, Context, Force, GivenTimer, HistoryEntry, Interner, Limits, Machine, MoveError,
    Options, RECORD_VERSION, RecordReader, Request, Rules, parse_machine,
};

use crate::model::life::{Answer, Ask, Entry, Given, Life, With};
use crate::model::workflow::{After, Row, Workflow};
use crate::records::alone;

/// Returns the names of states: two are so long that a history cuts them, one of them to the other.
fn states() -> Vec<String> {
    let short = ["a", "b", "c", "naïve", ""].map(str::to_owned);
    let long = [1024, 1500].map(|length| "L".repeat(length));
    short.into_iter().chain(long).collect()
}

fn events() -> Vec<String> {
    let long = "é".repeat(600);
    vec![
        String::new(),
        "go".to_owned(),
        "back".to_owned(),
        "a".to_owned(),
        long,
    ]
}

/// Returns a machine of a workflow as a document gives it.
pub fn read(interner: &Interner, workflow: &Workflow, state: &str) -> Machine {
    let json = workflow.document().to_string();
    let (json, state) = (json.as_bytes(), Some(state.as_bytes()));
    let parsed = parse_machine(interner, json, state, Rules::Documented, &Limits::NONE);
    parsed.unwrap().machine
}

pub fn workflow() -> impl Strategy<Value = Workflow> {
    let row = || vec((0..5_usize, vec(any::<Index>(), 0..3)), 0..4);
    let timer = (
        any::<Index>(),
        option::of(1..5000_u64),
        option::of(any::<Index>()),
    );
    (
        vec(any::<bool>(), 7),
        vec(row(), 8),
        row(),
        vec(timer, 0..4),
        select(&[0_u8, 0, 1, 2, 5, 40][..]),
        any::<Index>(),
    )
        .prop_map(|(chosen, rows, any, after, history, initial)| {
            let all = states().into_iter().zip(chosen);
            let mut names: Vec<String> = all.filter(|(_, is)| *is).map(|(name, _)| name).collect();
            names.push("d".to_owned());
            let name = |at: &Index| at.get(&names).clone();
            let row = |row: &[(usize, Vec<Index>)], is_any: bool| {
                let mut out = Row::new();
                for (event, targets) in row {
                    let event = events()[*event].clone();
                    let known = out.iter().any(|(other, _)| *other == event);
                    if known || (is_any && (event.is_empty() || targets.is_empty())) {
                        continue;
                    }
                    let mut targets: Vec<String> = targets.iter().map(name).collect();
                    targets.dedup();
                    out.push((event, targets));
                }
                out
            };
            let mut timers: Vec<After> = Vec::new();
            for (state, ms, to) in &after {
                if timers.iter().all(|(known, ..)| *known != name(state)) {
                    timers.push((name(state), *ms, to.as_ref().map(name)));
                }
            }
            let pairs = names.iter().zip(&rows);
            Workflow {
                map: pairs
                    .map(|(state, own)| (state.clone(), row(own, false)))
                    .collect(),
                any: row(&any, true),
                after: timers,
                history,
                initial: name(&initial),
            }
        })
}

/// One thing that happens to a machine.
#[derive(Debug, Clone)]
enum Step {
    Ask(Ask, With),
    Replace(Workflow, With),
    FireDue(u64),
    Reload,
}

fn state() -> impl Strategy<Value = String> {
    let mut all = states();
    all.extend(["d".to_owned(), "nowhere".to_owned()]);
    select(all)
}

fn ask(workflows: Vec<Workflow>) -> impl Strategy<Value = Ask> {
    let event = || {
        let mut all = events();
        all.push("never".to_owned());
        select(all)
    };
    let renames = vec((state(), state()), 0..3);
    prop_oneof![
        6 => (event(), option::weighted(0.3, state())).prop_map(|(event, to)| Ask::Fire { event, to }),
        3 => state().prop_map(Ask::Move),
        2 => state().prop_map(Ask::Force),
        2 => (state(), any::<bool>()).prop_map(|(to, force)| Ask::Mutate { to, force }),
        1 => Just(Ask::Reset),
        1 => Just(Ask::Timeout),
        1 => Just(Ask::New),
        2 => (select(workflows), renames).prop_map(|(to, renames)| Ask::Redefine { to, renames }),
    ]
}

fn with() -> impl Strategy<Value = With> {
    let long = "zwölf ".repeat(300);
    let tokens: Vec<String> = (0..12)
        .map(|at| format!("{at}").repeat(1 + at * 2))
        .collect();
    let by = select(vec![String::new(), "ada".into(), "x".repeat(256)]);
    let user = select(vec![
        "default".into(),
        "default".into(),
        "é".repeat(200),
        String::new(),
    ]);
    let reason = option::of(select(vec![String::new(), "why".to_owned(), long]));
    let timer = prop_oneof![
        (1..5000_u64).prop_map(Given::After),
        (0..40_000_u64).prop_map(Given::Due),
        Just(Given::After((1 << 53) - 1)),
    ];
    (
        (
            option::weighted(0.1, state()),
            option::weighted(0.1, 1..20_u32),
        ),
        (
            option::weighted(0.4, select(tokens)),
            by,
            reason,
            option::weighted(0.15, timer),
        ),
        (0..40_000_u64, user, proptest::bool::weighted(0.1)),
    )
        .prop_map(
            |((if_state, if_version), (id, by, reason, timer), (now, user, replayed))| With {
                if_state,
                if_version,
                id,
                by,
                reason,
                timer,
                now,
                user,
                replayed,
            },
        )
}

fn steps() -> impl Strategy<Value = (Workflow, With, Vec<Step>)> {
    vec(workflow(), 1..4).prop_flat_map(|workflows| {
        let step = prop_oneof![
            12 => (ask(workflows.clone()), with()).prop_map(|(ask, with)| Step::Ask(ask, with)),
            1 => (select(workflows.clone()), with()).prop_map(|(to, with)| Step::Replace(to, with)),
            2 => (0..40_000_u64).prop_map(Step::FireDue),
            1 => Just(Step::Reload),
        ];
        (Just(workflows[0].clone()), with(), vec(step, 0..40))
    })
}

/// Returns the options that a request of that kind can have.
fn allowed(ask: &Ask, with: &With) -> With {
    match ask {
        Ask::Mutate { .. } => With {
            reason: with.reason.clone(),
            now: with.now,
            user: with.user.clone(),
            replayed: with.replayed,
            ..With::default()
        },
        Ask::Reset | Ask::Timeout => With {
            now: with.now,
            user: if *ask == Ask::Reset {
                with.user.clone()
            } else {
                String::new()
            },
            replayed: with.replayed,
            ..With::default()
        },
        Ask::New => With {
            if_state: None,
            if_version: None,
            ..with.clone()
        },
        _ => with.clone(),
    }
}

pub fn options(with: &With) -> Options<'_> {
    Options {
        if_state: with.if_state.as_ref().map(String::as_bytes),
        if_version: with.if_version,
        id: with.id.as_deref(),
        by: &with.by,
        reason: with.reason.as_deref(),
        timer: with.timer.map(|timer| match timer {
            Given::After(ms) => GivenTimer::After(ms),
            Given::Due(due) => GivenTimer::Due(due),
        }),
    }
}

pub fn context(with: &With) -> Context<'_> {
    Context {
        now: with.now,
        user: with.user.as_bytes(),
        replayed: with.replayed,
    }
}

fn error(why: &MoveError) -> &'static str {
    match why {
        MoveError::Ambiguous { .. } => "ambiguous",
        MoveError::IdReused => "id reused",
        MoveError::NoTimer(_) => "no timer",
        MoveError::StateLost(_) => "state lost",
        MoveError::UnknownRename(_) => "unknown rename",
    }
}

/// Asks the machine what the model is asked.
fn answer(interner: &Interner, machine: &mut Machine, ask: &Ask, with: &With) -> Answer {
    let request = match ask {
        Ask::Fire { event, to } => Request::Fire {
            event: event.as_bytes(),
            to: to.as_ref().map(String::as_bytes),
        },
        Ask::Move(to) => Request::Move(to.as_bytes()),
        Ask::Force(to) => Request::Force(to.as_bytes()),
        Ask::Mutate { to, force } => Request::Mutate {
            to: to.as_bytes(),
            force: if *force { Force::Yes } else { Force::No },
            rules: Rules::Documented,
        },
        Ask::Reset => Request::Reset(Rules::Documented),
        Ask::Timeout => Request::Timeout { next_from: None },
        Ask::New => Request::New,
        Ask::Redefine { to, renames } => {
            let borrowed: Vec<(&[u8], &[u8])> = renames
                .iter()
                .map(|(old, new)| (old.as_bytes(), new.as_bytes()))
                .collect();
            let request = Request::Redefine {
                to: &read(interner, to, &to.initial),
                renames: &borrowed,
            };
            return give(machine, request, with);
        }
    };
    give(machine, request, with)
}

/// Makes the request in its two steps; where it may go the short way, that way too.
fn give(machine: &mut Machine, request: Request<'_>, with: &With) -> Answer {
    let mut copy = machine.clone();
    let plain = plain(&mut copy, request, &options(with));
    let answer = check_and_apply(machine, request, with);
    if let Some(plain) = plain {
        assert_eq!(plain, answer);
        assert_eq!(alone(&copy), alone(machine));
    }
    answer
}

/// Makes a move the short way, if it may.
fn plain(machine: &mut Machine, request: Request<'_>, options: &Options<'_>) -> Option<Answer> {
    let only_reason = Options {
        reason: options.reason,
        ..Options::default()
    };
    let is_move = !matches!(
        request,
        Request::Timeout { .. } | Request::New | Request::Redefine { .. }
    );
    if machine.definition().is_timed() || *options != only_reason || !is_move {
        return None;
    }
    let made = machine.make_plain_move(request, options.reason);
    let answer = made.map_err(|why| error(&why)).map(|outcome| {
        let state = machine.current_name().to_owned();
        (outcome.as_str(), state, machine.version())
    });
    Some(answer)
}

fn check_and_apply(machine: &mut Machine, request: Request<'_>, with: &With) -> Answer {
    let before = alone(machine);
    let (options, context) = (options(with), context(with));
    let checked = machine.check(request, &options, &context);
    let verdict = match checked.map_err(|why| error(&why))? {
        Checked::Answer(verdict) => verdict,
        Checked::Go(planned) => {
            // Nothing has happened so far.
            assert_eq!(alone(machine), before);
            machine.apply(&planned)
        }
    };
    let state = String::from_utf8(verdict.state.to_vec()).unwrap();
    Ok((verdict.outcome.as_str(), state, verdict.version))
}

fn shown(entry: HistoryEntry<'_>) -> Entry {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Entry {
        version: entry.version,
        at: entry.at,
        kind: entry.kind.as_str(),
        from: entry.from.map(text),
        event: text(entry.event),
        to: text(entry.to),
        user: text(entry.user),
        by: entry.by.to_owned(),
        reason: entry.reason.to_owned(),
        id: entry.id.to_owned(),
    }
}

/// Panics unless all that can be read of the machine is the model's.
fn assert_is(machine: &Machine, life: &mut Life) {
    assert_eq!(machine.current_name(), life.state);
    assert_eq!(machine.version(), life.version);
    assert_eq!(machine.reason(), life.reason);
    assert_eq!(machine.since(), life.since);
    assert_eq!(
        machine.deadline().map(|due| (due.at, due.is_given)),
        life.due
    );
    for token in (0..12).map(|at: usize| format!("{at}").repeat(1 + at * 2)) {
        let known = life.ids.iter().find(|known| known.token == token);
        let known = known.map(|known| (known.state.as_bytes(), known.version));
        assert_eq!(machine.known_id(&token), known);
    }
    let mut entries: Vec<Entry> = machine.history().map(shown).collect();
    entries.reverse();
    assert_eq!(machine.history_count(), entries.len());
    if entries.len() < life.history.len() {
        // The oldest gave way to the limit of 64 KiB.
        let bytes = machine.digest_parts(|parts| parts[6].len());
        assert!(bytes > 60_000, "{bytes} bytes in {} entries", entries.len());
        life.history.drain(..life.history.len() - entries.len());
    }
    assert_eq!(entries, life.history);
}

/// Saves and loads the machine, which must come back as it was.
fn reload(interner: &Interner, machine: &Machine) -> Machine {
    let record = alone(machine);
    let mut reader = RecordReader::new();
    let loaded = reader.decode(RECORD_VERSION, &record, interner).unwrap();
    assert_eq!(alone(&loaded), record);
    loaded
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_life_is_the_model_s((workflow, first, steps) in steps()) {
        let interner = Interner::new();
        let begin = |with: &With| {
            let with = With { replayed: false, ..with.clone() };
            let machine = read(&interner, &workflow, &workflow.initial);
            let machine = machine.begin(&options(&with), &context(&with));
            let life = Life::begin(&workflow, &workflow.initial, &with);
            match (machine, life) {
                (Ok(machine), Ok(life)) => Some((machine, life)),
                (machine, life) => {
                    assert_eq!(machine.map(|_| ()).map_err(|why| error(&why)), life.map(|_| ()));
                    None
                }
            }
        };
        let again = || begin(&With::default()).unwrap();
        let (mut machine, mut life) = begin(&first).unwrap_or_else(again);
        for step in steps {
            match step {
                Step::Ask(ask, with) => {
                    let with = allowed(&ask, &with);
                    let told = answer(&interner, &mut machine, &ask, &with);
                    prop_assert_eq!(&told, &life.ask(&ask, &with), "{:?} {:?}", ask, with);
                    if told.is_ok_and(|(outcome, ..)| outcome == "deleted") {
                        (machine, life) = again();
                    }
                }
                Step::Replace(to, with) => {
                    let new = read(&interner, &to, &to.initial);
                    machine = new.replace(&machine, &context(&with));
                    life.replace(&to, &with);
                }
                Step::FireDue(now) => {
                    let mut fired = 0;
                    let is_there = machine.fire_due(now, |_, _| fired += 1);
                    prop_assert_eq!(is_there, life.fire_due(now));
                    prop_assert!(fired <= 16);
                    if !is_there {
                        (machine, life) = again();
                    }
                }
                Step::Reload => machine = reload(&interner, &machine),
            }
            assert_is(&machine, &mut life);
            assert_is(&reload(&interner, &machine), &mut life);
        }
    }
}
