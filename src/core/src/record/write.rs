//! Writing records.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use super::flags::{ALONE, EARLIER, FIRST, HISTORY, IDS, REASON, TIMES, VERSION};
use crate::interner::Interned;
use crate::machine::{Machine, StoredParts, put_bytes, put_varint};

/// Writes records: those of an RDB file one after the other, and others by themselves.
#[derive(Debug, Default)]
pub struct RecordWriter {
    /// The file's own number; zero before the first file.
    file: u32,
    /// The number of the file's first definition.
    first: u64,
    definitions: u32,
    is_in_file: bool,
}

impl RecordWriter {
    /// Makes a writer that is in no file.
    pub const fn new() -> Self {
        Self {
            file: 0,
            first: 0,
            definitions: 0,
            is_in_file: false,
        }
    }

    /// Begins a file.
    ///
    /// Its definitions get numbers that nobody can guess. A server that loads in the background may
    /// be given records by its clients meanwhile, and these must neither name a definition of the
    /// file nor take the number of one.
    pub fn begin_file(&mut self) {
        // A process draws the keys of its hashers once, and a fork has those of its parent. Two
        // saves differ only if what they hash differs.
        let save = (std::process::id(), SystemTime::now(), self.file);
        self.begin_file_at(RandomState::new().hash_one(save));
    }

    /// Begins a file whose first definition has this number: for golden files, which can't have
    /// random numbers.
    #[doc(hidden)]
    pub fn begin_file_at(&mut self, first: u64) {
        self.file = next_file();
        self.first = first;
        self.definitions = 0;
        self.is_in_file = true;
    }

    /// Returns whether a file is being written.
    pub fn is_in_file(&self) -> bool {
        self.is_in_file
    }

    /// Ends the file, done or given up.
    pub fn end_file(&mut self) {
        self.is_in_file = false;
    }

    /// Appends the record of a machine: as part of the file if there is one, else self-contained.
    pub fn write(&mut self, machine: &Machine, out: &mut Vec<u8>) {
        let definition = machine.definition();
        let (form, number) = self.classify(definition);
        put_parts(form, &machine.stored_parts(), out);
        if form != ALONE {
            let number = self.first.wrapping_add(u64::from(number));
            out.extend_from_slice(&number.to_le_bytes());
        }
        if form != EARLIER {
            out.extend_from_slice(definition.archive());
        }
    }

    /// Decides the form of a record. Returns it and how many definitions of the file came before
    /// this one.
    fn classify(&mut self, definition: &Interned) -> (u8, u32) {
        if !self.is_in_file {
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

/// Returns a file number that is unique in the process. A writer trusts a definition's mark only if
/// it carries the writer's file number. The numbers repeat after four billion files.
fn next_file() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    match NEXT.fetch_add(1, Ordering::Relaxed) {
        // Zero marks definitions that are in no file.
        0 => next_file(),
        number => number,
    }
}

/// Appends what belongs to the machine alone.
fn put_parts(form: u8, parts: &StoredParts<'_>, out: &mut Vec<u8>) {
    let flag = |is_there: bool, flag: u8| if is_there { flag } else { 0 };
    let [reason, ids, history] = [parts.reason.as_bytes(), parts.ids, parts.history];
    out.push(
        form | flag(!reason.is_empty(), REASON)
            | flag(parts.version != 1, VERSION)
            | flag(!ids.is_empty(), IDS)
            | flag(parts.times.is_some(), TIMES)
            | flag(!history.is_empty(), HISTORY),
    );
    put_varint(parts.current.into(), out);
    if parts.version != 1 {
        put_varint(parts.version.into(), out);
    }
    if let Some(times) = parts.times {
        times.put(out);
    }
    for part in [reason, ids, history] {
        if !part.is_empty() {
            put_bytes(part, out);
        }
    }
}
