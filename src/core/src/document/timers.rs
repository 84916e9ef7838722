//! The timers of a document: entries of `after`.

use super::error::{DocumentError, Excerpt, Place, Problem};
use super::tape::{Nodes, wrong_type};
use crate::limits::MAX_MS;
use simd_json::StaticNode;
use simd_json::tape::Node;

/// A timer as a document says it.
pub(super) struct TimerEntry<'i> {
    /// Zero if it is left to moves.
    pub(super) ms: u64,
    /// `None` for `null`.
    pub(super) to: Option<&'i str>,
}

/// Reads the entry at `place`.
pub(super) fn read<'i>(
    entry: Nodes<'_, 'i>,
    place: Place,
) -> Result<TimerEntry<'i>, DocumentError> {
    if !entry.is_object() {
        return Err(wrong_type(place, "an object", entry.0.first()));
    }
    let [mut ms, mut to] = [None; 2];
    let mut rest = entry.inside();
    while let Some((name, value)) = rest.take_entry() {
        let (part, name) = match name {
            "ms" => (&mut ms, "ms"),
            "to" => (&mut to, "to"),
            unknown => return Err(unknown_part(unknown, place)),
        };
        if part.replace(value).is_some() {
            return Err(DocumentError::at(place.part(name), Problem::FieldTwice));
        }
    }
    let to = target(to, &place)?;
    let ms = ms.map_or(Ok(0), |value| time(value, &place))?;
    Ok(TimerEntry { ms, to })
}

fn target<'i>(
    value: Option<Nodes<'_, 'i>>,
    place: &Place,
) -> Result<Option<&'i str>, DocumentError> {
    let expected = "a string or null";
    let place = || place.clone().part("to");
    match value.map(|value| value.0.first()) {
        Some(Some(Node::String(name))) => Ok(Some(name)),
        Some(Some(Node::Static(StaticNode::Null))) => Ok(None),
        Some(other) => Err(wrong_type(place(), expected, other)),
        None => Err(DocumentError::at(place(), Problem::Missing { expected })),
    }
}

fn time(value: Nodes<'_, '_>, place: &Place) -> Result<u64, DocumentError> {
    let ms = value.integer().filter(|ms| (1..=MAX_MS).contains(ms));
    let expected = "a whole number from 1 to 9007199254740991";
    ms.ok_or_else(|| wrong_type(place.clone().part("ms"), expected, value.0.first()))
}

fn unknown_part(name: &str, place: Place) -> DocumentError {
    let problem = Problem::UnknownField {
        name: Excerpt::of(name),
        expected: "ms or to",
    };
    DocumentError::at(place, problem)
}
