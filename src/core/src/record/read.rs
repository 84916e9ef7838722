//! Reading records. Nothing in them is trusted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use unsigned_varint::decode;

use super::flags::{ALONE, EARLIER, FIRST, FORM, REASON};
use crate::definition::{ArchiveError, StateId};
use crate::interner::{Interned, Interner};
use crate::limits::MAX_REASON_BYTES;
use crate::machine::Machine;

/// Reads records, of an RDB file or by themselves.
///
/// Within a file it sees the records in order and keeps every definition until the file ends: the
/// machine that carried it may be expired and gone by then.
#[derive(Debug, Default)]
pub struct RecordReader {
    /// The definitions of the file, if there is one.
    definitions: Option<HashMap<u64, Arc<Interned>>>,
}

impl RecordReader {
    /// Makes a reader that is in no file: it reads only self-contained records.
    pub const fn new() -> Self {
        Self { definitions: None }
    }

    /// Begins a file.
    pub fn begin_file(&mut self) {
        self.definitions = Some(HashMap::new());
    }

    /// Returns whether a file is being read.
    pub fn is_in_file(&self) -> bool {
        self.definitions.is_some()
    }

    /// Ends the file, done or given up.
    pub fn end_file(&mut self) {
        self.definitions = None;
    }

    /// Reads the machine of a record.
    ///
    /// # Errors
    ///
    /// If the bytes are not exactly one record, if the archive in it is not a canonical one, or if
    /// the record refers to a definition that is not in the file so far.
    pub fn decode(&mut self, record: &[u8], interner: &Interner) -> Result<Machine, RecordError> {
        let (&flags, rest) = record.split_first().ok_or(RecordError(Kind::Short))?;
        if flags & !(FORM | REASON) != 0 || flags & FORM > EARLIER {
            return Err(RecordError(Kind::Flags(flags)));
        }
        let (state, rest) = take_varint(rest)?;
        let (reason, rest) = if flags & REASON == 0 {
            ("", rest)
        } else {
            take_reason(rest)?
        };
        let definition = match flags & FORM {
            ALONE => load(rest, interner)?,
            FIRST => self.first(rest, interner)?,
            _ => self.earlier(rest)?,
        };
        machine(definition, state, reason)
    }

    /// Reads a definition that the file has here for the first time, and keeps it.
    fn first(&mut self, rest: &[u8], interner: &Interner) -> Result<Arc<Interned>, RecordError> {
        let (number, archive) = take_number(rest)?;
        let file = self.definitions.as_mut().ok_or(RecordError(Kind::NoFile))?;
        let Entry::Vacant(free) = file.entry(number) else {
            return Err(RecordError(Kind::Taken(number)));
        };
        let definition = load(archive, interner)?;
        free.insert(Arc::clone(&definition));
        Ok(definition)
    }

    /// Returns a definition that the file had before.
    fn earlier(&self, rest: &[u8]) -> Result<Arc<Interned>, RecordError> {
        let (number, rest) = take_number(rest)?;
        if !rest.is_empty() {
            return Err(RecordError(Kind::Trailing(rest.len())));
        }
        let file = self.definitions.as_ref().ok_or(RecordError(Kind::NoFile))?;
        let definition = file.get(&number);
        definition
            .map(Arc::clone)
            .ok_or(RecordError(Kind::Unknown(number)))
    }
}

/// Interns the archive that ends a record.
fn load(archive: &[u8], interner: &Interner) -> Result<Arc<Interned>, RecordError> {
    interner
        .load(archive)
        .map_err(|why| RecordError(Kind::Archive(why)))
}

/// Makes a machine, if the definition has the state.
fn machine(
    definition: Arc<Interned>,
    state: StateId,
    reason: &str,
) -> Result<Machine, RecordError> {
    let states = definition.state_count();
    if state as usize >= states {
        return Err(RecordError(Kind::State { state, states }));
    }
    let mut machine = Machine::new(definition, state);
    machine.set_reason(reason);
    Ok(machine)
}

fn take_varint(bytes: &[u8]) -> Result<(u32, &[u8]), RecordError> {
    decode::u32(bytes).map_err(|_| RecordError(Kind::Varint))
}

fn take_number(bytes: &[u8]) -> Result<(u64, &[u8]), RecordError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(RecordError(Kind::Short))?;
    Ok((u64::from_le_bytes(*number), rest))
}

fn take_reason(bytes: &[u8]) -> Result<(&str, &[u8]), RecordError> {
    let (length, rest) = take_varint(bytes)?;
    let (text, rest) = rest
        .split_at_checked(length as usize)
        .ok_or(RecordError(Kind::Short))?;
    match std::str::from_utf8(text) {
        Ok("") | Err(_) => Err(RecordError(Kind::Reason)),
        Ok(text) if text.len() > MAX_REASON_BYTES => {
            Err(RecordError(Kind::ReasonLength(text.len())))
        }
        Ok(text) => Ok((text, rest)),
    }
}

/// Bytes that are not the record of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordError(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Short,
    Flags(u8),
    Varint,
    Reason,
    ReasonLength(usize),
    State { state: StateId, states: usize },
    Taken(u64),
    Unknown(u64),
    NoFile,
    Trailing(usize),
    Archive(ArchiveError),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Kind::Short => write!(f, "record ends too early"),
            Kind::Flags(got) => write!(f, "unknown record flags {got:#04x}"),
            Kind::Varint => write!(f, "damaged number in record"),
            Kind::Reason => write!(f, "reason is empty or not UTF-8"),
            Kind::ReasonLength(got) => {
                write!(
                    f,
                    "reason of {got} bytes, expected at most {MAX_REASON_BYTES}"
                )
            }
            Kind::State { state, states } => {
                write!(
                    f,
                    "current state is number {state}, but there are {states} states"
                )
            }
            Kind::Taken(number) => {
                write!(f, "definition {number:016x} was in the file before")
            }
            Kind::Unknown(number) => {
                write!(f, "definition {number:016x} was not in the file so far")
            }
            Kind::NoFile => write!(f, "record belongs to an RDB file and was met outside one"),
            Kind::Trailing(got) => write!(f, "{got} bytes too many at the end of the record"),
            Kind::Archive(why) => write!(f, "{why}"),
        }
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Kind::Archive(why) => Some(why),
            _ => None,
        }
    }
}
