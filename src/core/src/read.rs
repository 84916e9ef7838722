//! From JSON to a machine: recognise the document, or parse it and intern the definition.

use crate::definition::StateId;
use crate::document::{self, Document, DocumentError, SourceKey};
use crate::hash;
use crate::interner::{Interner, Source};
use crate::limits::Limits;
use crate::machine::Machine;
use crate::rules::Rules;

/// A machine as read from a document, and how it was read.
#[derive(Debug)]
pub struct Parsed {
    /// The machine.
    pub machine: Machine,
    /// Whether the document was recognised by its bytes and not parsed.
    pub recognised: bool,
    /// Whether [`Rules::Replayed`] reads the document the same way, so that it can be replicated as
    /// it came.
    pub documented: bool,
}

/// Reads the machine that a document describes. `current`, if given and not empty, replaces the
/// document's own current state, which then doesn't matter.
///
/// # Errors
///
/// If the document is not a machine by these rules, or exceeds a limit.
pub fn parse_machine(
    interner: &Interner,
    json: &[u8],
    current: Option<&[u8]>,
    rules: Rules,
    limits: &Limits,
) -> Result<Parsed, DocumentError> {
    let argument = current.filter(|name| !name.is_empty());
    // The argument is stored like a name in the document, so it counts as part of it.
    limits.allow_document(json.len() + argument.map_or(0, <[u8]>::len))?;
    let key = SourceKey::of(json);
    let hash = hash::of_bytes(key.rest);
    if let Some((definition, state)) = interner.recognise(hash, &key, argument, rules, limits) {
        return Ok(Parsed {
            machine: Machine::new(definition, state),
            recognised: true,
            documented: true,
        });
    }
    let document = document::parse(json, argument, rules, limits)?;
    let documented = document.documented;
    let own = current_of_bytes(&document, &key, argument.is_some());
    let source = own.map(|current| Source {
        current,
        bytes: document.body_bytes,
        is_plain: document.is_plain,
    });
    let machine = intern(interner, document)?;
    if let Some(source) = source {
        interner.remember(hash, &key, machine.definition(), source);
    }
    Ok(Parsed {
        machine,
        recognised: false,
        documented,
    })
}

/// Reads a document that the old module saved: by [`Rules::Legacy`], and an empty `current` is meant
/// literally where the empty name is a state.
///
/// # Errors
///
/// If the document is not a machine by these rules, exceeds a limit, or is longer than
/// [`MAX_DOCUMENT_BYTES`](crate::MAX_DOCUMENT_BYTES).
pub fn parse_legacy(
    interner: &Interner,
    json: &[u8],
    limits: &Limits,
) -> Result<Machine, DocumentError> {
    intern(interner, document::parse_legacy(json, limits)?)
}

/// Returns the current state that the bytes of a document give without an argument. `None` if they
/// don't determine the machine, so that the document must not be recognised by them: it was read by
/// the rules of the old module, it has a reason, or its current state is not known because the
/// argument replaced it.
fn current_of_bytes(
    document: &Document,
    key: &SourceKey<'_>,
    has_argument: bool,
) -> Option<StateId> {
    if !document.documented || !document.reason.is_empty() {
        return None;
    }
    match has_argument {
        false => Some(document.current),
        true if document.names_current && !key.is_stripped() => None,
        true => Some(document.parts.initial),
    }
}

/// Makes the machine of a document for the unit tests of the modules above.
#[cfg(test)]
pub(crate) fn machine_of(json: &str) -> Machine {
    let interner = Interner::new();
    let parsed = parse_machine(
        &interner,
        json.as_bytes(),
        None,
        Rules::Replayed,
        &Limits::NONE,
    );
    parsed.unwrap().machine
}

/// Interns the definition of a document and puts its machine together.
fn intern(interner: &Interner, document: Document) -> Result<Machine, DocumentError> {
    let definition = interner
        .intern(&document.parts, || document.names)
        .map_err(|_| DocumentError::format("definition is too large to be stored"))?;
    let mut machine = Machine::new(definition, document.current);
    machine.set_reason(&document.reason);
    Ok(machine)
}
