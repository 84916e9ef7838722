//! A machine as it is stored: in an RDB file, in DUMP, in a replication stream.
//!
//! `docs/format.md` describes the layout. A record either carries its definition or, inside an RDB
//! file, refers to one that an earlier record of the same file carried: a million machines with one
//! definition hold it once. A [`FileReader`] sees the records in order and keeps every definition
//! until the file ends: the machine that carried it may be expired and gone by then.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use unsigned_varint::{decode, encode};

use crate::archive::{ArchiveError, StateId};
use crate::definition::Definition;
use crate::interner::Interner;
use crate::limits::MAX_REASON_BYTES;
use crate::machine::Machine;

/// Where the definition is.
const FORM: u8 = 0b011;
/// In this record, for this record alone.
const ALONE: u8 = 0;
/// In this record, and in this file from now on.
const FIRST: u8 = 1;
/// In an earlier record of this file.
const EARLIER: u8 = 2;
/// A reason follows.
const REASON: u8 = 0b100;

/// Writes the records of one RDB file after the other.
#[derive(Debug, Default)]
pub struct FileWriter {
    /// The file's own number; zero before the first file.
    file: u32,
    /// The number of the file's first definition.
    first: u64,
    definitions: u32,
    open: bool,
}

impl FileWriter {
    /// Nothing is open.
    pub const fn new() -> Self {
        Self {
            file: 0,
            first: 0,
            definitions: 0,
            open: false,
        }
    }

    /// A file begins. Its definitions get numbers that nobody can guess: a server that loads in the
    /// background may be given records by its clients meanwhile, and these must neither name a
    /// definition of the file nor take the number of one.
    pub fn open(&mut self) {
        // The keys are random for each process, and a fork has those of its parent: so that two
        // saves differ, what is hashed has to.
        let save = (std::process::id(), SystemTime::now(), self.file);
        self.open_at(RandomState::new().hash_one(save));
    }

    /// A file begins, the number of its first definition being known.
    pub fn open_at(&mut self, first: u64) {
        self.file = next_file();
        self.first = first;
        self.definitions = 0;
        self.open = true;
    }

    /// Whether a file is being written.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// The file is done, or given up.
    pub fn close(&mut self) {
        self.open = false;
    }

    /// Appends the record of a machine: within a file if one is open, else self-contained.
    pub fn write(&mut self, machine: &Machine, out: &mut Vec<u8>) {
        let definition = machine.definition();
        let (form, number) = self.place(definition);
        let reason = machine.reason();
        out.push(form | if reason.is_empty() { 0 } else { REASON });
        put(machine.state(), out);
        if !reason.is_empty() {
            #[expect(clippy::cast_possible_truncation, reason = "at most MAX_REASON_BYTES")]
            put(reason.len() as u32, out);
            out.extend_from_slice(reason.as_bytes());
        }
        if form != ALONE {
            let number = self.first.wrapping_add(u64::from(number));
            out.extend_from_slice(&number.to_le_bytes());
        }
        if form != EARLIER {
            out.extend_from_slice(definition.archive());
        }
    }

    /// The form of the record, and how many definitions of the file came before this one.
    fn place(&mut self, definition: &Definition) -> (u8, u32) {
        if !self.open {
            return (ALONE, 0);
        }
        if let Some(number) = definition.number_in(self.file) {
            return (EARLIER, number);
        }
        let number = self.definitions;
        definition.set_number_in(self.file, number);
        self.definitions += 1;
        (FIRST, number)
    }
}

/// A number for a file that no other has, so that no writer takes another's marks on a definition
/// for its own. It takes four billion files to come around.
fn next_file() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    match NEXT.fetch_add(1, Ordering::Relaxed) {
        // Zero marks definitions that are in no file.
        0 => next_file(),
        number => number,
    }
}

/// Reads records, inside an RDB file or alone.
#[derive(Debug, Default)]
pub struct FileReader {
    definitions: Option<HashMap<u64, Arc<Definition>>>,
}

impl FileReader {
    /// No file is open: only self-contained records are read.
    pub const fn new() -> Self {
        Self { definitions: None }
    }

    /// A file begins.
    pub fn open(&mut self) {
        self.definitions = Some(HashMap::new());
    }

    /// Whether a file is being read.
    pub fn is_open(&self) -> bool {
        self.definitions.is_some()
    }

    /// The file is done, or given up.
    pub fn close(&mut self) {
        self.definitions = None;
    }

    /// Reads a record. Nothing in it is trusted.
    pub fn read(&mut self, record: &[u8], interner: &Interner) -> Result<Machine, RecordError> {
        let (&flags, rest) = record.split_first().ok_or(RecordError(Kind::Short))?;
        if flags & !(FORM | REASON) != 0 || flags & FORM > EARLIER {
            return Err(RecordError(Kind::Flags(flags)));
        }
        let (state, rest) = take(rest)?;
        let (reason, rest) = if flags & REASON == 0 {
            ("", rest)
        } else {
            take_text(rest)?
        };
        let definition = match flags & FORM {
            ALONE => load(rest, interner)?,
            FIRST => self.first(rest, interner)?,
            _ => self.earlier(rest)?,
        };
        machine(definition, state, reason)
    }

    fn first(&mut self, rest: &[u8], interner: &Interner) -> Result<Arc<Definition>, RecordError> {
        let (number, archive) = take_number(rest)?;
        let file = self.definitions.as_mut().ok_or(RecordError(Kind::NoFile))?;
        let Entry::Vacant(free) = file.entry(number) else {
            return Err(RecordError(Kind::Taken(number)));
        };
        let definition = load(archive, interner)?;
        free.insert(Arc::clone(&definition));
        Ok(definition)
    }

    fn earlier(&self, rest: &[u8]) -> Result<Arc<Definition>, RecordError> {
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

fn load(archive: &[u8], interner: &Interner) -> Result<Arc<Definition>, RecordError> {
    interner
        .load(archive)
        .map_err(|why| RecordError(Kind::Archive(why)))
}

fn machine(
    definition: Arc<Definition>,
    state: StateId,
    reason: &str,
) -> Result<Machine, RecordError> {
    let states = definition.states();
    if state as usize >= states {
        return Err(RecordError(Kind::State { state, states }));
    }
    let mut machine = Machine::new(definition, state);
    machine.set_reason(reason);
    Ok(machine)
}

fn put(number: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(encode::u32(number, &mut encode::u32_buffer()));
}

fn take(bytes: &[u8]) -> Result<(u32, &[u8]), RecordError> {
    decode::u32(bytes).map_err(|_| RecordError(Kind::Varint))
}

fn take_number(bytes: &[u8]) -> Result<(u64, &[u8]), RecordError> {
    let (number, rest) = bytes.split_first_chunk().ok_or(RecordError(Kind::Short))?;
    Ok((u64::from_le_bytes(*number), rest))
}

fn take_text(bytes: &[u8]) -> Result<(&str, &[u8]), RecordError> {
    let (length, rest) = take(bytes)?;
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

impl std::error::Error for RecordError {}
