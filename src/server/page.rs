//! The server's own SCAN, for the keys of a type.

use std::ffi::{CStr, c_char};

use crate::server::api::api;
use crate::server::context::Context;
use crate::server::reply::CallReply;
use crate::server::value_type::ValueType;

/// Which keys SCAN shows.
pub struct Query<'a> {
    /// Where the call before ended; 0 to begin.
    pub cursor: u64,
    /// How many keys to visit, about.
    pub count: u32,
    /// The pattern that names have to match.
    pub pattern: Option<&'a [u8]>,
}

/// What SCAN replied: an array of the cursor and an array of names.
pub struct Page(CallReply);

impl Page {
    /// Asks for keys that hold a `T`, in the selected database.
    ///
    /// # Errors
    ///
    /// The server's, with its code.
    pub fn ask<T: ValueType>(context: Context<'_>, query: &Query<'_>) -> Result<Self, Box<str>> {
        let (mut cursor, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (cursor, count) = (cursor.format(query.cursor), count.format(query.count));
        // A pattern that every name matches is none.
        let pattern = query.pattern.unwrap_or(b"*");
        let start = |bytes: &[u8]| bytes.as_ptr().cast::<c_char>();
        let word = CStr::as_ptr;
        // SAFETY: the context is of the running call; `E` makes errors replies, `b` is bytes and their
        // length, `c` is a text that ends in NUL; the reply belongs to the caller.
        let reply = unsafe {
            let (scan, format) = (c"SCAN".as_ptr(), c"Ebcbcccb".as_ptr());
            CallReply::new(api!(RedisModule_Call)(
                context.raw(),
                scan,
                format,
                start(cursor.as_bytes()),
                cursor.len(),
                word(c"COUNT"),
                start(count.as_bytes()),
                count.len(),
                word(c"TYPE"),
                word(T::NAME),
                word(c"MATCH"),
                start(pattern),
                pattern.len(),
            ))
        };
        let reply = reply.ok_or("ERR the server has no SCAN")?;
        match reply.error() {
            Some(why) => Err(String::from_utf8_lossy(why).into()),
            None => Ok(Self(reply)),
        }
    }

    /// Returns where to go on; `0` at the end.
    pub fn cursor(&self) -> &[u8] {
        self.0.text_at(0)
    }

    /// Returns the names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.texts_at(1)
    }
}
