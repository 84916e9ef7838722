//! Appending to a stream beside a machine.
//!
//! RM_Call of XADD would do it too. But that publishes its keyspace event at once, and whoever hears
//! of it could change the machine before it has moved. Here nobody's code runs between the entry and
//! the move: the caller publishes both at the end.

use std::ffi::CStr;
use std::io;

use redis_module::raw;

use crate::server::api::{OK, api};
use crate::server::context::{Context, Sent, Str, Word};
use crate::server::key::Handle;

/// The type of a key that holds a stream.
#[expect(clippy::cast_possible_truncation, reason = "a small number")]
const STREAM: i32 = raw::REDISMODULE_KEYTYPE_STREAM as i32;

/// The type of a missing key.
#[expect(clippy::cast_possible_truncation, reason = "zero")]
const EMPTY: i32 = raw::REDISMODULE_KEYTYPE_EMPTY as i32;

/// A key to which entries can be appended.
///
/// # Invariants
///
/// 1. The key was opened in this command before, which deleted what had expired. The server's clock
///    stands still for the length of a command, so to open it again deletes nothing, publishes nothing
///    and runs nobody's code.
#[derive(Clone, Copy)]
pub struct Stream<'a> {
    context: Context<'a>,
    name: Str<'a>,
}

/// The id of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryId {
    /// Milliseconds since 1970, as a rule.
    pub ms: u64,
    /// Tells entries of one millisecond apart.
    pub seq: u64,
}

impl EntryId {
    /// Returns the id as the server writes it.
    pub fn to_text(self) -> IdText {
        let mut text = IdText {
            bytes: [b'-'; 41],
            length: 0,
        };
        let mut digits = itoa::Buffer::new();
        text.put(digits.format(self.ms));
        text.length += 1;
        text.put(digits.format(self.seq));
        text
    }
}

/// An id as text: two numbers of up to 20 digits, and a dash.
pub struct IdText {
    bytes: [u8; 41],
    length: usize,
}

impl IdText {
    /// Returns the text.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn put(&mut self, digits: &str) {
        let end = self.length + digits.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(digits.as_bytes());
            self.length = end;
        }
    }
}

/// Which id an entry gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewId {
    /// The next one, by the server's clock.
    Next,
    /// This one.
    Exactly(EntryId),
}

/// How many entries a stream keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keep {
    /// All.
    All,
    /// At least so many, and those that share a block with them.
    About(u64),
    /// So many.
    Exactly(u64),
}

/// An entry that was appended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// Its id.
    pub id: EntryId,
    /// How many entries the stream has now.
    pub length: u64,
    /// Whether older entries were removed.
    pub trimmed: bool,
}

/// Why a stream takes no entry. It is as it was then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamError {
    /// The key holds a value of another type.
    WrongType,
    /// The last id is the greatest that there is.
    Full,
    /// The id is not above the last one.
    IdTooSmall,
    /// The entry is too large.
    TooLarge,
}

impl<'a> Stream<'a> {
    /// Opens the key a first time, and closes it again.
    pub(super) fn new(context: Context<'a>, name: Str<'a>) -> Self {
        drop(Handle::open_to_write(context, name));
        Self { context, name }
    }

    /// Appends an entry of fields with these names and values. Makes a stream if the key is missing. Tells
    /// WATCH, client-side caching and those who wait by XREAD; keyspace events wait for
    /// [`publish`](Self::publish).
    ///
    /// # Errors
    ///
    /// See [`StreamError`].
    pub fn append<const N: usize>(
        self,
        names: &'static [Word; N],
        values: [Sent<'_>; N],
        id: NewId,
        keep: Keep,
    ) -> Result<Appended, StreamError> {
        // By invariant 1 nobody else's reference to a value ends here.
        let handle = Handle::open_to_write(self.context, self.name);
        // SAFETY: the handle is open.
        let kind = unsafe { api!(RedisModule_KeyType(handle.raw())) };
        if kind != STREAM && kind != EMPTY {
            return Err(StreamError::WrongType);
        }
        let id = add(&handle, names, values, id)?;
        let trimmed = trim(&handle, keep);
        // SAFETY: the handle is open, and the key has a stream now.
        let length = unsafe { api!(RedisModule_ValueLength(handle.raw())) } as u64;
        drop(handle);
        self.context.signal_modified(self.name);
        Ok(Appended {
            id,
            length,
            trimmed,
        })
    }

    /// Publishes the keyspace events of an entry, those of XADD.
    pub fn publish(self, appended: &Appended) {
        self.notify(c"xadd");
        if appended.trimmed {
            self.notify(c"xtrim");
        }
    }

    fn notify(self, event: &CStr) {
        self.context
            .notify_class(raw::REDISMODULE_NOTIFY_STREAM, event, self.name);
    }
}

fn add<const N: usize>(
    handle: &Handle,
    names: &'static [Word; N],
    values: [Sent<'_>; N],
    id: NewId,
) -> Result<EntryId, StreamError> {
    let (flags, EntryId { ms, seq }) = match id {
        NewId::Next => (
            raw::REDISMODULE_STREAM_ADD_AUTOID,
            EntryId { ms: 0, seq: 0 },
        ),
        NewId::Exactly(id) => (0, id),
    };
    let mut id = raw::RedisModuleStreamID { ms, seq };
    let (mut names, values) = (names.iter(), values.map(Sent::raw));
    let mut fields = values.map(|value| [names.next().map_or(value, Word::raw), value]);
    // SAFETY: the handle is open for writing; the server reads N pairs of strings, and writes the
    // id.
    let status = unsafe {
        api!(RedisModule_StreamAdd(
            handle.raw(),
            flags.cast_signed(),
            &raw mut id,
            fields.as_mut_ptr().cast(),
            const { N as i64 },
        ))
    };
    if status == OK {
        let (ms, seq) = (id.ms, id.seq);
        return Ok(EntryId { ms, seq });
    }
    Err(match io::Error::last_os_error().raw_os_error() {
        Some(libc::EFBIG) => StreamError::Full,
        Some(libc::EDOM) => StreamError::IdTooSmall,
        _ => StreamError::TooLarge,
    })
}

/// Removes the oldest entries. Returns whether there were any.
fn trim(handle: &Handle, keep: Keep) -> bool {
    let (flags, length) = match keep {
        Keep::All => return false,
        Keep::About(length) => (raw::REDISMODULE_STREAM_TRIM_APPROX, length),
        Keep::Exactly(length) => (0, length),
    };
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    // SAFETY: the handle is open for writing, and the key has a stream.
    let removed = unsafe {
        api!(RedisModule_StreamTrimByLength(
            handle.raw(),
            flags.cast_signed(),
            length
        ))
    };
    removed > 0
}
