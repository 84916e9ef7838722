//! Reading records. Nothing in them is trusted.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use super::flags::{
    self, ALONE, EARLIER, FIRST, FORM, HISTORY, IDS, REASON, RECORD_VERSION, TIMES, VERSION,
};
use crate::definition::{ArchiveError, StateId};
use crate::interner::{Interned, Interner};
use crate::limits::MAX_REASON_BYTES;
use crate::machine::{Cursor, MAX_PART_BYTES, Machine, PartError, StoredParts, StoredTimes};

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

    /// Reads the machine of a record of this version.
    ///
    /// # Errors
    ///
    /// If the bytes are not exactly one record as a writer of that version would write it, if the
    /// archive in it is not a canonical one, or if the record refers to a definition that is not in
    /// the file so far.
    pub fn decode(
        &mut self,
        version: u32,
        record: &[u8],
        interner: &Interner,
    ) -> Result<Machine, RecordError> {
        let allowed = flags::of_version(version).ok_or(RecordError(Kind::Version(version)))?;
        let (&flags, rest) = record.split_first().ok_or(RecordError(Kind::Short))?;
        if flags & !(FORM | allowed) != 0 || flags & FORM > EARLIER {
            return Err(RecordError(Kind::Flags(flags)));
        }
        let mut cursor = Cursor::new(rest);
        let parts = take_parts(flags, &mut cursor)?;
        let definition = match flags & FORM {
            ALONE => load(cursor.rest(), interner)?,
            FIRST => self.first(cursor.rest(), interner)?,
            _ => self.earlier(cursor.rest())?,
        };
        machine(definition, &parts)
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

/// Makes a machine, if one of this definition can have these parts.
fn machine(definition: Arc<Interned>, parts: &StoredParts<'_>) -> Result<Machine, RecordError> {
    let (state, states) = (parts.current, definition.state_count());
    if state as usize >= states {
        return Err(RecordError(Kind::State { state, states }));
    }
    Machine::of_parts(definition, parts).map_err(RecordError::from)
}

/// Reads what belongs to the machine alone. What it means is not known before the definition is.
fn take_parts<'a>(flags: u8, cursor: &mut Cursor<'a>) -> Result<StoredParts<'a>, RecordError> {
    let has = |flag: u8| flags & flag != 0;
    let current = cursor.varint32()?;
    let version = if has(VERSION) { cursor.varint32()? } else { 1 };
    // Version 1 goes without saying.
    if version == 0 || (has(VERSION) && version == 1) {
        return Err(RecordError(Kind::MachineVersion(version)));
    }
    let times = has(TIMES).then(|| StoredTimes::take(cursor)).transpose()?;
    let reason = if has(REASON) {
        take_reason(cursor)?
    } else {
        ""
    };
    let mut part = |flag| match has(flag) {
        true => cursor.bytes(1, MAX_PART_BYTES),
        false => Ok(&[][..]),
    };
    let (ids, history) = (part(IDS)?, part(HISTORY)?);
    Ok(StoredParts {
        current,
        version,
        reason,
        ids,
        times,
        history,
    })
}

fn take_number(bytes: &[u8]) -> Result<(u64, &[u8]), RecordError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(RecordError(Kind::Short))?;
    Ok((u64::from_le_bytes(*number), rest))
}

fn take_reason<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, RecordError> {
    let length = cursor.varint32()? as usize;
    let text = std::str::from_utf8(cursor.take(length)?);
    match text {
        Ok("") | Err(_) => Err(RecordError(Kind::Reason)),
        Ok(text) if text.len() > MAX_REASON_BYTES => {
            Err(RecordError(Kind::ReasonLength(text.len())))
        }
        Ok(text) => Ok(text),
    }
}

/// Bytes that are not the record of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordError(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Short,
    Version(u32),
    Flags(u8),
    Part(PartError),
    MachineVersion(u32),
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
            Kind::Version(got) => {
                write!(f, "record version {got}, expected up to {RECORD_VERSION}")
            }
            Kind::Part(why) => write!(f, "{why}"),
            Kind::MachineVersion(got) => write!(f, "machine version {got} in record"),
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

impl From<PartError> for RecordError {
    fn from(why: PartError) -> Self {
        Self(Kind::Part(why))
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
