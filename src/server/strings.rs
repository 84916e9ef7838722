//! The server's strings: arguments, strings of our own, and words that are sent often.

use std::marker::PhantomData;
use std::ptr;
use std::sync::OnceLock;

use redis_module::raw;

use crate::server::api::api;
use crate::server::context::Context;

/// A command's arguments, its name first.
#[derive(Clone, Copy)]
pub struct Args<'a>(&'a [Str<'a>]);

impl<'a> Args<'a> {
    /// # Safety
    ///
    /// `argv` is null or points to `argc` strings that live for `'a`.
    pub(super) unsafe fn new(argv: *mut *mut raw::RedisModuleString, argc: i32) -> Self {
        let count = usize::try_from(argc).unwrap_or(0);
        // A module that is loaded without arguments gets a null pointer.
        if argv.is_null() || count == 0 {
            return Self(&[]);
        }
        // SAFETY: as the caller promises; `Str` is a transparent wrapper.
        Self(unsafe { std::slice::from_raw_parts(argv.cast(), count) })
    }

    /// Returns the number of arguments, the command's name included.
    #[inline]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Returns the arguments from `index` on.
    #[inline]
    pub fn from(self, index: usize) -> &'a [Str<'a>] {
        self.0.get(index..).unwrap_or_default()
    }

    /// Returns the argument at `index`, if there is one.
    #[inline]
    pub fn get(self, index: usize) -> Option<Str<'a>> {
        self.0.get(index).copied()
    }
}

/// A string of the server.
///
/// # Invariants
///
/// 1. The pointer is an argument of the running call, valid until it returns.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Str<'a> {
    raw: *mut raw::RedisModuleString,
    call: PhantomData<&'a ()>,
}

impl<'a> Str<'a> {
    /// # Safety
    ///
    /// `raw` is a string that the server gave for a running call, which lasts for `'a`.
    pub(super) unsafe fn new(raw: *const raw::RedisModuleString) -> Self {
        Self {
            raw: raw.cast_mut(),
            call: PhantomData,
        }
    }

    pub(super) fn raw(self) -> *mut raw::RedisModuleString {
        self.raw
    }

    /// Returns whether the string is a word, in upper or lower case.
    pub fn is_word(self, word: &str) -> bool {
        self.bytes().eq_ignore_ascii_case(word.as_bytes())
    }

    /// Returns the bytes of the string.
    #[inline]
    pub fn bytes(self) -> &'a [u8] {
        let mut length = 0;
        // SAFETY: by invariant 1; the server's string is not changed while its call runs.
        unsafe {
            let start = api!(RedisModule_StringPtrLen(self.raw, &raw mut length));
            std::slice::from_raw_parts(start.cast(), length)
        }
    }
}

/// A string of the server that belongs to this value and is freed with it.
///
/// # Invariants
///
/// 1. The pointer is a string, alive, of which this value has one reference.
pub struct OwnedStr<'a> {
    raw: *mut raw::RedisModuleString,
    call: PhantomData<&'a ()>,
}

impl<'a> OwnedStr<'a> {
    pub fn new(context: Context<'a>, bytes: &[u8]) -> Self {
        // SAFETY: by the context's invariant 1; the bytes are copied.
        let raw = unsafe {
            api!(RedisModule_CreateString(
                context.raw(),
                bytes.as_ptr().cast(),
                bytes.len()
            ))
        };
        Self {
            raw,
            call: PhantomData,
        }
    }

    /// Takes over a string of the server.
    ///
    /// # Safety
    ///
    /// `raw` is a string, of which the caller has one reference and gives it away.
    pub(super) unsafe fn of(raw: *mut raw::RedisModuleString) -> Self {
        Self {
            raw,
            call: PhantomData,
        }
    }

    pub(super) fn raw(&self) -> *mut raw::RedisModuleString {
        self.raw
    }

    /// Returns the string, as arguments are.
    pub fn as_str(&self) -> Str<'_> {
        Str {
            raw: self.raw,
            call: PhantomData,
        }
    }

    /// Returns the bytes of the string.
    pub fn bytes(&self) -> &[u8] {
        self.as_str().bytes()
    }
}

impl Drop for OwnedStr<'_> {
    fn drop(&mut self) {
        // SAFETY: by invariant 1. No context of ours manages memory by itself, so it needs none.
        unsafe { api!(RedisModule_FreeString(ptr::null_mut(), self.raw)) };
    }
}

/// A string to send.
#[derive(Clone, Copy)]
pub enum Sent<'a> {
    /// One that is sent often.
    Word(&'a Word),
    /// One of this command,
    Owned(&'a OwnedStr<'a>),
    /// or one of its arguments.
    Argument(Str<'a>),
}

impl Sent<'_> {
    pub(super) fn raw(self) -> *mut raw::RedisModuleString {
        match self {
            Self::Word(word) => word.raw(),
            Self::Owned(owned) => owned.raw,
            Self::Argument(argument) => argument.raw,
        }
    }
}

/// A word that many commands send. The server's string for it is made once and kept.
///
/// # Invariants
///
/// 1. The string, once there is one, is never freed, and used only while the server runs one of our
///    commands: its count of references is not atomic.
pub struct Word {
    text: &'static [u8],
    made: OnceLock<SharedStr>,
}

struct SharedStr(*mut raw::RedisModuleString);

// SAFETY: by the word's invariant 1, only one thread at a time uses the pointer.
unsafe impl Send for SharedStr {}
// SAFETY: as above.
unsafe impl Sync for SharedStr {}

impl Word {
    pub const fn new(text: &'static [u8]) -> Self {
        Self {
            text,
            made: OnceLock::new(),
        }
    }

    pub(super) fn raw(&self) -> *mut raw::RedisModuleString {
        let make = || {
            let (start, length) = (self.text.as_ptr(), self.text.len());
            // SAFETY: a string without a context is the caller's; the bytes are copied.
            SharedStr(unsafe {
                api!(RedisModule_CreateString(
                    ptr::null_mut(),
                    start.cast(),
                    length
                ))
            })
        };
        self.made.get_or_init(make).0
    }
}
