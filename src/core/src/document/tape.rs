//! The tape: JSON as a flat list of nodes, as simd-json makes it.
//!
//! An object or array is one node that says how many nodes are inside it, followed by these; the
//! fields of an object are a string and a value each. So `{"a":["b"],"c":1}` is six nodes: object,
//! "a", array, "b", "c", 1.

use simd_json::tape::Node;
use simd_json::{Buffers, INPUT_PADDING, StaticNode, Tape};

use super::error::{DocumentError, Excerpt, Found, Place, Problem};
use super::syntax::syntax_error;

/// Nesting beyond which the JSON parser gives up. A machine needs four levels. The rest lets the
/// error say what is wrong at a place that is a little deeper.
const MAX_DEPTH: usize = 16;

/// Parses into a tape whose names are borrowed from a copy of the input, and hands it to `read`.
pub(super) fn with_tape<T>(
    json: &[u8],
    read: impl FnOnce(&[Node<'_>]) -> Result<T, DocumentError>,
) -> Result<T, DocumentError> {
    // The parser's positions are 32-bit; the server's own strings are shorter.
    if json.len() > u32::MAX as usize / 2 {
        return Err(DocumentError::format("document is over 2 GB"));
    }
    let mut input = Vec::with_capacity(json.len() + INPUT_PADDING);
    input.extend_from_slice(json);
    input.resize(json.len() + INPUT_PADDING, 0);
    let mut buffers = Buffers::with_max_depth(json.len(), MAX_DEPTH);
    let mut tape = Tape(Vec::new());
    simd_json::fill_tape_padded(&mut input, json.len(), &mut buffers, &mut tape)
        .map_err(|error| syntax_error(json, &error))?;
    read(&tape.0)
}

/// A run of tape nodes.
#[derive(Clone, Copy)]
pub(super) struct Nodes<'t, 'i>(pub(super) &'t [Node<'i>]);

impl<'t, 'i> Nodes<'t, 'i> {
    /// Takes the first node off.
    pub(super) fn take(&mut self) -> Option<&'t Node<'i>> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// Takes the first value off, with everything in it.
    pub(super) fn take_value(&mut self) -> Self {
        let length = match self.0.first() {
            Some(Node::Object { count, .. } | Node::Array { count, .. }) => count + 1,
            _ => 1,
        };
        let (value, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Self(value)
    }

    /// Takes the next entry of an object off: its key and its value.
    pub(super) fn take_entry(&mut self) -> Option<(&'i str, Self)> {
        let Some(Node::String(key)) = self.take() else {
            return None;
        };
        Some((key, self.take_value()))
    }

    /// Reads the value of a field as a string.
    pub(super) fn string(self, field: &'static str) -> Result<&'i str, DocumentError> {
        match self.0.first() {
            Some(Node::String(text)) => Ok(text),
            other => Err(wrong_type(Place::field(field), "a string", other)),
        }
    }

    /// Reads the value of a field as an object: how many entries it has, and the nodes inside it.
    pub(super) fn object(self, field: &'static str) -> Result<(usize, Self), DocumentError> {
        match self.0.split_first() {
            Some((Node::Object { len, .. }, inside)) => Ok((*len, Self(inside))),
            _ => Err(wrong_type(Place::field(field), "an object", self.0.first())),
        }
    }
}

impl Nodes<'_, '_> {
    /// Reads a value as a whole number without a sign, if it is one.
    pub(super) fn integer(self) -> Option<u64> {
        match self.0.first()? {
            Node::Static(StaticNode::U64(number)) => Some(*number),
            _ => None,
        }
    }

    /// Returns whether a value is an object.
    pub(super) fn is_object(self) -> bool {
        matches!(self.0.first(), Some(Node::Object { .. }))
    }

    /// Returns the nodes inside an object or array.
    pub(super) fn inside(self) -> Self {
        Self(self.0.get(1..).unwrap_or_default())
    }
}

/// Says that a node is of another type than expected.
#[cold]
pub(super) fn wrong_type(
    place: Place,
    expected: &'static str,
    node: Option<&Node<'_>>,
) -> DocumentError {
    let found = found(node);
    DocumentError::at(place, Problem::WrongType { expected, found })
}

fn found(node: Option<&Node<'_>>) -> Found {
    let scalar = |value: &StaticNode, kind| Found::Scalar {
        value: value.to_string(),
        kind,
    };
    match node {
        None => Found::Type("nothing"),
        Some(Node::Object { .. }) => Found::Type("an object"),
        Some(Node::Array { .. }) => Found::Type("an array"),
        Some(Node::String(text)) => Found::String(Excerpt::of(text)),
        Some(Node::Static(StaticNode::Null)) => Found::Type("null"),
        Some(Node::Static(value @ StaticNode::Bool(_))) => scalar(value, "a boolean"),
        // 1.0 as 1 would look like the whole number that was expected.
        Some(Node::Static(StaticNode::F64(number))) => Found::Scalar {
            value: format!("{number:?}"),
            kind: "a number",
        },
        Some(Node::Static(value)) => scalar(value, "a number"),
    }
}
