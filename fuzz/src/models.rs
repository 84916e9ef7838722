//! Makes machines out of a fuzzer's bytes.

use arbitrary::{Result, Unstructured};

use crate::model::{Events, Model, New};

/// The names of states: few, so that machines are connected, and some that need escapes.
pub const NAMES: [&str; 12] = [
    "", "a", "b", "c", "d", "e", "f", "naïve", "🚀", "\"", "\\\n", "\0",
];

/// The names of events.
pub const EVENTS: [&str; 8] = ["", "a", "go", "pay", "stop", "\"", "é", "\u{1}"];

/// The names of definitions, `""` for none.
pub const DEFINITION_NAMES: [&str; 4] = ["", "", "n", "é\""];

/// The revisions of definitions: few, so that several definitions have the same.
pub const REVISIONS: [u32; 4] = [0, 1, 2, u32::MAX];

/// The times of timers.
const TIMES: [Option<u64>; 5] = [None, Some(1), Some(20), Some(5000), Some((1 << 53) - 1)];

/// How many moves are remembered.
const HISTORIES: [u8; 5] = [0, 0, 1, 5, 255];

macro_rules! eight {
    ($text:expr) => {
        concat!($text, $text, $text, $text, $text, $text, $text, $text)
    };
}

/// As long as a name that stands as text in a history.
const LONG: &str = concat!(eight!(eight!(eight!("L"))), eight!(eight!(eight!("L"))));

/// A name that is cut to the other long one.
const LONGER: &str = concat!(
    eight!(eight!(eight!("L"))),
    eight!(eight!(eight!("L"))),
    "er"
);

/// The names that one machine has.
struct Names {
    states: Vec<&'static str>,
    events: Vec<&'static str>,
}

/// Chooses different ones.
fn some<T: Copy>(u: &mut Unstructured<'_>, among: &[T], count: usize) -> Result<Vec<T>> {
    let mut left = among.to_vec();
    let mut some = Vec::new();
    for _ in 0..count.min(left.len()) {
        some.push(left.swap_remove(u.choose_index(left.len())?));
    }
    Ok(some)
}

fn names(u: &mut Unstructured<'_>) -> Result<Names> {
    let count = *u.choose(&[2, 3, 4, 4, 6, 12])?;
    let mut states = some(u, &NAMES, count)?;
    if u.ratio(1, 16)? {
        states.extend([LONG, LONGER]);
    }
    let count = *u.choose(&[1, 2, 4, 8])?;
    let mut events = some(u, &EVENTS, count)?;
    if u.ratio(1, 32)? {
        events.push(LONGER);
    }
    Ok(Names { states, events })
}

fn owned(name: &&str) -> String {
    (*name).to_owned()
}

/// Makes a machine of few states with short names; at times one of ninety states with rows as long.
pub fn model(u: &mut Unstructured<'_>) -> Result<Model> {
    let names = names(u)?;
    let mut rows = Vec::new();
    let is_plain = u.ratio(1, 4)?;
    let most = names.states.len().min(6);
    let count = *u.choose(&[most, most, most - 1, most / 2, 0])?;
    for key in some(u, &names.states, count)? {
        let row = match is_plain || u.ratio(1, 4)? {
            true => vec![(String::new(), row(u, &names)?)],
            false => events(u, &names)?,
        };
        rows.push((key.to_owned(), row));
    }
    let reason = if u.ratio(1, 3)? { u.arbitrary()? } else { "" };
    let (initial, current) = (u.choose(&names.states)?, u.choose(&names.states)?);
    let new = match is_plain {
        true => New::default(),
        false => new(u, &names)?,
    };
    Ok(fitted(&rows, new, [initial, current], reason))
}

/// Makes a machine, without the timers of states that it hasn't.
fn fitted(rows: &[(String, Events)], mut new: New, ends: [&str; 2], reason: &str) -> Model {
    let [initial, current] = ends;
    let make = |new: &New| Model::with_events(rows.to_vec(), new.clone(), initial, current, reason);
    // A timer's state has to be one without it. What goes may take states with it.
    for _ in 0..=new.after.len() {
        let states = make(&new).states;
        new.after.retain(|(state, _)| states.contains(state));
    }
    make(&new)
}

/// Makes a machine of nearly the same definition.
pub fn variant(u: &mut Unstructured<'_>, model: &Model) -> Result<Model> {
    let row = |key: &String| (key.clone(), model.map[key].clone());
    let mut rows: Vec<(String, Events)> = model.keys.iter().map(row).collect();
    let mut new = model.new.clone();
    match u.int_in_range(0..=4)? {
        0 => new.history = *u.choose(&HISTORIES)?,
        1 => new.any.clear(),
        2 => new.after.clear(),
        3 => drop(rows.pop()),
        _ => {
            for (_, (ms, _)) in &mut new.after {
                *ms = *u.choose(&TIMES)?;
            }
        }
    }
    Ok(fitted(&rows, new, [&model.initial, ""], ""))
}

/// Makes events with different names and targets; at times more than are searched one by one.
fn events(u: &mut Unstructured<'_>, names: &Names) -> Result<Events> {
    if u.ratio(1, 24)? {
        let event = |at: usize| (format!("e{at}"), vec![format!("s{}", at % 7)]);
        return Ok((0..u.int_in_range(15..=20)?).map(event).collect());
    }
    let mut events = Vec::new();
    let count = u.int_in_range(0..=3)?;
    for event in some(u, &names.events, count)? {
        let count = *u.choose(&[0, 1, 1, 1, 2, 3])?;
        let targets = some(u, &names.states, count)?;
        events.push((event.to_owned(), targets.iter().map(owned).collect()));
    }
    Ok(events)
}

/// Makes what a document of version 1.0 couldn't say.
fn new(u: &mut Unstructured<'_>, names: &Names) -> Result<New> {
    let mut any = events(u, names)?;
    any.retain(|(event, targets)| !event.is_empty() && !targets.is_empty());
    let mut after = Vec::new();
    let count = *u.choose(&[0, 0, 1, 2, 5])?;
    for state in some(u, &names.states, count)? {
        let ms = *u.choose(&TIMES)?;
        let to = match u.ratio(1, 6)? {
            true => None,
            false => Some(owned(u.choose(&names.states)?)),
        };
        after.push((state.to_owned(), (ms, to)));
    }
    let name = *u.choose(&DEFINITION_NAMES)?;
    let revision = match u.ratio(1, 2)? {
        true => Some(*u.choose(&REVISIONS)?),
        false => None,
    };
    Ok(New {
        any,
        after,
        history: *u.choose(&HISTORIES)?,
        name: name.to_owned(),
        revision: revision.filter(|_| !name.is_empty()),
    })
}

/// Makes the targets of a state. Rows of 17 and more are searched by hash.
fn row(u: &mut Unstructured<'_>, names: &Names) -> Result<Vec<String>> {
    match *u.choose(&[0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 17, 17, 90])? {
        90 => Ok((0..90).map(|at| format!("s{}", at % 80)).collect()),
        length => (0..length)
            .map(|_| Ok(owned(u.choose(&names.states)?)))
            .collect(),
    }
}
