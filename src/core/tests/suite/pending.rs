//! Makes machines of workflows while documents can't say events and timers: each as a document of
//! 1.0, and what the core has to pretend beside it. To be deleted with `definition/pending.rs`.

use std::hash::{DefaultHasher, Hash, Hasher};

use redis_state_core::{Interner, Limits, Machine, Pretend, Rules, Timer, parse_machine, pretend};
use serde_json::{Map, Value, json};

use crate::model::workflow::Workflow;

/// Returns a machine of a workflow as a document gives it.
pub fn read(interner: &Interner, workflow: &Workflow, state: &str) -> Machine {
    let mut hash = DefaultHasher::new();
    workflow.document().to_string().hash(&mut hash);
    let mut map: Map<String, Value> = workflow
        .map
        .iter()
        .map(|(from, _)| (from.clone(), json!(workflow.next(from))))
        .collect();
    // Tells apart what only differs in events and timers.
    map.insert(format!("#{}", hash.finish()), json!([]));
    let json = json!({"map": map, "initial": workflow.initial}).to_string();
    let state = Some(state.as_bytes());
    let parsed = parse_machine(
        interner,
        json.as_bytes(),
        state,
        Rules::Documented,
        &Limits::NONE,
    );
    let machine = parsed.unwrap().machine;
    pretend(machine.definition(), tables(workflow, &machine));
    machine
}

fn tables(workflow: &Workflow, machine: &Machine) -> Pretend {
    let state = |name: &String| machine.definition().find_state(name.as_bytes()).unwrap();
    let mut tables = Pretend {
        history: workflow.history,
        ..Pretend::default()
    };
    for (from, _) in &workflow.map {
        for event in workflow.events(from) {
            let number = match tables.events.iter().position(|known| *known == event) {
                _ if event.is_empty() => 0,
                Some(at) => at + 1,
                None => {
                    tables.events.push(event.clone());
                    tables.events.len()
                }
            };
            let targets = workflow.fire(from, &event).iter().map(state).collect();
            tables.fires.insert((state(from), number as u32), targets);
        }
    }
    for (name, ms, to) in &workflow.after {
        let timer = Timer {
            ms: *ms,
            target: to.as_ref().map(state),
        };
        tables.timers.insert(state(name), timer);
    }
    tables
}
