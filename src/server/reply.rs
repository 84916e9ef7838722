//! The reply of a command that the module called.

use std::slice;

use redis_module::raw;

use crate::server::api::api;

/// A reply, which is freed with this value.
///
/// # Invariants
///
/// 1. The pointer is a reply of the server, alive, and belongs to this value.
pub(super) struct CallReply(*mut raw::RedisModuleCallReply);

/// A part of a reply: the text of an element, or that of an error.
fn text<'a>(reply: *mut raw::RedisModuleCallReply) -> &'a [u8] {
    let mut length = 0;
    // SAFETY: the caller's reply is alive for `'a`, or null, which has no text; the text lives as long.
    unsafe {
        let start = api!(RedisModule_CallReplyStringPtr(reply, &raw mut length));
        if start.is_null() {
            return &[];
        }
        slice::from_raw_parts(start.cast(), length)
    }
}

impl CallReply {
    /// # Safety
    ///
    /// `reply` is null, or a reply that belongs to the caller.
    pub(super) unsafe fn new(reply: *mut raw::RedisModuleCallReply) -> Option<Self> {
        (!reply.is_null()).then_some(Self(reply))
    }

    fn kind(&self) -> i64 {
        // SAFETY: by invariant 1.
        unsafe { api!(RedisModule_CallReplyType(self.0)) }.into()
    }

    /// Returns the text of an error, which begins with its code; `None` for another reply.
    pub(super) fn error(&self) -> Option<&[u8]> {
        let is_error = self.kind() == raw::REDISMODULE_REPLY_ERROR as i64;
        is_error.then(|| text(self.0))
    }

    /// Returns the text of an element of an array; empty if there is none.
    pub(super) fn text_at(&self, at: usize) -> &[u8] {
        text(self.element(at))
    }

    /// Returns the texts of an array that is an element of an array.
    pub(super) fn texts_at(&self, at: usize) -> impl Iterator<Item = &[u8]> {
        let array = self.element(at);
        let count = match array.is_null() {
            true => 0,
            // SAFETY: an element is alive as long as the reply.
            false => unsafe { api!(RedisModule_CallReplyLength(array)) },
        };
        // SAFETY: as above.
        (0..count)
            .map(move |at| text(unsafe { api!(RedisModule_CallReplyArrayElement(array, at)) }))
    }

    fn element(&self, at: usize) -> *mut raw::RedisModuleCallReply {
        // SAFETY: by invariant 1. The element belongs to the reply.
        unsafe { api!(RedisModule_CallReplyArrayElement(self.0, at)) }
    }
}

impl Drop for CallReply {
    fn drop(&mut self) {
        // SAFETY: by invariant 1, and not used after.
        unsafe { api!(RedisModule_FreeCallReply(self.0)) };
    }
}
