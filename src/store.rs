//! The state that the module keeps outside of keys: all definitions of the process, and the RDB
//! file that is being read or written.

use std::cell::RefCell;
use std::sync::LazyLock;

use redis_state_core::{Interner, Machine, RecordError, RecordReader, RecordWriter};

use crate::config;
use crate::server::file_events::FileEvent;

/// All definitions of this process.
pub static INTERNER: LazyLock<Interner> = LazyLock::new(Interner::new);

thread_local! {
    // Per thread, because a file is written only by the thread that got the server's event. If a
    // server saved on a separate thread, a DUMP on the main thread would otherwise refer to a
    // definition that isn't in its payload.
    static WRITER: RefCell<RecordWriter> = const { RefCell::new(RecordWriter::new()) };
    static READER: RefCell<RecordReader> = const { RefCell::new(RecordReader::new()) };
}

/// Notes where the server begins and ends an RDB file. A file holds each definition once, unless
/// `redisstate.share-definitions` is `no`.
pub fn on_file_event(event: FileEvent) {
    match event {
        FileEvent::Saving if config::shares_definitions() => {
            WRITER.with_borrow_mut(RecordWriter::begin_file);
        }
        FileEvent::Saving | FileEvent::Saved => WRITER.with_borrow_mut(RecordWriter::end_file),
        FileEvent::Loading => READER.with_borrow_mut(RecordReader::begin_file),
        FileEvent::Loaded => READER.with_borrow_mut(RecordReader::end_file),
    }
}

/// Ends the file that is being written, so that every later record carries its own definition.
/// Returns whether a file was open.
pub fn close_writer() -> bool {
    WRITER.with_borrow_mut(|writer| {
        let was_open = writer.is_in_file();
        writer.end_file();
        was_open
    })
}

/// Returns the record of a machine.
pub fn encode(machine: &Machine) -> Vec<u8> {
    let mut record = Vec::new();
    WRITER.with_borrow_mut(|writer| writer.write(machine, &mut record));
    record
}

/// Reads a record of this version.
///
/// # Errors
///
/// If the bytes aren't a record of a machine, or refer to a definition that the file doesn't have
/// so far.
pub fn decode(version: u32, record: &[u8]) -> Result<Machine, RecordError> {
    READER.with_borrow_mut(|reader| reader.decode(version, record, &INTERNER))
}
