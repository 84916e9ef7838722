//! The options of the commands, read as plainly as can be.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::model::life::{Given, With};

/// The options of a move.
pub const MOVE: &[&str] = &["IFSTATE", "IFVERSION", "ID", "BY", "REASON", "AFTER", "DUE"];
/// Those of FIRE, beside those of a move.
pub const FIRE: &[&str] = &["TO"];
/// Those of EMIT with FIRE, beside those of a move.
pub const EMIT_FIRE: &[&str] = &["TO", "MAXLEN"];
/// Those of EMIT with MOVE, beside those of a move.
pub const EMIT_MOVE: &[&str] = &["MAXLEN"];
/// Those of NEW, beside those of a move.
pub const NEW: &[&str] = &["STATE"];

/// Stands for an argument that is no text: no state and no event has this name.
const NO_NAME: &str = "\u{10ffff} is not the name of anything \u{10ffff}";

/// What was given.
#[derive(Debug, Default)]
pub struct Options {
    pub with: With,
    /// The values of TO and STATE.
    pub other: Option<Vec<u8>>,
    pub renames: Vec<(String, String)>,
}

/// Returns an argument as the name that it may be.
pub fn name(argument: &[u8]) -> String {
    std::str::from_utf8(argument).unwrap_or(NO_NAME).to_owned()
}

/// Reads options. `None` if a client would get an error.
pub fn read(mut words: &[&[u8]], more: &[&str], is_redefinition: bool) -> Option<Options> {
    let mut options = Options::default();
    let mut values = BTreeMap::new();
    while let [word, rest @ ..] = words {
        let word = std::str::from_utf8(word).ok()?.to_ascii_uppercase();
        if is_redefinition && word == "RENAME" {
            let [old, new, rest @ ..] = rest else {
                return None;
            };
            options.renames.push((name(old), name(new)));
            words = rest;
            continue;
        }
        let [value, rest @ ..] = rest else {
            return None;
        };
        let is_known = MOVE.contains(&&*word) || more.contains(&&*word);
        if !is_known || values.insert(word, *value).is_some() {
            return None;
        }
        words = rest;
    }
    let is_new = more == NEW;
    if is_new && (values.contains_key("IFSTATE") || values.contains_key("IFVERSION")) {
        return None;
    }
    let other = values.get("TO").or_else(|| values.get("STATE"));
    options.other = other.map(|value| value.to_vec());
    options.with = with(&values)?;
    Some(options)
}

/// Returns a whole number of that range.
pub fn number(value: &[u8], range: RangeInclusive<u64>) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?;
    let is_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.parse().ok().filter(|number| range.contains(number));
    number.filter(|_| is_digits)
}

fn with(values: &BTreeMap<String, &[u8]>) -> Option<With> {
    let text = |word: &str, lengths: RangeInclusive<usize>| match values.get(word) {
        None => Some(None),
        Some(value) if lengths.contains(&value.len()) => {
            Some(Some(std::str::from_utf8(value).ok()?.to_owned()))
        }
        Some(_) => None,
    };
    let number = |word: &str, range| match values.get(word) {
        None => Some(None),
        Some(value) => number(value, range).map(Some),
    };
    let last = (1 << 53) - 1;
    number("MAXLEN", 1..=last)?;
    let timer = match (number("AFTER", 1..=last)?, number("DUE", 0..=last)?) {
        (Some(_), Some(_)) => return None,
        (after, due) => after.map(Given::After).or(due.map(Given::Due)),
    };
    Some(With {
        if_state: values.get("IFSTATE").map(|state| name(state)),
        if_version: number("IFVERSION", 1..=u32::MAX.into())?.map(|version| version as u32),
        id: text("ID", 1..=64)?,
        by: text("BY", 0..=256)?.unwrap_or_default(),
        reason: text("REASON", 0..=usize::MAX)?,
        timer,
        ..With::default()
    })
}
