//! Strategies for machines, names and documents.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::{Events, Model, New};
use redis_state_core::{Force, Rules};

/// Names that have broken a parser or a buffer somewhere.
const NASTY: [&str; 16] = [
    "",
    "\0",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "a\u{1f}b",
    "\u{7f}",
    "naïve",
    "🚀",
    "\u{2028}",
    "current",
    "fifteen bytes..",
    "sixteen bytes...",
    "seventeen bytes..",
    "a name that is longer than any block of bytes that is copied at once",
];

/// Chooses among few names, so that machines are connected and have repeats, and some nasty ones.
pub fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-f]",
        2 => select(&NASTY[..]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn row() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![
        8 => vec(name(), 0..6),
        // Longer than the rows that are searched one by one.
        2 => vec("[a-z]{1,2}", 14..60),
    ]
}

/// Removes entries whose name came before.
fn once<T>(mut entries: Vec<(String, T)>) -> Vec<(String, T)> {
    let mut seen = std::collections::HashSet::new();
    entries.retain(|(name, _)| seen.insert(name.clone()));
    entries
}

fn event() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[p-t]",
        1 => Just(String::new()),
        1 => select(&NASTY[..]).prop_map(str::to_owned),
    ]
}

/// Different targets of an event.
fn choice() -> impl Strategy<Value = Vec<String>> {
    let lengths = prop_oneof![6 => Just(1..2), 2 => Just(0..4), 1 => Just(14..20)];
    let list = lengths.prop_flat_map(|length| vec(name(), length));
    list.prop_map(|names| {
        let mut seen = std::collections::HashSet::new();
        let is_new = |name: &String| seen.insert(name.clone());
        names.into_iter().filter(is_new).collect()
    })
}

fn events() -> impl Strategy<Value = Events> {
    let lengths = prop_oneof![8 => Just(0..5), 1 => Just(14..24)];
    let long = prop_oneof![4 => event(), 1 => "[p-z]{1,2}"].boxed();
    let list = lengths.prop_flat_map(move |length| vec((long.clone(), choice()), length));
    list.prop_map(once)
}

fn new_row() -> impl Strategy<Value = Events> {
    prop_oneof![
        1 => row().prop_map(|targets| vec![(String::new(), targets)]),
        2 => events(),
    ]
}

fn new() -> impl Strategy<Value = New> {
    let inherited = events().prop_map(|mut any| {
        any.retain(|(event, targets)| !event.is_empty() && !targets.is_empty());
        any
    });
    let inherited = prop_oneof![1 => Just(Events::new()), 2 => inherited];
    let ms = prop_oneof![1..100_u64, 1..5000_u64, 1..=(1_u64 << 53) - 1];
    let ms = proptest::option::of(ms);
    let timer = (name(), (ms, proptest::option::of(name())));
    let after = vec(timer, 0..4).prop_map(once);
    let history = prop_oneof![2 => Just(0), 1 => any::<u8>()];
    let label = prop_oneof![2 => Just(None), 1 => (name(), any::<Option<u32>>()).prop_map(Some)];
    (inherited, after, history, label).prop_map(|(any, after, history, label)| {
        let (name, revision) = label.unwrap_or_default();
        New {
            any,
            after,
            history,
            revision: revision.filter(|_| !name.is_empty()),
            name,
        }
    })
}

/// Any machine: half of them plain ones, as version 1.0 knew them.
pub fn model() -> impl Strategy<Value = Model> {
    prop_oneof![plain_model(), new_model()]
}

fn reason() -> impl Strategy<Value = String> {
    prop_oneof![2 => Just(String::new()), 1 => name()]
}

/// A machine of version 1.0.
pub fn plain_model() -> impl Strategy<Value = Model> {
    let rows = vec((name(), row()), 0..8).prop_map(once);
    (rows, name(), name(), reason())
        .prop_map(|(rows, initial, current, reason)| Model::new(rows, &initial, &current, &reason))
}

/// A machine with events, timers and all that.
fn new_model() -> impl Strategy<Value = Model> {
    let rows = vec((name(), new_row()), 0..8).prop_map(once);
    (rows, new(), name(), name(), reason()).prop_map(|(rows, mut new, initial, current, reason)| {
        let make =
            |new: &New| Model::with_events(rows.clone(), new.clone(), &initial, &current, &reason);
        // A timer's state has to be one without it. What goes may take states with it.
        for _ in 0..4 {
            let states = make(&new).states;
            new.after.retain(|(state, _)| states.contains(state));
        }
        make(&new)
    })
}

pub fn rules() -> impl Strategy<Value = Rules> {
    select(&[Rules::Documented, Rules::Replayed, Rules::Legacy][..])
}

/// A model and rules by which it is a document, whatever its current state.
pub fn lenient() -> impl Strategy<Value = (Model, Rules)> {
    prop_oneof![
        (model(), Just(Rules::Replayed)),
        (plain_model(), Just(Rules::Legacy)),
    ]
}

pub fn force() -> impl Strategy<Value = Force> {
    select(&[Force::No, Force::Yes][..])
}

/// How a document may be written. All spellings mean the same.
#[derive(Debug, Clone, Copy)]
pub enum Spelling {
    Compact,
    Pretty,
    /// Every character as an escape, surrogate pairs included.
    Escaped,
    /// The fields in another order.
    Reversed,
}

pub fn spelling() -> impl Strategy<Value = Spelling> {
    use Spelling::{Compact, Escaped, Pretty, Reversed};
    select(&[Compact, Pretty, Escaped, Reversed][..])
}

pub fn spell(model: &Model, spelling: Spelling) -> Vec<u8> {
    let compact = model.render(Rules::Documented);
    let value = || serde_json::from_slice::<serde_json::Value>(&compact).unwrap();
    match spelling {
        Spelling::Compact => compact,
        Spelling::Pretty => serde_json::to_vec_pretty(&value()).unwrap(),
        Spelling::Escaped => escape(&value()).into_bytes(),
        Spelling::Reversed => {
            let serde_json::Value::Object(fields) = value() else {
                unreachable!("a document is an object");
            };
            let fields: serde_json::Map<_, _> = fields.into_iter().rev().collect();
            serde_json::to_vec(&fields).unwrap()
        }
    }
}

fn escape(value: &serde_json::Value) -> String {
    let text = |text: &str| {
        let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
        format!("\"{}\"", units.collect::<String>())
    };
    match value {
        serde_json::Value::String(name) => text(name),
        serde_json::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(escape).collect();
            format!("[{}]", items.join(","))
        }
        serde_json::Value::Object(fields) => {
            let field = |(name, value): (&String, _)| format!("{}:{}", text(name), escape(value));
            let fields: Vec<String> = fields.iter().map(field).collect();
            format!("{{{}}}", fields.join(","))
        }
        number => number.to_string(),
    }
}
