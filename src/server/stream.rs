//! A stream that is open beside another key.
//!
//! RM_Call of XADD would append to it too. But that publishes its keyspace event at once, and whoever
//! hears of it could change the other key, or delete it, before it is written. Here nobody else's code
//! runs from the opening of both keys until both are written.

use std::ffi::CStr;
use std::io;

use redis_module::raw;

use crate::server::api::{OK, api};
use crate::server::context::Context;
use crate::server::key::{Handle, WriteKey};
use crate::server::strings::{Sent, Str, Word};
use crate::server::value_type::ValueType;

/// The type of a key that holds a stream.
#[expect(clippy::cast_possible_truncation, reason = "a small number")]
const STREAM: i32 = raw::REDISMODULE_KEYTYPE_STREAM as i32;

/// The type of a missing key.
#[expect(clippy::cast_possible_truncation, reason = "zero")]
const EMPTY: i32 = raw::REDISMODULE_KEYTYPE_EMPTY as i32;

/// A key that is open for writing, and a stream beside it.
///
/// # Invariants
///
/// 1. No code but ours has run since the key was opened. Two calls can run what others subscribed to
///    keyspace events: opening a key that has expired, which was done before
///    ([`Keys::let_expire`](crate::server::key::Keys::let_expire)); and making the stream, for which the
///    key is closed.
pub struct WithStream<'k, T> {
    /// `None` if it holds a value of another type since the stream was made.
    key: Option<WriteKey<'k, T>>,
    key_name: Str<'k>,
    stream: Handle,
    context: Context<'k>,
    name: Str<'k>,
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
    /// How many entries the stream has, if older ones were removed.
    pub left: Option<u64>,
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
    /// Somebody who heard of the new stream has changed the other key.
    Interference,
}

impl<'k, T: ValueType> WithStream<'k, T> {
    /// Opens a stream, or the missing key of one, beside a key.
    pub(super) fn new(context: Context<'k>, key: WriteKey<'k, T>, name: Str<'k>) -> Self {
        Self {
            key_name: key.name(),
            key: Some(key),
            stream: Handle::open_to_write(context, name),
            context,
            name,
        }
    }

    /// Returns the value of the key; `None` for a missing key.
    pub fn value_mut(&mut self) -> Option<&mut T> {
        self.key.as_mut()?.value_mut()
    }

    /// Appends an entry of fields with these names and values. Makes a stream if there is none; then
    /// `is_same` says whether the value of the key is still the one that it was.
    ///
    /// # Errors
    ///
    /// See [`StreamError`].
    pub fn append<const N: usize>(
        &mut self,
        names: &'static [Word; N],
        values: [Sent<'_>; N],
        id: NewId,
        keep: Keep,
        is_same: impl FnOnce(&T) -> bool,
    ) -> Result<Appended, StreamError> {
        let id = match self.stream.kind() {
            STREAM => add(&self.stream, names, values, id)?,
            EMPTY => self.begin(names, values, id, is_same)?,
            _ => return Err(StreamError::WrongType),
        };
        let left = trim(&self.stream, keep);
        Ok(Appended { id, left })
    }

    /// Makes the stream, with its first entry. The server publishes at once that there is a new key, so
    /// the other one is closed meanwhile.
    fn begin<const N: usize>(
        &mut self,
        names: &'static [Word; N],
        values: [Sent<'_>; N],
        id: NewId,
        is_same: impl FnOnce(&T) -> bool,
    ) -> Result<EntryId, StreamError> {
        self.key = None;
        let added = add(&self.stream, names, values, id);
        self.key = WriteKey::open(self.context, self.key_name).ok();
        let is_same = self.value_mut().is_some_and(|value| is_same(value));
        let added = match added {
            Ok(_) if !is_same => Err(StreamError::Interference),
            added => added,
        };
        // Redis 7.0 leaves an empty stream where it could not append.
        added.inspect_err(|_| self.stream.delete())
    }

    /// Tells WATCH, client-side caching, those who wait and keyspace events that the key has changed,
    /// and that the stream has an entry more. Closes both.
    pub fn commit(self, event: &CStr, appended: &Appended) {
        let (context, name) = (self.context, self.name);
        // Closing it wakes those who wait for it.
        drop(self.stream);
        context.signal_modified(name);
        if let Some(key) = self.key {
            key.commit(event);
        }
        let class = raw::REDISMODULE_NOTIFY_STREAM;
        context.notify_class(class, c"xadd", name);
        if appended.left.is_some() {
            context.notify_class(class, c"xtrim", name);
        }
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

/// Removes the oldest entries. Returns how many are left, if there were any to remove.
fn trim(handle: &Handle, keep: Keep) -> Option<u64> {
    let (flags, length) = match keep {
        Keep::All => return None,
        Keep::About(length) => (raw::REDISMODULE_STREAM_TRIM_APPROX, length),
        Keep::Exactly(length) => (0, length),
    };
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    // SAFETY: the handle is open for writing, and the key has a stream.
    unsafe {
        let removed = api!(RedisModule_StreamTrimByLength(
            handle.raw(),
            flags.cast_signed(),
            length
        ));
        (removed > 0).then(|| api!(RedisModule_ValueLength(handle.raw())) as u64)
    }
}
