//! The server's own SCAN, for the keys of a type.

use std::ffi::{CStr, c_char};
use std::slice;

use redis_module::raw;

use crate::server::api::api;
use crate::server::context::Context;
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

/// What SCAN replied.
///
/// # Invariants
///
/// 1. The pointer is an array of a string and an array of strings, alive, and belongs to this value.
pub struct Page(*mut raw::RedisModuleCallReply);

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
            api!(RedisModule_Call)(
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
            )
        };
        Self::of(reply)
    }

    fn of(reply: *mut raw::RedisModuleCallReply) -> Result<Self, Box<str>> {
        if reply.is_null() {
            return Err("ERR the server has no SCAN".into());
        }
        // Freed in any case from here on. If it is an error, nothing relies on invariant 1.
        let page = Self(reply);
        // SAFETY: the reply is alive.
        let kind = i64::from(unsafe { api!(RedisModule_CallReplyType(reply)) });
        if kind == raw::REDISMODULE_REPLY_ARRAY as i64 {
            return Ok(page);
        }
        Err(String::from_utf8_lossy(text(reply)).into())
    }

    /// Returns where to go on; `0` at the end.
    pub fn cursor(&self) -> &[u8] {
        text(self.element(0))
    }

    /// Returns the names of the keys.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        let names = self.element(1);
        // SAFETY: by invariant 1.
        let count = unsafe { api!(RedisModule_CallReplyLength(names)) };
        // SAFETY: as above.
        (0..count)
            .map(move |at| text(unsafe { api!(RedisModule_CallReplyArrayElement(names, at)) }))
    }

    fn element(&self, at: usize) -> *mut raw::RedisModuleCallReply {
        // SAFETY: by invariant 1. The element belongs to the reply.
        unsafe { api!(RedisModule_CallReplyArrayElement(self.0, at)) }
    }
}

/// Returns the text of a reply that is alive for `'a`; empty if it has none.
fn text<'a>(reply: *mut raw::RedisModuleCallReply) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: the reply is alive, or null, which has no text; its text lives as long as it does.
    unsafe {
        let start = api!(RedisModule_CallReplyStringPtr(reply, &raw mut length));
        if start.is_null() {
            return &[];
        }
        slice::from_raw_parts(start.cast(), length)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: by invariant 1, and not used after.
        unsafe { api!(RedisModule_FreeCallReply(self.0)) };
    }
}
