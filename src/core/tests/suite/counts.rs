//! The counters of machines by state, against a list of what there is.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use redis_state_core::{
    Checked, Context, Interner, Machine, Options, RECORD_VERSION, RecordReader, Request, Rules,
    count_by_state,
};

use crate::machines::{begun, read};
use crate::records::alone;

/// Definitions of one name: two revisions, and two that share one. Most states have several of them.
const DOCUMENTS: [&str; 4] = [
    r#"{"map":{"a":["b","c"],"b":["a"]},"name":"n","revision":1,"initial":"a"}"#,
    r#"{"map":{"c":["a","d"],"a":["c"]},"name":"n","revision":2,"initial":"c"}"#,
    r#"{"map":{"a":["d"]},"name":"n","revision":2,"initial":"a"}"#,
    r#"{"map":{"a":["b"]},"history":2,"name":"n","initial":"a"}"#,
];
const STATES: [&str; 4] = ["a", "b", "c", "d"];

/// What happens to the machine at a place of the list.
#[derive(Debug, Clone)]
enum Step {
    Make(usize),
    Force(usize),
    Refused,
    Redefine(usize),
    Copy,
    Reload,
    Replace(usize),
    Drop,
}

fn step() -> impl Strategy<Value = Step> {
    let document = || 0..DOCUMENTS.len();
    prop_oneof![
        document().prop_map(Step::Make),
        (0..STATES.len()).prop_map(Step::Force),
        Just(Step::Refused),
        document().prop_map(Step::Redefine),
        Just(Step::Copy),
        Just(Step::Reload),
        document().prop_map(Step::Replace),
        Just(Step::Drop),
    ]
}

/// Makes a move or a redefinition, if the machine allows it.
fn change(machine: &mut Machine, request: Request<'_>) {
    let (options, context) = (Options::default(), Context::default());
    if let Ok(Checked::Go(planned)) = machine.check(request, &options, &context) {
        machine.apply(&planned);
    }
}

fn take(step: &Step, machines: &mut Vec<Machine>, at: usize, interner: &Interner) {
    let new = |document: usize| begun(interner, DOCUMENTS[document].as_bytes(), Rules::Documented);
    if let Step::Make(document) = step {
        machines.push(new(*document));
        return;
    }
    if machines.is_empty() {
        return;
    }
    let at = at % machines.len();
    let machine = &mut machines[at];
    match step {
        Step::Make(_) => {}
        Step::Force(state) => change(machine, Request::Force(STATES[*state].as_bytes())),
        Step::Refused => change(machine, Request::Move(b"nowhere")),
        Step::Redefine(document) => {
            let to = new(*document);
            let renames = [];
            change(
                machine,
                Request::Redefine {
                    to: &to,
                    renames: &renames,
                },
            );
        }
        Step::Copy => {
            let copy = machine.clone();
            machines.push(copy);
        }
        Step::Reload => {
            let mut reader = RecordReader::new();
            *machine = reader
                .decode(RECORD_VERSION, &alone(machine), interner)
                .unwrap();
        }
        Step::Replace(document) => *machine = new(*document).replace(machine, &Context::default()),
        Step::Drop => drop(machines.swap_remove(at)),
    }
}

type Counts = BTreeMap<String, u64>;

/// Counts by a walk over all machines. A state of a definition in use is there, be it 0.
fn walk(machines: &[Machine], revision: Option<u32>) -> Counts {
    let mut counts = Counts::new();
    let wanted = |one: &&Machine| revision.is_none() || one.definition().revision() == revision;
    for machine in machines.iter().filter(wanted) {
        let definition = machine.definition();
        for state in definition.state_ids() {
            counts.entry(definition.name(state).into()).or_default();
        }
        *counts.entry(machine.current_name().into()).or_default() += 1;
    }
    counts
}

fn asked(interner: &Interner, revision: Option<u32>) -> Counts {
    let definitions = interner.named("n", revision);
    let counts = count_by_state(&definitions);
    let names = counts.iter().map(|(name, _)| *name);
    assert_eq!(
        names.collect::<std::collections::BTreeSet<_>>().len(),
        counts.len()
    );
    let entry = |&(name, count): &(&[u8], u64)| (str::from_utf8(name).unwrap().to_owned(), count);
    counts.iter().map(entry).collect()
}

proptest! {
    #[test]
    fn the_counts_are_those_of_a_walk(steps in vec((step(), any::<usize>()), 0..60)) {
        let interner = Interner::new();
        let mut machines = Vec::new();
        for (step, at) in &steps {
            take(step, &mut machines, *at, &interner);
            for revision in [None, Some(1), Some(2), Some(3)] {
                prop_assert_eq!(asked(&interner, revision), walk(&machines, revision), "{:?}", step);
            }
        }
        machines.clear();
        prop_assert!(interner.all_named().is_empty());
    }
}

#[test]
fn definitions_come_by_name_then_by_revision() {
    let interner = Interner::new();
    let label = |name: &str, rest: &str| {
        let json = format!(r#"{{"map":{{"a":[]}},"name":"{name}"{rest},"initial":"a"}}"#);
        read(&interner, json.as_bytes(), Rules::Documented)
    };
    let rest = [r#","revision":10"#, r#","revision":9"#, ""];
    let machines: Vec<_> = ["b", "a", "aa"]
        .iter()
        .flat_map(|name| rest.map(|rest| label(name, rest)))
        .collect();
    let unnamed = read(
        &interner,
        br#"{"map":{"a":[]},"initial":"a"}"#,
        Rules::Documented,
    );
    let all = interner.all_named();
    let labels: Vec<_> = all
        .iter()
        .map(|one| (one.label().unwrap(), one.revision()))
        .collect();
    let of = |name| [(name, None), (name, Some(9)), (name, Some(10))];
    assert_eq!(labels, ["a", "aa", "b"].map(of).concat());
    assert_eq!(interner.named("aa", Some(9)).len(), 1);
    assert!(interner.named("", None).is_empty());
    drop((machines, unnamed));
}
