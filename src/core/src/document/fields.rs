//! The fields of a document.

use simd_json::tape::Node;

use super::error::{DocumentError, Excerpt, Place, Problem};
use super::tape::{Nodes, wrong_type};
use crate::limits::{MAX_HISTORY, MAX_LABEL_BYTES};
use crate::rules::Rules;

/// The fields of a document, found but not yet read through.
pub(super) struct Fields<'t, 'i> {
    pub(super) current: Option<&'i str>,
    pub(super) map: Nodes<'t, 'i>,
    /// How many entries the map has.
    pub(super) rows: usize,
    /// Empty if the field is absent, as the next ones.
    pub(super) any: Nodes<'t, 'i>,
    pub(super) after: Nodes<'t, 'i>,
    /// Zero if absent.
    pub(super) history: u32,
    pub(super) label: &'i str,
    pub(super) revision: Option<u32>,
    pub(super) initial: &'i str,
    pub(super) reason: &'i str,
    /// Whether every field is one that the documented rules know.
    pub(super) are_known: bool,
    /// Whether every field is one that version 1.0 knew.
    pub(super) are_old: bool,
}

impl<'t, 'i> Fields<'t, 'i> {
    /// Finds the fields of a document.
    pub(super) fn of(nodes: &'t [Node<'i>], rules: Rules) -> Result<Self, DocumentError> {
        let mut rest = Nodes(nodes);
        let Some(Node::Object { .. }) = rest.take() else {
            return Err(wrong_type(Place::document(), "an object", nodes.first()));
        };
        let [mut current, mut initial, mut reason] = [None; 3];
        let mut map = None;
        let mut new = NewFields::default();
        let mut are_known = true;
        while let Some((field, value)) = rest.take_entry() {
            match field {
                "current" => set(&mut current, "current", value.string("current")?)?,
                "initial" => set(&mut initial, "initial", value.string("initial")?)?,
                "reason" => set(&mut reason, "reason", value.string("reason")?)?,
                "map" => set(&mut map, "map", value.object("map")?)?,
                _ if rules == Rules::Legacy => are_known = false,
                field => new.read(field, value)?,
            }
        }
        let (rows, map) = map.ok_or_else(|| missing("map", "an object"))?;
        let initial = initial.ok_or_else(|| missing("initial", "a string"))?;
        new.check()?;
        Ok(Self {
            current,
            rows,
            map,
            any: new.any.unwrap_or(Nodes(&[])),
            after: new.after.unwrap_or(Nodes(&[])),
            history: new.history.unwrap_or(0),
            label: new.label.unwrap_or_default(),
            revision: new.revision,
            initial,
            reason: reason.unwrap_or_default(),
            are_known,
            are_old: are_known && new.are_absent(),
        })
    }
}

/// The fields that version 1.0 didn't know.
#[derive(Default)]
struct NewFields<'t, 'i> {
    any: Option<Nodes<'t, 'i>>,
    after: Option<Nodes<'t, 'i>>,
    history: Option<u32>,
    label: Option<&'i str>,
    revision: Option<u32>,
}

impl<'t, 'i> NewFields<'t, 'i> {
    fn read(&mut self, field: &str, value: Nodes<'t, 'i>) -> Result<(), DocumentError> {
        match field {
            "any" => set(&mut self.any, "any", value.object("any")?.1),
            "after" => set(&mut self.after, "after", value.object("after")?.1),
            "history" => set(&mut self.history, "history", history(value)?),
            "name" => set(&mut self.label, "name", label(value)?),
            "revision" => set(&mut self.revision, "revision", revision(value)?),
            unknown => Err(unknown_field(unknown)),
        }
    }

    fn are_absent(&self) -> bool {
        self.any.is_none()
            && self.after.is_none()
            && self.history.is_none()
            && self.label.is_none()
            && self.revision.is_none()
    }

    /// Checks what depends on more than one field.
    fn check(&self) -> Result<(), DocumentError> {
        if self.revision.is_some() && self.label.is_none() {
            let place = Place::field("revision");
            return Err(DocumentError::at(place, Problem::RevisionAlone));
        }
        Ok(())
    }
}

fn history(value: Nodes<'_, '_>) -> Result<u32, DocumentError> {
    let number = value.integer().and_then(|number| number.try_into().ok());
    let number = number.filter(|number| (1..=MAX_HISTORY).contains(number));
    let expected = "a whole number from 1 to 255";
    number.ok_or_else(|| wrong_type(Place::field("history"), expected, value.0.first()))
}

fn label<'i>(value: Nodes<'_, 'i>) -> Result<&'i str, DocumentError> {
    let name = value.string("name")?;
    if (1..=MAX_LABEL_BYTES).contains(&name.len()) {
        return Ok(name);
    }
    let problem = Problem::Length {
        expected: "1 to 256 bytes",
        found: name.len(),
    };
    Err(DocumentError::at(Place::field("name"), problem))
}

fn revision(value: Nodes<'_, '_>) -> Result<u32, DocumentError> {
    let number = value.integer().and_then(|number| number.try_into().ok());
    let expected = "a whole number from 0 to 4294967295";
    number.ok_or_else(|| wrong_type(Place::field("revision"), expected, value.0.first()))
}

/// Sets a field that must not be set yet.
fn set<T>(field: &mut Option<T>, name: &'static str, value: T) -> Result<(), DocumentError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(DocumentError::at(Place::field(name), Problem::FieldTwice)),
    }
}

fn unknown_field(name: &str) -> DocumentError {
    let problem = Problem::UnknownField {
        name: Excerpt::of(name),
        expected: "current, map, any, after, history, name, revision, initial or reason",
    };
    DocumentError::at(Place::document(), problem)
}

fn missing(field: &'static str, expected: &'static str) -> DocumentError {
    DocumentError::at(Place::field(field), Problem::Missing { expected })
}
