//! The data type `StateType`: how the server loads, saves, rewrites, measures and compares
//! machines.

use std::ffi::{CStr, c_int};
use std::fmt;
use std::sync::{Arc, LazyLock};

use redis_state_core::{
    BlockMover, DocumentError, Limits, Machine, RECORD_VERSION, RECORD_VERSION_1_0, RecordError,
    Recreate, parse_legacy,
};

use crate::errors::{document_text, redacted_document_text};
use crate::server::io::{Digest, Io};
use crate::server::value_type::{Mover, Place, TypeHandle, ValueType};
use crate::server::{self, log};
use crate::store::{self, INTERNER};
use crate::text::key_for_log;
use crate::{config, deadlines, stats};

/// The encoding of the old module: the machine's JSON.
const JSON: c_int = 1;
/// A record of `docs/format.md`: of version 1.0, and as it is written.
const RECORD_1_0: c_int = RECORD_VERSION_1_0.cast_signed();
const RECORD: c_int = RECORD_VERSION.cast_signed();

static HANDLE: TypeHandle<Machine> = TypeHandle::new();

impl ValueType for Machine {
    const NAME: &'static CStr = c"StateType";
    const ENCODING: c_int = RECORD;

    fn handle() -> &'static TypeHandle<Self> {
        &HANDLE
    }

    fn load(io: &mut Io<'_>, encoding: c_int) -> Option<Self> {
        let bytes = io.load();
        let machine = bytes
            .as_deref()
            .ok_or(LoadError::Short)
            .and_then(|bytes| decode(bytes, encoding));
        if let Err(why) = &machine {
            log_refused(io, why);
        }
        let mut machine = machine.ok()?;
        if let Some(place) = io.place() {
            deadlines::add(place, &mut machine, server::clock());
        }
        Some(machine)
    }

    fn record(&self) -> Vec<u8> {
        store::encode(self)
    }

    fn close_writer() -> bool {
        store::close_writer()
    }

    fn rewrite(&self, io: &mut Io<'_>) {
        match self.recreate() {
            Recreate::Record(record) => io.emit(c"SM.LOAD", &[&record]),
            Recreate::Commands {
                document,
                then_force,
            } => {
                io.emit(c"SM.SET", &[&document]);
                if let Some((state, reason)) = then_force {
                    io.emit(c"SM.MUTATE", &[state, reason.as_bytes(), b"FORCE"]);
                }
            }
        }
    }

    /// Returns a large effort only for the last machine of a large definition, because only that
    /// free also frees the definition. The server frees in the background above 64; here that is an
    /// archive of a quarter of a megabyte.
    fn free_effort(&self) -> usize {
        let definition = self.definition();
        if Arc::strong_count(definition) > 1 {
            return 1;
        }
        1 + definition.archive().len() / 4096
    }

    /// Returns the machine's own memory plus its share of the definition's.
    fn memory(&self, block_size: impl Fn(*const u8, usize) -> usize) -> usize {
        let own: usize = self
            .blocks()
            .map(|(block, asked)| block_size(block, asked))
            .sum();
        let definition = self.definition();
        let shared = definition.memory(block_size);
        let hint = deadlines::memory(self);
        *SERVER_OVERHEAD_BYTES + own + hint + shared.div_ceil(Arc::strong_count(definition))
    }

    fn digest(&self, digest: &mut Digest<'_>) {
        self.digest_parts(|parts| digest.add(parts));
    }

    fn copy(&self, to: Place<'_>) -> Self {
        let mut copy = self.clone();
        deadlines::add(to, &mut copy, server::clock());
        copy
    }

    fn unlinked(&self) {
        deadlines::lose(self, server::clock());
    }

    fn freed(&self) {
        deadlines::forget(self);
    }

    /// Moves the machine's own blocks, but not the definition: other machines point to it.
    fn relocate(&mut self, mover: &mut Mover) {
        Self::relocate(self, mover);
    }
}

impl BlockMover for Mover {
    fn move_box<T>(&mut self, owned: &mut Box<T>) {
        Self::move_box(self, owned);
    }

    fn move_text(&mut self, owned: &mut Box<str>) {
        Self::move_text(self, owned);
    }

    fn move_bytes(&mut self, owned: &mut Box<[u8]>) {
        Self::move_bytes(self, owned);
    }
}

/// The bytes that the server allocates around a module's value and doesn't count in MEMORY USAGE.
///
/// Redis: an object and a module value of 16 bytes each. Valkey 8: an object with the short key
/// embedded in it, the module value, and a slot of the hash table. Valkey 9 counts the object; the
/// rest takes as many bytes as in Redis.
static SERVER_OVERHEAD_BYTES: LazyLock<usize> =
    LazyLock::new(|| if server::is_valkey_8() { 56 } else { 32 });

/// Reads from the server the facts that it reveals only while the module is being loaded.
pub fn probe_server() {
    LazyLock::force(&SERVER_OVERHEAD_BYTES);
}

/// Why a value could not be loaded.
enum LoadError {
    Short,
    Document(DocumentError),
    Record(RecordError),
    NewerEncoding(c_int),
}

impl fmt::Display for LoadError {
    /// Writes no name and no text of the value if the server's log must not show them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => write!(f, "the data ends too early"),
            Self::Document(why) if log::hides_user_data() => {
                write!(f, "{}", redacted_document_text(why))
            }
            Self::Document(why) => write!(f, "{}", document_text(why)),
            Self::Record(why) => write!(f, "{why}"),
            Self::NewerEncoding(newer) => write!(
                f,
                "encoding {newer} is newer than this module, which knows {RECORD}"
            ),
        }
    }
}

#[cold]
fn log_refused(io: &Io<'_>, why: &LoadError) {
    stats::LOADS_REFUSED.increment();
    let key = key_for_log(io.key_name());
    log::warning(&format!("key {key} holds no valid state machine: {why}"));
}

fn decode(bytes: &[u8], encoding: c_int) -> Result<Machine, LoadError> {
    match encoding {
        JSON => parse_legacy(&INTERNER, bytes, &legacy_limits()).map_err(LoadError::Document),
        RECORD_1_0 => store::decode(RECORD_VERSION_1_0, bytes).map_err(LoadError::Record),
        RECORD => store::decode(RECORD_VERSION, bytes).map_err(LoadError::Record),
        newer => Err(LoadError::NewerEncoding(newer)),
    }
}

/// Returns the limits on a document of the old module. For a client's RESTORE the limit on the
/// document's length is that of SM.SET, because a small compressed payload may unpack to a huge
/// document. Stored and replicated documents have no limits.
fn legacy_limits() -> Limits {
    if !server::restores_for_client() {
        return Limits::NONE;
    }
    Limits {
        document_bytes: config::limits().document_bytes,
        ..Limits::NONE
    }
}
