//! A machine's life against the naive model: every verdict, and all that can be read.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use redis_state_core::{
    Interner, Limits, Machine, RECORD_VERSION, RecordReader, Rules, parse_machine,
};

use crate::model::life::{Ask, Given, Life, With};
use crate::model::played::{alone, ask, context, error, options};
use crate::model::{Events, Model, New, Timer};
use crate::strategies::{force, rules};

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

/// Returns a machine as its document gives it.
pub fn read(interner: &Interner, model: &Model) -> Machine {
    let json = model.render(Rules::Documented);
    let parsed = parse_machine(interner, &json, None, Rules::Documented, &Limits::NONE);
    parsed.unwrap().machine
}

/// A definition with events, timers and a history, whose states all have an entry in the map.
fn workflow() -> impl Strategy<Value = Model> {
    let row = || vec((0..5_usize, vec(any::<Index>(), 0..3)), 0..4);
    let timer = (
        any::<Index>(),
        option::of(prop_oneof![1..100_u64, 1..5000_u64]),
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
                let mut out = Events::new();
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
            let mut timers: Vec<(String, Timer)> = Vec::new();
            for (state, ms, to) in &after {
                if timers.iter().all(|(known, ..)| *known != name(state)) {
                    timers.push((name(state), (*ms, to.as_ref().map(name))));
                }
            }
            let pairs = names.iter().zip(&rows);
            let rows = pairs.map(|(state, own)| (state.clone(), row(own, false)));
            let new = New {
                any: row(&any, true),
                after: timers,
                history,
                ..New::default()
            };
            Model::with_events(rows.collect(), new, &name(&initial), "", "")
        })
}

/// One thing that happens to a machine.
#[derive(Debug, Clone)]
enum Step {
    Ask(Ask, With),
    Replace(Box<Model>, With),
    FireDue(u64),
    Reload,
}

fn state() -> impl Strategy<Value = String> {
    let mut all = states();
    all.extend(["d".to_owned(), "nowhere".to_owned()]);
    select(all)
}

fn any_ask(workflows: Vec<Model>) -> impl Strategy<Value = Ask> {
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
        2 => (state(), force(), rules()).prop_map(|(to, force, rules)| Ask::Mutate { to, force, rules }),
        1 => rules().prop_map(Ask::Reset),
        1 => Just(Ask::Timeout { next_from: None }),
        1 => Just(Ask::New),
        2 => (select(workflows), renames).prop_map(|(to, renames)| Ask::Redefine { to: to.into(), renames }),
    ]
}

fn with() -> impl Strategy<Value = With> {
    let long = "zwölf ".repeat(300);
    let by = select(vec![String::new(), "ada".into(), "x".repeat(256)]);
    let user = select(vec![
        "default".into(),
        "default".into(),
        "é".repeat(200),
        String::new(),
    ])
    .prop_map(String::into_bytes);
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
            option::weighted(0.4, select(tokens())),
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

fn steps() -> impl Strategy<Value = (Model, With, Vec<Step>)> {
    vec(workflow(), 1..4).prop_flat_map(|workflows| {
        let step = prop_oneof![
            12 => (any_ask(workflows.clone()), with()).prop_map(|(ask, with)| Step::Ask(ask, with)),
            1 => (select(workflows.clone()), with()).prop_map(|(to, with)| Step::Replace(to.into(), with)),
            2 => (0..40_000_u64).prop_map(Step::FireDue),
            1 => Just(Step::Reload),
        ];
        (Just(workflows[0].clone()), with(), vec(step, 0..40))
    })
}

/// Returns all tokens that a request may have.
fn tokens() -> Vec<String> {
    let token = |at: usize| format!("{at}").repeat(1 + at * 2);
    (0..12).map(token).collect()
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
            let machine = read(&interner, &workflow).begin(&options(&with), &context(&with));
            match (machine, Life::begin(&workflow, &with)) {
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
                Step::Ask(asked, with) => {
                    let with = with.allowed(&asked);
                    let new = match &asked {
                        Ask::Redefine { to, .. } => Some(read(&interner, to)),
                        _ => None,
                    };
                    let told = ask(&mut machine, &asked, new.as_ref(), &with).answer;
                    prop_assert_eq!(&told, &life.ask(&asked, &with), "{:?} {:?}", asked, with);
                    if told.is_ok_and(|(outcome, ..)| outcome == "deleted") {
                        (machine, life) = again();
                    }
                }
                Step::Replace(to, with) => {
                    machine = read(&interner, &to).replace(&machine, &context(&with));
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
            life.assert_is(&machine, &tokens());
            life.assert_is(&reload(&interner, &machine), &tokens());
        }
    }
}
