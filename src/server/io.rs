//! Reading and writing values: RDB files, DUMP payloads, append-only files.

use std::ffi::{CStr, c_void};
use std::marker::PhantomData;

use redis_module::raw;

use crate::server::api::api;
use crate::server::value_type::Place;

/// A value being read or written.
///
/// # Invariants
///
/// 1. The pointer is the one that the server gave for this callback, valid until it returns.
pub struct Io<'a> {
    raw: *mut raw::RedisModuleIO,
    call: PhantomData<&'a ()>,
}

/// Bytes that the server allocated for a string it read. Dropping this value frees them.
pub struct Buffer {
    start: *mut std::ffi::c_char,
    length: usize,
}

impl Io<'_> {
    /// # Safety
    ///
    /// `raw` is the pointer of a running callback, which lasts for `'a`.
    pub(super) unsafe fn new(raw: *mut raw::RedisModuleIO) -> Self {
        Self {
            raw,
            call: PhantomData,
        }
    }

    /// Reads a string. Returns `None` if the input ends or is broken.
    pub fn load(&mut self) -> Option<Buffer> {
        let mut length = 0;
        // SAFETY: by invariant 1.
        let start = unsafe { api!(RedisModule_LoadStringBuffer(self.raw, &raw mut length)) };
        let buffer = (!start.is_null()).then_some(Buffer { start, length });
        buffer.filter(|_| !self.has_failed())
    }

    /// Returns the place of the value; `None` if the server doesn't say.
    pub fn place(&self) -> Option<Place<'_>> {
        // SAFETY: by invariant 1.
        let database = unsafe { api!(RedisModule_GetDbIdFromIO(self.raw)) };
        let key = self.key_name()?;
        (database >= 0).then_some(Place { database, key })
    }

    /// Writes a string.
    pub fn save(&mut self, bytes: &[u8]) {
        // SAFETY: by invariant 1; the bytes are copied.
        unsafe {
            api!(RedisModule_SaveStringBuffer(
                self.raw,
                bytes.as_ptr().cast(),
                bytes.len()
            ))
        };
    }

    /// Writes a command on this key to the append-only file, with one or three more arguments.
    ///
    /// # Panics
    ///
    /// If the key has no name, which does not happen. Skipping the command would lose the key.
    pub fn emit(&mut self, command: &CStr, rest: &[&[u8]]) {
        #[expect(clippy::expect_used, reason = "the guard gives up this save")]
        let key = self.key().expect("a key in an append-only file has a name");
        // SAFETY: by invariant 1; `s` is a string, each `b` bytes with a length.
        unsafe {
            let bytes = |at: usize| {
                rest.get(at)
                    .map_or((c"".as_ptr(), 0), |b| (b.as_ptr().cast(), b.len()))
            };
            let [a, b, c] = [bytes(0), bytes(1), bytes(2)];
            let name = command.as_ptr();
            match rest.len() {
                1 => api!(RedisModule_EmitAOF(
                    self.raw,
                    name,
                    c"sb".as_ptr(),
                    key,
                    a.0,
                    a.1
                )),
                _ => api!(RedisModule_EmitAOF(
                    self.raw,
                    name,
                    c"sbbb".as_ptr(),
                    key,
                    a.0,
                    a.1,
                    b.0,
                    b.1,
                    c.0,
                    c.1
                )),
            }
        }
    }

    /// Returns the name of the key; `None` for a value that has none.
    pub fn key_name(&self) -> Option<&[u8]> {
        let key = self.key()?;
        let mut length = 0;
        // SAFETY: by invariant 1 the key's name lives as long as this callback.
        Some(unsafe {
            let start = api!(RedisModule_StringPtrLen(key, &raw mut length));
            std::slice::from_raw_parts(start.cast::<u8>(), length)
        })
    }

    fn has_failed(&self) -> bool {
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_IsIOError(self.raw)) != 0 }
    }

    fn key(&self) -> Option<*mut raw::RedisModuleString> {
        // SAFETY: by invariant 1. The server's signature says const, and the calls that take the
        // name say mutable; none changes it.
        let key = unsafe { api!(RedisModule_GetKeyNameFromIO(self.raw)) };
        (!key.is_null()).then_some(key.cast_mut())
    }
}

impl std::ops::Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the server returned this many bytes, owned by this value.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.length) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the bytes are from the server's allocator, and are freed once.
        unsafe { api!(RedisModule_Free(self.start.cast::<c_void>())) };
    }
}

/// A DEBUG DIGEST being computed.
pub struct Digest<'a> {
    raw: *mut raw::RedisModuleDigest,
    call: PhantomData<&'a ()>,
}

impl Digest<'_> {
    /// # Safety
    ///
    /// `raw` is the pointer of a running callback, which lasts for `'a`.
    pub(super) unsafe fn new(raw: *mut raw::RedisModuleDigest) -> Self {
        Self {
            raw,
            call: PhantomData,
        }
    }

    /// Adds the parts of a value, in this order.
    pub fn add(&mut self, parts: &[&[u8]]) {
        for part in parts {
            // SAFETY: valid during the callback; the bytes are only read.
            unsafe {
                api!(RedisModule_DigestAddStringBuffer(
                    self.raw,
                    part.as_ptr().cast(),
                    part.len()
                ))
            };
        }
        // SAFETY: valid during the callback.
        unsafe { api!(RedisModule_DigestEndSequence(self.raw)) };
    }
}
