//! What a machine is to the server: how it is loaded, saved, rewritten, measured and compared.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use redis_state_core::{Interner, Limits, Machine, RecordReader, RecordWriter, parse_legacy};

use crate::config;
use crate::errors::with_config;
use crate::server::context::{Context, Str};
use crate::server::io::{Digest, Io, shown};
use crate::server::log;
use crate::server::module::{self, FileEvent};
use crate::stats;

/// All definitions of this process.
pub static INTERNER: LazyLock<Interner> = LazyLock::new(Interner::new);

thread_local! {
    // Per thread, because "a file is being written" is true of the thread that the server told so
    // and of no other: a server that saves on a thread of its own would otherwise turn a DUMP on
    // the main thread into a reference to nothing.
    static WRITER: RefCell<RecordWriter> = const { RefCell::new(RecordWriter::new()) };
    static READER: RefCell<RecordReader> = const { RefCell::new(RecordReader::new()) };
}

/// The encodings of the data type, as the server keeps them beside each value.
#[derive(Clone, Copy)]
pub enum Encoding {
    /// The old module's: the machine's JSON.
    Json = 1,
    /// A record of `docs/format.md`.
    Record = 2,
}

impl Encoding {
    /// The one that is written.
    pub const CURRENT: Self = Self::Record;
}

/// Follows the files that the server writes and reads: a definition is in each of them once.
pub fn on_file_event(event: &FileEvent) {
    match event {
        FileEvent::Saving => WRITER.with_borrow_mut(RecordWriter::begin_file),
        FileEvent::Saved => WRITER.with_borrow_mut(RecordWriter::end_file),
        FileEvent::Loading => READER.with_borrow_mut(RecordReader::begin_file),
        FileEvent::Loaded => READER.with_borrow_mut(RecordReader::end_file),
    }
}

/// Writes what follows as if no file were open, so that nothing noted of this one is relied on any
/// more. Returns whether one was.
pub fn leave_file() -> bool {
    WRITER.with_borrow_mut(|writer| {
        let was_open = writer.is_in_file();
        writer.end_file();
        was_open
    })
}

/// Says that a command that has happened elsewhere fails here: the server goes on without it, and its
/// own log has no key.
#[cold]
pub fn log_failed_replay(context: Context<'_>, command: &str, key: Option<Str<'_>>, why: &str) {
    if !context.is_repeated() {
        return;
    }
    let key = shown(key.map(Str::bytes).unwrap_or_default());
    let origin = if context.is_replayed() {
        "while the file is loaded"
    } else {
        "though the primary did it"
    };
    log::warning(&format!(
        "redisstate: key {key}: {command} fails {origin}: {why}"
    ));
}

/// Reads a value. `None`, after a log line, if it is not a machine.
pub fn load(io: &mut Io<'_>, encoding: i32) -> Option<Machine> {
    let bytes = io.load();
    let machine = match bytes.as_deref() {
        None => Err("the data ends too early".to_owned()),
        Some(bytes) => decode(bytes, encoding),
    };
    if let Err(why) = &machine {
        stats::count(&stats::LOADS_REFUSED);
        let key = io.key_name();
        log::warning(&format!(
            "redisstate: key {key} holds no valid state machine: {why}"
        ));
    }
    machine.ok()
}

fn decode(bytes: &[u8], encoding: i32) -> Result<Machine, String> {
    const JSON: i32 = Encoding::Json as i32;
    const RECORD: i32 = Encoding::Record as i32;
    match encoding {
        JSON => parse_legacy(&INTERNER, bytes, &legacy_limits()).map_err(|why| with_config(&why)),
        RECORD => READER
            .with_borrow_mut(|reader| reader.decode(bytes, &INTERNER))
            .map_err(|why| why.to_string()),
        newer => Err(format!(
            "encoding {newer} is newer than this module, which knows {RECORD}"
        )),
    }
}

/// What a client restores is bound like what it sets: a document that is parsed, behind a payload
/// that may be compressed to next to nothing. What is stored or replicated is bound by nothing.
fn legacy_limits() -> Limits {
    if !module::restores_for_client() {
        return Limits::NONE;
    }
    Limits {
        document_bytes: config::limits().document_bytes,
        ..Limits::NONE
    }
}

/// The bytes that are saved for a machine.
pub fn record(machine: &Machine) -> Vec<u8> {
    let mut record = Vec::new();
    WRITER.with_borrow_mut(|writer| writer.write(machine, &mut record));
    record
}

/// Writes the commands that make a machine anew.
pub fn rewrite(io: &mut Io<'_>, machine: &Machine) {
    let commands = machine.recreate();
    io.emit(c"SM.SET", &[&commands.document]);
    if let Some((state, reason)) = commands.then_force {
        io.emit(c"SM.MUTATE", &[state, reason.as_bytes(), b"FORCE"]);
    }
}

/// What the server puts around a module's value and leaves out of MEMORY USAGE: in Redis an object
/// and a module value of sixteen bytes each; in Valkey 8 an object that has a short key in it, the
/// module value and a slot of the table; Valkey 9 counts the object, and the rest comes to as much
/// as in Redis.
static AROUND: LazyLock<usize> = LazyLock::new(|| if module::is_valkey_8() { 56 } else { 32 });

/// Asks the server what it can only be asked while the module is loaded.
pub fn know_server() {
    LazyLock::force(&AROUND);
}

/// The memory of a machine: its own, and its share of the definition's.
pub fn memory(machine: &Machine, block_size: impl Fn(*const u8, usize) -> usize) -> usize {
    let own: usize = machine
        .blocks()
        .map(|(block, asked)| block_size(block, asked))
        .sum();
    let definition = machine.definition();
    *AROUND
        + own
        + definition
            .memory(block_size)
            .div_ceil(Arc::strong_count(definition))
}

/// How much work a free is. Only the last machine of a large definition is worth a thread.
pub fn free_effort(machine: &Machine) -> usize {
    let definition = machine.definition();
    if Arc::strong_count(definition) > 1 {
        return 1;
    }
    // The server frees in the background above 64: a definition of a quarter of a megabyte.
    1 + definition.archive().len() / 4096
}

/// Adds all that makes two machines differ: the same on every node, whatever the path there.
pub fn digest(digest: &mut Digest<'_>, machine: &Machine) {
    digest.add(&[
        machine.definition().archive(),
        &machine.current().to_le_bytes(),
        machine.reason().as_bytes(),
    ]);
}
