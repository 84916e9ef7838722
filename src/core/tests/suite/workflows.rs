//! Workflows of real projects as documents. Their neutral form lies beside this repository, at
//! `../shared/workflows`, and is not part of it; where it is absent, there is nothing to test.

use std::fs;
use std::path::PathBuf;

use redis_state_core::{Interner, Rules};
use serde_json::Value;

use crate::machines::read;
use crate::model::{Events, Model, New};

/// How many bytes a definition may take beside four times its document.
const FREE_BYTES: usize = 600;

/// Returns the workflows, as JSON; none if they are not here.
fn workflows() -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/workflows");
    let Ok(files) = fs::read_dir(&folder) else {
        println!("skipped: no workflows at {}", folder.display());
        return Vec::new();
    };
    let paths = files.map(|file| file.unwrap().path());
    let json = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    json.map(|path| serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
        .collect()
}

/// Adds a target to an event of an entry, unless it is there.
fn add(entry: &mut Events, event: &str, to: &str) {
    let at = match entry.iter().position(|(name, _)| name == event) {
        Some(at) => at,
        None => {
            entry.push((event.to_owned(), Vec::new()));
            entry.len() - 1
        }
    };
    if !entry[at].1.iter().any(|target| target == to) {
        entry[at].1.push(to.to_owned());
    }
}

/// Turns a workflow into a machine. A transition from `*` goes to `any`; where it is a timer, or has
/// no name, each state gets it. One with `after_ms` is a timer, the first one of its state.
fn model(workflow: &Value) -> Model {
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let transitions = workflow["transitions"].as_array().unwrap();
    let mut states: Vec<String> = Vec::new();
    for transition in transitions {
        for name in [text(transition, "from"), text(transition, "to")] {
            if name != "*" && !states.contains(&name) {
                states.push(name);
            }
        }
    }
    let finals: Vec<&str> = workflow["final"].as_array().map_or(Vec::new(), |names| {
        names.iter().filter_map(Value::as_str).collect()
    });
    let mut rows: Vec<(String, Events)> = Vec::new();
    let mut new = New {
        name: text(workflow, "name"),
        ..New::default()
    };
    for transition in transitions {
        let [from, event, to] = ["from", "event", "to"].map(|name| text(transition, name));
        let ms = transition["after_ms"].as_u64();
        if from == "*" && ms.is_none() && !event.is_empty() {
            add(&mut new.any, &event, &to);
            continue;
        }
        let sources = match from.as_str() {
            "*" => states
                .iter()
                .filter(|s| **s != to && !finals.contains(&s.as_str()))
                .cloned()
                .collect(),
            _ => vec![from],
        };
        for from in sources {
            match ms {
                Some(ms) if !new.after.iter().any(|(state, _)| *state == from) => {
                    new.after.push((from, (Some(ms), Some(to.clone()))));
                }
                Some(_) => {}
                None => {
                    let at = rows.iter().position(|(key, _)| *key == from);
                    let at = at.unwrap_or_else(|| {
                        rows.push((from, Events::new()));
                        rows.len() - 1
                    });
                    add(&mut rows[at].1, &event, &to);
                }
            }
        }
    }
    let initial = text(workflow, "initial");
    if !rows.iter().any(|(key, _)| *key == initial) {
        rows.insert(0, (initial.clone(), Events::new()));
    }
    Model::with_events(rows, new, &initial, "", "")
}

#[test]
fn every_workflow_is_a_document() {
    for workflow in workflows() {
        let mut model = model(&workflow);
        let json = model.render(Rules::Documented);
        let machine = read(&Interner::new(), &json, Rules::Documented);
        model.assert_is(&machine);
        for state in machine.definition().state_ids() {
            let machine = machine.in_state(state);
            model.current = machine.current_name().to_owned();
            model.assert_moves(&machine);
        }
        let errors = machine.lint();
        let is_error = |finding: &&redis_state_core::Finding| finding.severity.name() == "error";
        assert_eq!(errors.iter().find(is_error), None, "{}", workflow["name"]);
    }
}

/// Everything counts: the archive, the tables, the document that is kept to be recognised, and the
/// body that is kept to be written again.
#[test]
fn a_workflow_takes_little_memory() {
    for workflow in workflows() {
        let json = model(&workflow).render(Rules::Documented);
        let machine = read(&Interner::new(), &json, Rules::Documented);
        machine.render_cached(Rules::Documented, &mut Vec::new());
        let taken = machine
            .definition()
            .memory(|_, bytes| bytes.next_multiple_of(16) + 8);
        let allowed = FREE_BYTES + 4 * json.len();
        assert!(
            taken <= allowed,
            "{}: {taken} bytes, {} of JSON",
            workflow["name"],
            json.len()
        );
    }
}
