//! The fields of a document.

use simd_json::tape::Node;

use super::error::{DocumentError, Excerpt, Place, Problem};
use super::tape::{Nodes, wrong_type};
use crate::rules::Rules;

/// The fields of a document, found but not yet read through.
pub(super) struct Fields<'t, 'i> {
    pub(super) current: Option<&'i str>,
    pub(super) map: Nodes<'t, 'i>,
    /// How many entries the map has.
    pub(super) rows: usize,
    pub(super) initial: &'i str,
    pub(super) reason: &'i str,
    /// Whether every field is one that the documented rules know.
    pub(super) are_known: bool,
}

impl<'t, 'i> Fields<'t, 'i> {
    /// Finds the fields of a document.
    pub(super) fn of(nodes: &'t [Node<'i>], rules: Rules) -> Result<Self, DocumentError> {
        let mut rest = Nodes(nodes);
        let Some(Node::Object { .. }) = rest.take() else {
            return Err(wrong_type(Place::Document, "an object", nodes.first()));
        };
        let [mut current, mut initial, mut reason] = [None; 3];
        let mut map = None;
        let mut are_known = true;
        while let Some(Node::String(field)) = rest.take() {
            let value = rest.take_value();
            match *field {
                "current" => set(&mut current, "current", value.string("current")?)?,
                "initial" => set(&mut initial, "initial", value.string("initial")?)?,
                "reason" => set(&mut reason, "reason", value.string("reason")?)?,
                "map" => set(&mut map, "map", value.object("map")?)?,
                _ if rules == Rules::Legacy => are_known = false,
                unknown => return Err(unknown_field(unknown)),
            }
        }
        let (rows, map) = map.ok_or_else(|| missing("map", "an object"))?;
        Ok(Self {
            current,
            rows,
            map,
            initial: initial.ok_or_else(|| missing("initial", "a string"))?,
            reason: reason.unwrap_or_default(),
            are_known,
        })
    }
}

/// Sets a field that must not be set yet.
fn set<T>(field: &mut Option<T>, name: &'static str, value: T) -> Result<(), DocumentError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(DocumentError::at(Place::Field(name), Problem::FieldTwice)),
    }
}

fn unknown_field(name: &str) -> DocumentError {
    let problem = Problem::UnknownField(Excerpt::of(name));
    DocumentError::at(Place::Document, problem)
}

fn missing(field: &'static str, expected: &'static str) -> DocumentError {
    DocumentError::at(Place::Field(field), Problem::Missing { expected })
}
