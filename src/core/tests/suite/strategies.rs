//! Strategies for machines, names and documents.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::model::Model;
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

pub fn model() -> impl Strategy<Value = Model> {
    let reason = prop_oneof![2 => Just(String::new()), 1 => name()];
    (vec((name(), row()), 0..8), name(), name(), reason).prop_map(
        |(mut rows, initial, current, reason)| {
            let mut seen = std::collections::HashSet::new();
            rows.retain(|(key, _)| seen.insert(key.clone()));
            Model::new(rows, &initial, &current, &reason)
        },
    )
}

pub fn rules() -> impl Strategy<Value = Rules> {
    select(&[Rules::Documented, Rules::Replayed, Rules::Legacy][..])
}

/// Rules by which every model is a document, whatever its current state.
pub fn lenient() -> impl Strategy<Value = Rules> {
    select(&[Rules::Replayed, Rules::Legacy][..])
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
        _ => unreachable!("a document has no other values"),
    }
}
