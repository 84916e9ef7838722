//! Reading a document: JSON to the parts of a definition.

use super::builder::{Builder, count_targets};
use super::error::{DocumentError, Excerpt, GivenBy, Place, Problem};
use super::fields::Fields;
use super::tape::with_tape;
use crate::definition::{DefinitionParts, NameTables, StateId};
use crate::limits::{Limits, MAX_DOCUMENT_BYTES, MAX_STATES};
use crate::rules::Rules;

/// The longest escape of one byte: `\u0000`.
const LONGEST_ESCAPE: usize = 6;

/// The most that a node adds to a document beside its text: a timer has at least four nodes and takes
/// 35 bytes.
const NODE_BYTES: usize = 9;

/// More than the names of all fields take.
const FIELD_BYTES: usize = 200;

/// A document as read: parts that pass every check, and what belongs to the machine alone.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) parts: DefinitionParts,
    /// Finds states and events by name.
    pub(crate) names: NameTables,
    pub(crate) current: StateId,
    pub(crate) reason: String,
    /// The length of the document in normal form without current state and reason, if nothing in it
    /// needs an escape.
    pub(crate) body_bytes: usize,
    /// Whether the document itself names a current state.
    pub(crate) names_current: bool,
    /// Whether [`Rules::Replayed`] reads it the same way.
    pub(crate) documented: bool,
    /// Whether it says nothing that version 1.0 couldn't say, so that all rules read it the same
    /// way.
    pub(crate) is_plain: bool,
}

/// Reads a document. `argument`, if given, wins over the document's own current state.
pub(crate) fn parse(
    json: &[u8],
    argument: Option<&[u8]>,
    rules: Rules,
    limits: &Limits,
) -> Result<Document, DocumentError> {
    let argument = argument.map(std::str::from_utf8).transpose();
    let argument = argument
        .map_err(|_| DocumentError::at(Place::field("current"), Problem::ArgumentNotText))?;
    with_tape(json, |nodes| {
        let fields = Fields::of(nodes, rules)?;
        build(&fields, argument, rules, limits)
    })
}

/// Reads a document that the old module saved. Unknown fields do not matter, and an empty `current`
/// is meant literally where the empty name is a state.
pub(crate) fn parse_legacy(json: &[u8], limits: &Limits) -> Result<Document, DocumentError> {
    limits.allow_document(json.len())?;
    // Any client can send one with RESTORE, and the parser needs about fifteen times its size.
    if json.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::format("its document is over 64 MiB"));
    }
    with_tape(json, |nodes| {
        let fields = Fields::of(nodes, Rules::Legacy)?;
        let mut document = build(&fields, None, Rules::Legacy, limits)?;
        if fields.current == Some("")
            && let Some(nameless) = document.parts.position(b"")
        {
            document.current = nameless;
        }
        Ok(document)
    })
}

fn build<'i>(
    fields: &Fields<'_, 'i>,
    argument: Option<&'i str>,
    rules: Rules,
    limits: &Limits,
) -> Result<Document, DocumentError> {
    limits.allow_reason(fields.reason.len())?;
    let mut builder = Builder::with_room_for(fields.rows);
    let of_map = builder.add_keys(fields.map, rules)?;
    limits.allow_transitions(of_map + count_targets(fields.any))?;
    builder.parts.targets.reserve_exact(of_map);
    builder.parts.row_ends.reserve_exact(fields.rows);
    builder.add_rows(fields.map)?;
    builder.add_any(fields.any)?;
    builder.add_timers(fields.after)?;
    builder.parts.initial = builder.state(fields.initial);
    let current = current_state(&mut builder, fields, argument, rules)?;
    builder.end_timers()?;
    if fields.history > 0 || !fields.label.is_empty() {
        let rare = builder.rare();
        rare.history = fields.history;
        rare.label = fields.label.into();
        rare.revision.extend(fields.revision);
    }
    limits.allow_states(builder.state_count())?;
    let is_plain = fields.are_old && !builder.has_objects();
    let nodes = fields.map.0.len() + fields.any.0.len() + fields.after.0.len();
    let name_bytes = builder.name_bytes() + fields.label.len();
    let (parts, names) = finish(builder, name_bytes, nodes)?;
    Ok(Document {
        parts,
        names,
        // A key has quotes, a colon, brackets and a comma around it, a target quotes and a comma; a
        // key and its row count as two nodes. A timer's nodes are texts of some length.
        body_bytes: name_bytes + 3 * nodes + 5 * fields.after.0.len(),
        current,
        reason: fields.reason.to_owned(),
        names_current: fields.current.is_some_and(|name| !name.is_empty()),
        documented: fields.are_known,
        is_plain,
    })
}

/// Returns the current state. By the documented rules it has to be one of the states so far;
/// otherwise it becomes one more.
fn current_state<'i>(
    builder: &mut Builder<'i>,
    fields: &Fields<'_, 'i>,
    argument: Option<&'i str>,
    rules: Rules,
) -> Result<StateId, DocumentError> {
    let own = fields.current.filter(|name| !name.is_empty());
    let (name, given_by) = match (argument, own) {
        (Some(name), _) => (name, GivenBy::Argument),
        (None, Some(name)) => (name, GivenBy::Document),
        (None, None) => return Ok(builder.parts.initial),
    };
    let listed = builder.state_count();
    let state = builder.state(name);
    if rules == Rules::Documented && state as usize >= listed {
        let name = Excerpt::of(name);
        let problem = Problem::UnknownState { name, given_by };
        return Err(DocumentError::at(Place::field("current"), problem));
    }
    Ok(state)
}

/// Returns the parts and their index of names, if the format can hold them.
fn finish(
    builder: Builder<'_>,
    name_bytes: usize,
    nodes: usize,
) -> Result<(DefinitionParts, NameTables), DocumentError> {
    if builder.state_count() > MAX_STATES {
        let what = "it has more than 16,777,216 states";
        return Err(DocumentError::format(what));
    }
    let at_most = 2 * LONGEST_ESCAPE * name_bytes + NODE_BYTES * nodes + FIELD_BYTES;
    let (parts, names) = builder.finish();
    // Counted only where it could matter.
    if at_most > MAX_DOCUMENT_BYTES && parts.document_bytes() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::format("in normal form it is over 64 MiB"));
    }
    Ok((parts, names))
}
