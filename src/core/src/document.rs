//! Reading a document: JSON to the parts of a definition.

use simd_json::tape::Node;
use simd_json::{Buffers, INPUT_PADDING, StaticNode, Tape};

use crate::archive::{MAX_DOCUMENT_BYTES, MAX_STATES, Parts, StateId};
use crate::dialect::Dialect;
use crate::error::{DocumentError, Fault, Place, Quoted};
use crate::hash;
use crate::limits::Limits;
use crate::probe::Probe;

/// Nesting beyond which the JSON parser gives up. A machine needs three levels; some more, and an
/// error can still name the place.
const MAX_DEPTH: usize = 16;

/// The longest escape of one byte: `\u0000`.
const LONGEST_ESCAPE: usize = 6;

/// A document as read: parts that pass every check, and what belongs to the machine alone.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) parts: Parts,
    /// Finds the states by name.
    pub(crate) names: Probe,
    pub(crate) current: StateId,
    pub(crate) reason: String,
    /// The length of the map in normal form, if nothing in it needs an escape.
    pub(crate) map_bytes: usize,
    /// Whether the document itself names a current state.
    pub(crate) names_current: bool,
    /// Whether [`Dialect::Documented`] reads it the same way.
    pub(crate) documented: bool,
}

/// What a document is recognised by: its bytes, without the current state where that leads, as in
/// all that SM.GET writes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) current: Option<&'a [u8]>,
    /// The whole document, or what follows the current state.
    pub(crate) rest: &'a [u8],
}

impl<'a> Key<'a> {
    /// Whether a current state was cut off. Without it, what follows that state in a document that
    /// was read would pass for a document itself.
    pub(crate) fn is_cut(&self) -> bool {
        self.current.is_some()
    }

    pub(crate) fn of(json: &'a [u8]) -> Self {
        Self::split(json).unwrap_or(Self {
            current: None,
            rest: json,
        })
    }

    /// Cuts a leading `{"current":"…"` off, if the name in it stands for itself. Where another name
    /// is asked for, this one is not looked at again: so that it is text has to be seen here.
    fn split(json: &'a [u8]) -> Option<Self> {
        let after = json.strip_prefix(b"{\"current\":\"")?;
        let end = after
            .iter()
            .position(|&byte| byte == b'"' || byte == b'\\' || byte < 0x20)?;
        let (name, rest) = after.split_at(end);
        let rest = rest.strip_prefix(b"\"")?;
        std::str::from_utf8(name).ok()?;
        Some(Self {
            current: Some(name),
            rest,
        })
    }
}

/// Reads a document. `current`, if given, wins over the document's own.
pub(crate) fn parse(
    json: &[u8],
    current: Option<&[u8]>,
    dialect: Dialect,
    limits: &Limits,
) -> Result<Document, DocumentError> {
    let current = current.map(std::str::from_utf8).transpose();
    let current = current.map_err(|_| at_field("current", "the argument is not UTF-8"))?;
    with_tape(json, |nodes| {
        let fields = Fields::of(nodes, dialect)?;
        build(&fields, current, limits)
    })
}

/// Reads a document that the old module saved: unknown fields do not matter, and an empty `current`
/// is meant literally where the empty name is a state.
pub(crate) fn parse_legacy(json: &[u8], limits: &Limits) -> Result<Document, DocumentError> {
    limits.allow_document(json.len())?;
    // Such come from outside, and the parser takes some fifteen times their size while it reads.
    if json.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError(Fault::Format("its document is over 64 MiB")));
    }
    with_tape(json, |nodes| {
        let fields = Fields::of(nodes, Dialect::Edge)?;
        let mut document = build(&fields, None, limits)?;
        if fields.current == Some("")
            && let Some(nameless) = document.parts.position(b"")
        {
            document.current = nameless;
        }
        Ok(document)
    })
}

/// Parses into simd-json's tape: a flat list of nodes, names borrowed from a copy of the input.
fn with_tape<T>(
    json: &[u8],
    read: impl FnOnce(&[Node<'_>]) -> Result<T, DocumentError>,
) -> Result<T, DocumentError> {
    // The parser's positions are 32-bit; the server's own strings are shorter.
    if json.len() > u32::MAX as usize / 2 {
        return Err(DocumentError(Fault::Format("document is over 2 GB")));
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

/// Where bytes cease to be JSON, and why. The fast parser knows the place only sometimes, so
/// `serde_json` is asked; the former has the say on whether it is JSON at all.
fn syntax_error(json: &[u8], error: &simd_json::Error) -> DocumentError {
    use simd_json::ErrorType as E;
    let (at, why) = match error.error() {
        _ if json.iter().all(u8::is_ascii_whitespace) => (0, "it is empty".to_owned()),
        _ if json.starts_with(b"\xef\xbb\xbf") => (
            0,
            "it begins with a byte order mark, leave that out".to_owned(),
        ),
        E::InvalidUtf8 => (valid_up_to(json), "invalid UTF-8".to_owned()),
        E::DepthLimitExceeded => {
            let why = "nested too deep, a machine has three levels";
            (error.index(), why.to_owned())
        }
        _ => match serde_json::from_slice::<serde::de::IgnoredAny>(json) {
            Err(error) => in_words(json, &error),
            Ok(_) => lone_surrogate(json).map_or_else(
                || (error.index(), "number out of range".to_owned()),
                |at| (at, "escape of half a character (lone surrogate)".to_owned()),
            ),
        },
    };
    DocumentError(Fault::Syntax(at, why))
}

fn valid_up_to(json: &[u8]) -> usize {
    std::str::from_utf8(json).map_or_else(|error| error.valid_up_to(), str::len)
}

/// The place of an error by `serde_json` as an offset, and its words without the place.
fn in_words(json: &[u8], error: &serde_json::Error) -> (usize, String) {
    let before = json
        .split_inclusive(|&byte| byte == b'\n')
        .take(error.line() - 1);
    // Columns count from one, and are zero at the very beginning of a line.
    let at = before.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
    if error.is_eof() {
        return (json.len(), "it ends too early".to_owned());
    }
    let what = error.to_string();
    match what.split(" at line ").next().unwrap_or_default() {
        // The place is that of the byte before.
        why if why.starts_with("control character") => {
            let why = "control character in a string, write it as an escape";
            (at + 1, why.to_owned())
        }
        "expected ident" => (at, "expected true, false or null".to_owned()),
        why => (at, why.to_owned()),
    }
}

/// The first escape of a surrogate that has no other half, in text that is JSON otherwise.
fn lone_surrogate(json: &[u8]) -> Option<usize> {
    let escaped = |at: usize| {
        let digits = json.get(at..)?.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = 0;
    while at < json.len() {
        at += match (escaped(at), escaped(at + 6)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => 12,
            (Some(0xd800..0xe000), _) => return Some(at),
            _ if json[at] == b'\\' => 2,
            _ => 1,
        };
    }
    None
}

/// The fields of a document, found but not yet read through.
struct Fields<'t, 'i> {
    current: Option<&'i str>,
    map: Nodes<'t, 'i>,
    /// How many entries the map has.
    keys: usize,
    initial: &'i str,
    reason: &'i str,
    documented: bool,
}

impl<'t, 'i> Fields<'t, 'i> {
    fn of(nodes: &'t [Node<'i>], dialect: Dialect) -> Result<Self, DocumentError> {
        let mut rest = Nodes(nodes);
        let Some(Node::Object { .. }) = rest.take() else {
            let found = Found(nodes.first());
            let what = format!("expected an object, found {found}");
            return Err(DocumentError::shape(Place::Document, what));
        };
        let [mut current, mut initial, mut reason] = [None; 3];
        let mut map = None;
        let mut documented = true;
        while let Some(Node::String(field)) = rest.take() {
            let value = rest.take_value();
            match *field {
                "current" => set(&mut current, "current", value.string("current")?)?,
                "initial" => set(&mut initial, "initial", value.string("initial")?)?,
                "reason" => set(&mut reason, "reason", value.string("reason")?)?,
                "map" => set(&mut map, "map", value.object("map")?)?,
                _ if dialect == Dialect::Edge => documented = false,
                unknown => return Err(unknown_field(unknown)),
            }
        }
        let (keys, map) = map.ok_or_else(|| at_field("map", "missing, expected an object"))?;
        Ok(Self {
            current,
            keys,
            map,
            initial: initial.ok_or_else(|| at_field("initial", "missing, expected a string"))?,
            reason: reason.unwrap_or_default(),
            documented,
        })
    }
}

fn set<T>(field: &mut Option<T>, name: &'static str, value: T) -> Result<(), DocumentError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(at_field(name, "field given twice")),
    }
}

fn unknown_field(name: &str) -> DocumentError {
    let name = Quoted(name);
    let what = format!("unknown field {name}, expected current, map, initial or reason");
    DocumentError::shape(Place::Document, what)
}

fn at_field(name: &'static str, what: &str) -> DocumentError {
    DocumentError::shape(Place::Field(name), what)
}

/// A run of tape nodes.
#[derive(Clone, Copy)]
struct Nodes<'t, 'i>(&'t [Node<'i>]);

impl<'t, 'i> Nodes<'t, 'i> {
    fn take(&mut self) -> Option<&'t Node<'i>> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// One value with everything in it.
    fn take_value(&mut self) -> Self {
        let length = match self.0.first() {
            Some(Node::Object { count, .. } | Node::Array { count, .. }) => count + 1,
            _ => 1,
        };
        let (value, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        Self(value)
    }

    fn string(self, field: &'static str) -> Result<&'i str, DocumentError> {
        match self.0.first() {
            Some(Node::String(text)) => Ok(text),
            other => Err(at_field(
                field,
                &format!("expected a string, found {}", Found(other)),
            )),
        }
    }

    /// How many entries an object has, and the nodes inside it.
    fn object(self, field: &'static str) -> Result<(usize, Self), DocumentError> {
        match self.0.split_first() {
            Some((Node::Object { len, .. }, inside)) => Ok((*len, Self(inside))),
            _ => {
                let found = Found(self.0.first());
                Err(at_field(
                    field,
                    &format!("expected an object, found {found}"),
                ))
            }
        }
    }
}

/// A node as an error shows it.
struct Found<'t, 'i>(Option<&'t Node<'i>>);

impl std::fmt::Display for Found<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            None => write!(f, "nothing"),
            Some(Node::Object { .. }) => write!(f, "an object"),
            Some(Node::Array { .. }) => write!(f, "an array"),
            Some(Node::String(text)) => write!(f, "{}", Quoted(text)),
            Some(Node::Static(StaticNode::Null)) => write!(f, "null"),
            Some(Node::Static(value)) => write!(f, "{value}"),
        }
    }
}

fn build(
    fields: &Fields<'_, '_>,
    current: Option<&str>,
    limits: &Limits,
) -> Result<Document, DocumentError> {
    limits.allow_reason(fields.reason.len())?;
    let mut builder = Builder::with_room_for(fields.keys);
    builder.add_keys(fields.map)?;
    let rows = fields.keys;
    // Every node of the map is a key, a row or a target.
    let transitions = fields.map.0.len() - 2 * rows;
    limits.allow_transitions(transitions)?;
    builder.parts.targets.reserve_exact(transitions);
    builder.parts.row_ends.reserve_exact(rows);
    builder.add_rows(fields.map)?;
    builder.parts.initial = builder.state(fields.initial);
    let own = fields.current.filter(|name| !name.is_empty());
    let current = match current.or(own) {
        Some(name) => builder.state(name),
        None => builder.parts.initial,
    };
    limits.allow_states(builder.states.len())?;
    // A key has quotes, a colon, brackets and a comma around it, a target quotes and a comma; the
    // first counts as two nodes.
    let map_bytes = builder.named + 3 * fields.map.0.len();
    let nodes = fields.map.0.len();
    if builder.states.len() > MAX_STATES {
        return Err(DocumentError(Fault::Format(
            "it has more than 16,777,216 states",
        )));
    }
    let names_bound = 2 * LONGEST_ESCAPE * builder.named + 4 * nodes;
    let (parts, names) = builder.finish();
    // Counted only where it could matter.
    if names_bound > MAX_DOCUMENT_BYTES && parts.document_bytes() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError(Fault::Format(
            "in normal form it is over 64 MiB",
        )));
    }
    Ok(Document {
        parts,
        names,
        map_bytes,
        current,
        reason: fields.reason.to_owned(),
        names_current: own.is_some(),
        documented: fields.documented,
    })
}

/// Numbers the states by first appearance.
struct Builder<'i> {
    /// All but the names.
    parts: Parts,
    /// The states so far, with the hashes of their names.
    states: Vec<(u64, &'i str)>,
    index: Probe,
    /// The bytes of all names so far, as often as they came.
    named: usize,
}

impl<'i> Builder<'i> {
    /// With room for so many states at first. Most machines have few that are no keys.
    fn with_room_for(states: usize) -> Self {
        Self {
            parts: Parts::default(),
            states: Vec::with_capacity(states),
            index: Probe::with_room_for(states),
            named: 0,
        }
    }

    /// The keys come first, so that the states with a row are those with the lowest IDs.
    fn add_keys(&mut self, map: Nodes<'_, 'i>) -> Result<(), DocumentError> {
        let mut rest = map;
        let mut keys = 0;
        while let Some(Node::String(key)) = rest.take() {
            let row = rest.take_value();
            let Some(Node::Array { .. }) = row.0.first() else {
                let what = format!("expected an array, found {}", Found(row.0.first()));
                return Err(DocumentError::shape(Place::Row((*key).to_owned()), what));
            };
            if self.state(key) as usize != keys {
                let place = Place::Row((*key).to_owned());
                return Err(DocumentError::shape(place, "key given twice"));
            }
            keys += 1;
        }
        Ok(())
    }

    fn add_rows(&mut self, map: Nodes<'_, 'i>) -> Result<(), DocumentError> {
        let mut rest = map;
        while let Some(Node::String(key)) = rest.take() {
            let row = rest.take_value();
            for (at, target) in row.0.iter().skip(1).enumerate() {
                let Node::String(name) = target else {
                    let place = Place::Target((*key).to_owned(), at);
                    let what = format!("expected a string, found {}", Found(Some(target)));
                    return Err(DocumentError::shape(place, what));
                };
                let state = self.state(name);
                self.parts.targets.push(state);
            }
            let end = self.parts.targets.len();
            self.parts.row_ends.push(narrow(end));
        }
        Ok(())
    }

    /// The state of that name, new or not.
    #[inline(always)]
    fn state(&mut self, name: &'i str) -> StateId {
        let hash = hash::of_bytes(name.as_bytes());
        self.named += name.len();
        let states = &self.states;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the tape is shorter than that"
        )]
        let new = states.len() as StateId;
        let same = |state: StateId| states[state as usize] == (hash, name);
        if let Some(known) = self.index.insert(hash, new, same) {
            return known;
        }
        self.states.push((hash, name));
        if self.states.len() > self.index.room() {
            self.index = self.index_of(2 * self.states.len());
        }
        new
    }

    fn index_of(&self, room: usize) -> Probe {
        Probe::of_distinct(self.states.iter().map(|(hash, _)| *hash), room)
    }

    /// The parts, names included, and the index of the names.
    fn finish(mut self) -> (Parts, Probe) {
        if self.index.room() > self.states.len() {
            self.index = self.index_of(self.states.len());
        }
        let Self {
            mut parts,
            states,
            index,
            ..
        } = self;
        parts
            .names
            .reserve_exact(states.iter().map(|(_, name)| name.len()).sum());
        parts.name_ends.reserve_exact(states.len());
        for (_, name) in &states {
            parts.names.extend_from_slice(name.as_bytes());
            parts.name_ends.push(narrow(parts.names.len()));
        }
        (parts, index)
    }
}

/// A length that is below the document's, which `with_tape` bounds.
#[expect(clippy::cast_possible_truncation, reason = "documents are under 2 GB")]
fn narrow(length: usize) -> u32 {
    length as u32
}

fn name_at<'a>(names: &'a [u8], ends: &[u32], state: StateId) -> &'a [u8] {
    let state = state as usize;
    let start = state.checked_sub(1).map_or(0, |before| ends[before]);
    &names[start as usize..ends[state] as usize]
}

impl Parts {
    /// The state of that name, by looking at each.
    fn position(&self, name: &[u8]) -> Option<StateId> {
        let states = 0..StateId::try_from(self.name_ends.len()).ok()?;
        states.into_iter().find(|&state| self.name(state) == name)
    }

    /// The name of a state that is there.
    pub(crate) fn name(&self, state: StateId) -> &[u8] {
        name_at(&self.names, &self.name_ends, state)
    }
}
